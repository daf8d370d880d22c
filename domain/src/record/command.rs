//! What is asked of a record.

use std::fmt;
use std::sync::Arc;

use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::definitions::InForce;

/// A command to a record, a department or a register: all three are changed in one way, by an entry.
#[derive(Debug, Clone)]
pub enum RecordCommand {
    /// Append an entry.
    Append(Box<Proposed>),
}

/// An entry that someone wants to append.
#[derive(Clone)]
pub struct Proposed {
    /// The record that it is about: a new one for a type that makes one.
    pub record: Uuid,
    /// The version that it would make, when the caller says so; otherwise the next.
    pub version: Option<u64>,
    /// Its type.
    pub entry_type: EntryType,
    /// From when it is to have legal effect.
    pub effective_at: Timestamp,
    /// The department that signs it.
    pub issuer: Slug,
    /// Its body.
    pub body: Value,
    /// The time now.
    pub now: Timestamp,
    /// The register's definition in force now.
    pub definition: Arc<InForce>,
}

impl fmt::Debug for Proposed {
    /// Not the body: it may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposed({} {} {})", self.definition.definition.slug, self.record, self.entry_type)
    }
}
