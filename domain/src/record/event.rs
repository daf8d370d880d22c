//! What happened to a record: an entry, with its meaning under the definition then in force.

use std::fmt;

use cqrs_es::DomainEvent;
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::definitions::Definitions;
use crate::entry::EntryView;
use crate::error::DomainError;
use crate::facts::Step;
use crate::withholding;

/// An entry, and the step that it is.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordEvent {
    /// The register that holds it.
    pub register: Slug,
    /// The record that it is about.
    pub record: Uuid,
    /// The version that it makes.
    pub version: u64,
    /// Its type.
    pub entry_type: EntryType,
    /// From when it has legal effect.
    pub effective_at: Timestamp,
    /// When the log recorded it. Of one not yet recorded, when it was decided.
    pub recorded_at: Timestamp,
    /// The department that signs it.
    pub issuer: Slug,
    /// Its place in the order of all entries; 0 when it is not recorded yet.
    pub position: u64,
    /// Its body; `None` when withheld.
    pub body: Option<Value>,
    /// What it does to the record.
    pub step: Step,
}

impl RecordEvent {
    /// The entry, without its meaning.
    pub fn view(&self) -> EntryView<'_> {
        EntryView {
            register: &self.register,
            record: self.record,
            version: self.version,
            entry_type: &self.entry_type,
            effective_at: self.effective_at,
            recorded_at: self.recorded_at,
            issuer: &self.issuer,
            position: self.position,
            body: self.body.as_ref(),
        }
    }

    /// The official number that it gives its record, to be claimed in the append transaction.
    pub fn number(&self) -> Option<&str> {
        self.step.number_of(self.body.as_ref()?)
    }

    /// Is it an order that bodies of its record be withheld?
    pub fn is_order(&self) -> bool {
        withholding::is_order(self.register.as_str(), self.entry_type.as_str())
    }

    /// The versions of its record whose bodies it withholds, to be removed in the append transaction.
    pub fn withholds(&self) -> Vec<u64> {
        let named = self.body.as_ref().filter(|_| self.is_order());
        named.map(withholding::versions).unwrap_or_default()
    }

    /// The event of a recorded entry whose step is known.
    pub fn of(entry: &EntryView<'_>, step: Step) -> Self {
        Self {
            register: entry.register.clone(),
            record: entry.record,
            version: entry.version,
            entry_type: entry.entry_type.clone(),
            effective_at: entry.effective_at,
            recorded_at: entry.recorded_at,
            issuer: entry.issuer.clone(),
            position: entry.position,
            body: entry.body.cloned(),
            step,
        }
    }
}

/// The event of a recorded entry, under the definition in force where it stands.
pub fn resolve(entry: &EntryView<'_>, definitions: &Definitions) -> Result<RecordEvent, DomainError> {
    definitions.step(entry).map(|step| RecordEvent::of(entry, step))
}

impl fmt::Debug for RecordEvent {
    /// Not the body: it may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, record, version, entry_type, issuer, .. } = self;
        write!(f, "RecordEvent({register} {record} version {version} {entry_type} by {issuer})")
    }
}

impl DomainEvent for RecordEvent {
    fn event_type(&self) -> String {
        self.entry_type.to_string()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}
