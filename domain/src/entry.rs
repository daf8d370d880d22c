//! A recorded entry, as this crate needs to see it.

use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// A recorded entry, borrowed from wherever it is stored. Callers build it from their own type.
#[derive(Clone, Copy)]
pub struct EntryView<'a> {
    /// The register that holds it.
    pub register: &'a Slug,
    /// The record that it is about.
    pub record: Uuid,
    /// The version of the record that it makes.
    pub version: u64,
    /// Its type, as the statement says it.
    pub entry_type: &'a EntryType,
    /// From when it has legal effect.
    pub effective_at: Timestamp,
    /// When the log recorded it.
    pub recorded_at: Timestamp,
    /// The department that signed it.
    pub issuer: &'a Slug,
    /// Its place in the order of all entries; 0 when it is not recorded yet.
    pub position: u64,
    /// Its body; `None` when withheld.
    pub body: Option<&'a Value>,
}
