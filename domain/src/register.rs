//! A register as an aggregate: a record of `registers`, and the rules of changing a definition.
//!
//! Old entries keep their meaning whatever is changed, because each is read under the definition in force where it stands.
//! What may not change is what would strand records, break what was promised, or make a past status mean something else:
//! - the slug, for it is in every statement and in the checkpoints' origin;
//! - the member that is the official number, once there is one, for numbers are claimed under it;
//! - a status may be added, not removed, for records may be in it; nor may it change whether it is in force;
//! - the key, which has entries of its own: a redefinition repeats the newest in force;
//! - the visibility may be narrowed, not widened: bodies written in confidence stay so. A wider register is a new one.
//!
//! A key has one term, and a register, also a closed one, always has a key in force: its checkpoint is served as long as it is.
//!
//! Titles, types, schemas, roles, terms, laws, the group and the owner (a function passes from one body to another) may change.

use std::sync::Arc;

use proofs::note::{KeyType, VerifierKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::definition::Definition;
use crate::fault::{self, Fault};
use crate::platform::{DEPARTMENTS, PERSONS, REGISTERS};
use crate::record::{Proposed, Reason, Record, RecordError, RecordEvent};
use crate::register_keys::{self, KEY_ADDED, KEY_COMPROMISED, KEY_RETIRED, RegisterKeys, SinceError};

/// Why an entry about a register is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The definition has faults. All of them, sorted by place.
    #[error("the definition has faults: {}", fault::list(faults))]
    Definition {
        /// What is wrong; pointers are into the body.
        faults: Vec<Fault>,
    },
    /// The body's `slug` is not the definition's.
    #[error("`slug` must be the slug of the definition")]
    Slug,
    /// The key is none that checkpoints can be checked with.
    #[error("the register's key must be an Ed25519 verifier key named <log name>/registers/<slug>")]
    Key,
    /// The register has, or had, this key.
    #[error("the register has, or had, this key: make a new one, a key has one term")]
    KeyKnown,
    /// The register never had this key.
    #[error("the register has no such key")]
    KeyUnknown,
    /// The key signs no more already.
    #[error("the key was retired before")]
    KeyRetired,
    /// The register would be left without a key.
    #[error("the register's last key cannot be ended: add another first")]
    LastKey,
    /// The time of a declaration of compromise is refused.
    #[error(transparent)]
    Since(#[from] SinceError),
    /// The changed definition breaks what stands. All of it, sorted by place.
    #[error("the definition cannot be changed so: {}", fault::list(faults))]
    Change {
        /// What is wrong; pointers are into the body.
        faults: Vec<Fault>,
    },
    /// The platform's registers cannot be closed.
    #[error("the register is the platform's own and cannot be closed")]
    Platform,
}

impl RegisterError {
    /// Whose fault it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Definition { .. } | Self::Slug | Self::Key => Reason::Invalid,
            Self::Change { .. }
            | Self::Platform
            | Self::KeyKnown
            | Self::KeyUnknown
            | Self::KeyRetired
            | Self::LastKey => Reason::Conflict,
            Self::Since(error) => error.reason(),
        }
    }

    /// A stable name of the rule.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Definition { .. } => "definition-invalid",
            Self::Slug => "register-slug",
            Self::Key => "register-key",
            Self::KeyKnown => "key-known",
            Self::KeyUnknown => "key-unknown",
            Self::KeyRetired => "key-retired",
            Self::LastKey => "last-key",
            Self::Since(error) => error.code(),
            Self::Change { .. } => "definition-change",
            Self::Platform => "platform",
        }
    }

    /// What is wrong, with pointers into the body.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Definition { faults } | Self::Change { faults } => faults.clone(),
            Self::Slug => vec![Fault::new("/slug", self.to_string())],
            Self::Key | Self::KeyKnown | Self::KeyUnknown | Self::KeyRetired | Self::LastKey => {
                vec![Fault::new("/key", self.to_string())]
            }
            Self::Since(_) => vec![Fault::new("/since", self.to_string())],
            Self::Platform => vec![Fault::new("", self.to_string())],
        }
    }
}

/// The body of an entry that defines or redefines a register: all of it each time, so that the record's content is the
/// definition in force and nothing of an earlier one.
pub fn body(definition: &Value, key: &VerifierKey) -> Value {
    json!({"slug": definition["slug"], "definition": definition, "key": key.to_string()})
}

/// A register as of the last entry about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Register {
    /// What it is as a record.
    pub record: Record,
    /// Its definition; `None` before the first entry.
    pub definition: Option<Arc<Definition>>,
    /// Its keys.
    pub keys: RegisterKeys,
}

impl Register {
    /// Decides on a proposed entry.
    pub fn decide(&self, proposed: &Proposed) -> Result<RecordEvent, RecordError> {
        let event = self.record.decide(proposed)?;
        self.check(proposed)?;
        Ok(event)
    }

