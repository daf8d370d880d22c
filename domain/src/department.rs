//! A department as an aggregate: a record of `departments`, and the rules that keep its keys and officials in order.
//!
//! A key has one term: once revoked it does not come back, so that whether it was in force at a moment has one answer. A key
//! that others had is declared compromised, also when it was revoked before. The platform keeps at least one key, because without one nothing could be put right. A department is abolished only when its
//! keys are revoked, so that keys end by revocations alone, which every verifier reads.

use proofs::key::{Jwk, KeyError, Kid};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::departments::DepartmentState;
use crate::platform::PLATFORM;
use crate::record::{Proposed, Reason, Record, RecordError, RecordEvent};
use crate::register_keys::{self, KEY_COMPROMISED, SinceError};

/// Why an entry about a department is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepartmentError {
    /// The slug is not one.
    #[error(
        "a department's slug is 2 to 63 lower-case Latin letters, digits and hyphens, and begins with a letter"
    )]
    Slug,
    /// The key is none that signatures can be checked with.
    #[error("the key is refused: {0}")]
    Key(KeyError),
    /// The department has, or had, this key.
    #[error("the key {kid} was enrolled before: enrol a new one, a key has one term")]
    KeyKnown {
        /// The key.
        kid: Kid,
    },
    /// The department never had this key.
    #[error("the department has no such key")]
    KeyUnknown,
    /// The key is revoked already.
    #[error("the key {kid} is revoked already")]
    KeyRevoked {
        /// The key.
        kid: Kid,
    },
    /// The time of a declaration of compromise is refused.
    #[error(transparent)]
    Since(#[from] SinceError),
    /// The platform would be left without a key.
    #[error("the platform's last key cannot be ended: enrol another first")]
    LastKey,
    /// The person is an official of this department already.
    #[error("the person is an official of this department already")]
    OfficialKnown,
    /// The person is no official of this department.
    #[error("the person is not an official of this department")]
    OfficialUnknown,
    /// The department still has keys.
    #[error("the department has keys in force: revoke them before abolishing it")]
    KeysInForce,
    /// The platform cannot be abolished.
    #[error("the platform cannot be abolished")]
    Platform,
}

impl DepartmentError {
    /// Whose fault it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Slug | Self::Key(_) => Reason::Invalid,
            Self::Since(error) => error.reason(),
            _ => Reason::Conflict,
        }
    }

    /// A stable name of the rule.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Slug => "department-slug",
            Self::Key(_) => "key-refused",
            Self::KeyKnown { .. } => "key-known",
            Self::KeyUnknown => "key-unknown",
            Self::KeyRevoked { .. } => "key-revoked",
            Self::Since(error) => error.code(),
            Self::LastKey => "last-key",
            Self::OfficialKnown => "official-known",
            Self::OfficialUnknown => "official-unknown",
            Self::KeysInForce => "keys-in-force",
            Self::Platform => "platform",
        }
    }

    /// The member of the body at fault.
    pub fn pointer(&self) -> &'static str {
        match self {
            Self::Slug => "/slug",
            Self::Key(_) | Self::KeyKnown { .. } => "/key",
            Self::KeyUnknown | Self::KeyRevoked { .. } | Self::LastKey => "/kid",
            Self::Since(_) => "/since",
            Self::OfficialKnown | Self::OfficialUnknown => "/official",
            Self::KeysInForce | Self::Platform => "",
        }
    }
}

/// A department as of its last entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Department {
    /// What it is as a record.
    pub record: Record,
    /// Its keys and officials; `None` before its first entry.
    pub state: Option<DepartmentState>,
}

impl Department {
    /// Decides on a proposed entry.
    pub fn decide(&self, proposed: &Proposed) -> Result<RecordEvent, RecordError> {
        let event = self.record.decide(proposed)?;
        self.check(proposed)?;
        Ok(event)
    }

    /// The rules beyond those of any record. The body has passed its schema.
    fn check(&self, proposed: &Proposed) -> Result<(), DepartmentError> {
        let body = &proposed.body;
        let Some(state) = &self.state else {
            if body["slug"].as_str().is_none_or(|slug| slug.parse::<Slug>().is_err()) {
                return Err(DepartmentError::Slug);
            }
            return new_key(body).map(|_| ());
        };
        match proposed.entry_type.as_str() {
            "key-enrolled" => {
                let kid = new_key(body)?;
                if state.key(&kid).is_some() { Err(DepartmentError::KeyKnown { kid }) } else { Ok(()) }
            }
            "key-revoked" => revocation(state, body),
            KEY_COMPROMISED => compromise(state, body, proposed.now),
            "official-appointed" if in_office(state, body) => Err(DepartmentError::OfficialKnown),
            "official-dismissed" if !in_office(state, body) => Err(DepartmentError::OfficialUnknown),
            "abolished" if state.slug == *PLATFORM => Err(DepartmentError::Platform),
            "abolished" if state.keys_now().next().is_some() => Err(DepartmentError::KeysInForce),
            _ => Ok(()),
        }
    }

    /// Takes one event in. An event that `check` would have refused changes the record only: it is
    /// [`crate::departments::Departments`] that reports such a register.
    pub fn step(&mut self, event: &RecordEvent) {
        self.record.step(event);
        match &mut self.state {
            Some(state) => drop(state.step(&event.view())),
            None => self.state = DepartmentState::established(&event.view()).ok(),
        }
    }
}

fn new_key(body: &Value) -> Result<Kid, DepartmentError> {
    let jwk = Jwk::deserialize(&body["key"]).map_err(|_| DepartmentError::Key(KeyError::Encoding))?;
    jwk.public_key().map(|key| key.kid()).map_err(DepartmentError::Key)
}

fn revocation(state: &DepartmentState, body: &Value) -> Result<(), DepartmentError> {
    let kid: Option<Kid> = body["kid"].as_str().and_then(|kid| kid.parse().ok());
    match kid.as_ref().and_then(|kid| state.key(kid)) {
        None => Err(DepartmentError::KeyUnknown),
        Some(key) if key.revoked_at.is_some() => Err(DepartmentError::KeyRevoked { kid: key.kid.clone() }),
        Some(_) if state.slug == *PLATFORM && state.keys_now().count() == 1 => Err(DepartmentError::LastKey),
        Some(_) => Ok(()),
    }
}

/// A key that is in force ends by it; one that was revoked may prove to have been stolen before, and one that was declared so,
/// to have been stolen earlier.
fn compromise(state: &DepartmentState, body: &Value, now: Timestamp) -> Result<(), DepartmentError> {
    let kid: Option<Kid> = body["kid"].as_str().and_then(|kid| kid.parse().ok());
    let key = kid.as_ref().and_then(|kid| state.key(kid)).ok_or(DepartmentError::KeyUnknown)?;
    if key.revoked_at.is_none() && state.slug == *PLATFORM && state.keys_now().count() == 1 {
        return Err(DepartmentError::LastKey);
    }
    Ok(register_keys::check_since(body, key.enrolled_at, key.compromised_since, now)?)
}

fn in_office(state: &DepartmentState, body: &Value) -> bool {
    let person: Option<Uuid> = body["official"].as_str().and_then(|id| id.parse().ok());
    state.officials_now().any(|official| Some(official.official) == person)
}

crate::record::aggregate!(Department, "department");

#[cfg(test)]
mod tests;
