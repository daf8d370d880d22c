//! The keys of a register: which of them sign its checkpoints, and when each did. The table in `docs/format.md`, folded.

use proofs::note::VerifierKey;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entry::EntryView;
use crate::error::DomainError;
use crate::fault::Fault;
use crate::record::Reason;

/// A key that signs a register's checkpoints from then on.
pub const KEY_ADDED: &str = "key-added";
/// A key that does not sign them any more.
pub const KEY_RETIRED: &str = "key-retired";
/// A key that somebody else had from a time on.
pub const KEY_COMPROMISED: &str = "key-compromised";

/// A key of a register, and when it signed the register's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterKey {
    /// The key.
    pub vkey: VerifierKey,
    /// When the entry that put it in force was recorded.
    pub from: Timestamp,
    /// When the entry that ended it was recorded; `None` while in force.
    pub until: Option<Timestamp>,
    /// From when on somebody else may have signed with it; `None` unless that was declared. The earliest, if declared again.
    pub compromised_since: Option<Timestamp>,
}

/// All keys that a register ever had, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterKeys(Vec<RegisterKey>);

impl RegisterKeys {
    /// The key that a register is defined with.
    pub fn first(vkey: VerifierKey, from: Timestamp) -> Self {
        Self(vec![RegisterKey { vkey, from, until: None, compromised_since: None }])
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &RegisterKey> {
        self.0.iter()
    }

    /// Those in force, the newest first: the order in which they sign.
    pub fn now(&self) -> impl Iterator<Item = &RegisterKey> {
        self.0.iter().rev().filter(|key| key.until.is_none())
    }

    /// The newest in force.
    pub fn newest(&self) -> Option<&VerifierKey> {
        self.now().next().map(|key| &key.vkey)
    }

    /// A key, in force or not.
    pub fn get(&self, vkey: &VerifierKey) -> Option<&RegisterKey> {
        self.0.iter().find(|key| key.vkey == *vkey)
    }

    /// The name that all of them have: the origin of the register's checkpoints.
    pub fn name(&self) -> Option<&str> {
        self.0.first().map(|key| key.vkey.name())
    }

    /// Is it the only one in force?
    pub fn is_last(&self, vkey: &VerifierKey) -> bool {
        self.now().all(|key| key.vkey == *vkey)
    }

    /// Takes one later entry in. What the register's own rules would have refused is an error here.
    pub fn step(&mut self, entry: &EntryView<'_>) -> Result<(), DomainError> {
        let entry_type = entry.entry_type.as_str();
        if ![KEY_ADDED, KEY_RETIRED, KEY_COMPROMISED].contains(&entry_type) {
            return Ok(());
        }
        let body = entry.body.ok_or_else(|| DomainError::withheld(entry))?;
        let vkey = body["key"].as_str().and_then(|key| key.parse::<VerifierKey>().ok());
        let vkey = vkey.filter(|vkey| Some(vkey.name()) == self.name());
        let vkey = vkey.ok_or_else(|| {
            DomainError::body(entry, vec![Fault::new("/key", "is not a verifier key of this register")])
        })?;
        let at = self.0.iter().position(|key| key.vkey == vkey);
        let Some(at) = at else {
            if entry_type != KEY_ADDED {
                return Err(DomainError::order(entry));
            }
            let from = entry.recorded_at;
            self.0.push(RegisterKey { vkey, from, until: None, compromised_since: None });
            return Ok(());
        };
        let in_force = self.0[at].until.is_none();
        if entry_type == KEY_ADDED || (entry_type == KEY_RETIRED && !in_force) || self.is_last(&vkey) {
            return Err(DomainError::order(entry));
        }
        if entry_type == KEY_COMPROMISED {
            let since = since(entry)?;
            let known = &mut self.0[at].compromised_since;
            *known = Some(known.map_or(since, |known| known.min(since)));
        }
        self.0[at].until.get_or_insert(entry.recorded_at);
        Ok(())
    }
}

/// The time of a declaration of compromise, and not later than the entry: a clock that stepped back between the decision and the
/// record must not leave a register that nobody can fold. [`declares_future`] tells an auditor of such an entry.
pub(crate) fn since(entry: &EntryView<'_>) -> Result<Timestamp, DomainError> {
    let since = declared(entry).map(|since: Timestamp| since.min(entry.recorded_at));
    since.ok_or_else(|| DomainError::body(entry, vec![Fault::new("/since", "is not a time")]))
}

/// Whether the entry declares a key compromised since a time after its own, which `docs/format.md` does not allow.
pub fn declares_future(entry: &EntryView<'_>) -> bool {
    *entry.entry_type == *KEY_COMPROMISED && declared(entry).is_some_and(|since| since > entry.recorded_at)
}

fn declared(entry: &EntryView<'_>) -> Option<Timestamp> {
    entry.body?["since"].as_str()?.parse().ok()
}

/// Why a declaration of compromise is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SinceError {
    /// No time of the one form.
    #[error("`since` is a time in UTC with milliseconds, as 2026-03-01T09:00:00.000Z")]
    Form,
    /// It has not come yet.
    #[error("`since` must not be in the future: what is signed from now on is refused anyway")]
    Future,
    /// The key was not there yet.
    #[error("`since` must not be before {from}, when the key came into force: it signed nothing before")]
    BeforeKey {
        /// When it came into force.
        from: Timestamp,
    },
    /// It was declared, and nothing more is said now.
    #[error("the key is declared compromised since {since} already: only an earlier time says more")]
    Declared {
        /// The time declared.
        since: Timestamp,
    },
}

impl SinceError {
    /// Whose fault it is.
    pub fn reason(self) -> Reason {
        match self {
            Self::Declared { .. } => Reason::Conflict,
            Self::Form | Self::Future | Self::BeforeKey { .. } => Reason::Invalid,
        }
    }

    /// A stable name of the rule.
    pub fn code(self) -> &'static str {
        match self {
            Self::Declared { .. } => "key-compromised",
            Self::Form | Self::Future | Self::BeforeKey { .. } => "since",
        }
    }
}

/// Checks the time of a declaration about a key that came into force at `from`.
pub(crate) fn check_since(
    body: &serde_json::Value,
    from: Timestamp,
    declared: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), SinceError> {
    let since: Option<Timestamp> = body["since"].as_str().and_then(|since| since.parse().ok());
    match (since, declared) {
        (None, _) => Err(SinceError::Form),
        (Some(since), _) if since > now => Err(SinceError::Future),
        (Some(since), _) if since < from => Err(SinceError::BeforeKey { from }),
        (Some(since), Some(declared)) if since >= declared => Err(SinceError::Declared { since: declared }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