    /// The rules beyond those of any record. The body has passed its schema.
    fn check(&self, proposed: &Proposed) -> Result<(), RegisterError> {
        let body = &proposed.body;
        let read = || {
            Definition::from_json(&body["definition"]).map_err(|faults| RegisterError::Definition {
                faults: faults.into_iter().map(|fault| fault.under("/definition")).collect(),
            })
        };
        match (proposed.entry_type.as_str(), &self.definition) {
            ("defined", _) => {
                let definition = read()?;
                if body["slug"] != definition.slug.as_str() {
                    return Err(RegisterError::Slug);
                }
                key(body, &definition)
            }
            (KEY_ADDED | KEY_RETIRED | KEY_COMPROMISED, Some(_)) => self.check_key(proposed),
            ("redefined", Some(before)) => {
                let mut faults = change(before, &*read()?);
                if body["slug"] != before.slug.as_str() {
                    faults.push(Fault::new("/slug", "must stay as the register was defined with"));
                }
                if self.keys.newest() != verifier_key(body).as_ref() {
                    let message = "must be the newest key in force: keys have entries of their own";
                    faults.push(Fault::new("/key", message));
                }
                if faults.is_empty() { Ok(()) } else { Err(RegisterError::Change { faults }) }
            }
            ("closed", Some(before)) if [REGISTERS, DEPARTMENTS, PERSONS].contains(&before.slug.as_str()) => {
                Err(RegisterError::Platform)
            }
            _ => Ok(()),
        }
    }

    fn check_key(&self, proposed: &Proposed) -> Result<(), RegisterError> {
        let named = verifier_key(&proposed.body).filter(|key| Some(key.name()) == self.keys.name());
        let vkey = named.filter(|key| key.key_type() == KeyType::Ed25519).ok_or(RegisterError::Key)?;
        let known = self.keys.get(&vkey);
        if proposed.entry_type == *KEY_ADDED {
            return if known.is_some() { Err(RegisterError::KeyKnown) } else { Ok(()) };
        }
        let known = known.ok_or(RegisterError::KeyUnknown)?;
        if proposed.entry_type == *KEY_RETIRED && known.until.is_some() {
            return Err(RegisterError::KeyRetired);
        }
        if self.keys.is_last(&vkey) {
            return Err(RegisterError::LastKey);
        }
        if proposed.entry_type == *KEY_COMPROMISED {
            let declared = known.compromised_since;
            register_keys::check_since(&proposed.body, known.from, declared, proposed.now)?;
        }
        Ok(())
    }

    /// Takes one event in. A definition that cannot be read leaves the last one standing: it is
    /// [`crate::definitions::Definitions`] that reports such a register.
    pub fn step(&mut self, event: &RecordEvent) {
        self.record.step(event);
        if let ("defined" | "redefined", Some(body)) = (event.entry_type.as_str(), &event.body)
            && let Ok(definition) = Definition::trusted(&body["definition"])
        {
            self.definition = Some(definition);
        }
        match (event.entry_type.as_str(), event.body.as_ref().and_then(verifier_key)) {
            ("defined", Some(key)) => self.keys = RegisterKeys::first(key, event.recorded_at),
            _ => drop(self.keys.step(&event.view())),
        }
    }
}

fn verifier_key(body: &Value) -> Option<VerifierKey> {
    body["key"].as_str()?.parse().ok()
}

/// The register's key is of the type that checkpoints are signed with, under the register's origin.
fn key(body: &Value, definition: &Definition) -> Result<(), RegisterError> {
    let origin_end = format!("/registers/{}", definition.slug);
    match verifier_key(body) {
        Some(key) if key.key_type() == KeyType::Ed25519 && key.name().ends_with(&origin_end) => Ok(()),
        _ => Err(RegisterError::Key),
    }
}

/// What a changed definition breaks.
fn change(before: &Definition, after: &Definition) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault =
        |pointer: &str, message: String| faults.push(Fault::new(format!("/definition{pointer}"), message));
    if after.slug != before.slug {
        fault("/slug", format!("must stay `{}`", before.slug));
    }
    if after.visibility < before.visibility {
        let message =
            format!("must stay `{}` or become narrower: bodies were written under it", before.visibility);
        fault("/visibility", message);
    }
    match (&before.number, &after.number) {
        (Some(before), None) => {
            fault("/number", format!("must stay: numbers are claimed under `{}`", before.member));
        }
        (Some(before), Some(after)) if before.member != after.member => {
            fault("/number/member", format!("must stay `{}`: numbers are claimed under it", before.member));
        }
        _ => {}
    }
    for status in &before.statuses {
        match after.statuses.iter().position(|rule| rule.status == status.status) {
            None => {
                fault("/statuses", format!("must keep the status `{}`: records may be in it", status.status));
            }
            Some(at) if after.statuses[at].in_force != status.in_force => {
                let message = format!("must stay {}: records have been in this status", status.in_force);
                fault(&format!("/statuses/{at}/in_force"), message);
            }
            Some(_) => {}
        }
    }
    faults.sort();
    faults
}

crate::record::aggregate!(Register, "register");

#[cfg(test)]
mod tests;
