//! Stored entries that contradict each other.

use proofs::slug::{EntryType, Slug};
use uuid::Uuid;

use crate::entry::EntryView;
use crate::fault::{self, Fault};

/// A recorded entry that cannot be understood: the register was tampered with, or something other than this engine wrote it.
/// None of these is a caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// No definition was in force where the entry stands.
    #[error("no definition of register {register} was in force at position {position}")]
    NoDefinition {
        /// The register.
        register: Slug,
        /// The entry's position.
        position: u64,
    },
    /// The definition in force has no such type.
    #[error(
        "entry type {entry_type} at position {position} is not in the definition of {register} then in force"
    )]
    UnknownType {
        /// The register.
        register: Slug,
        /// The entry's type.
        entry_type: EntryType,
        /// The entry's position.
        position: u64,
    },
    /// An entry of `registers` or `departments` whose body does not say what its type needs.
    #[error(
        "entry {version} of record {record} in {register} is not what its type needs: {}",
        fault::list(faults)
    )]
    Body {
        /// The register.
        register: Slug,
        /// The record.
        record: Uuid,
        /// The version at fault.
        version: u64,
        /// What is wrong.
        faults: Vec<Fault>,
    },
    /// A body without which nothing can go on is withheld: a definition or a key.
    #[error(
        "entry {version} of record {record} in {register} is withheld, and the registers cannot be read without it"
    )]
    Withheld {
        /// The register.
        register: Slug,
        /// The record.
        record: Uuid,
        /// The withheld version.
        version: u64,
    },
    /// An entry that changes a record which no earlier entry made, or makes one that exists.
    #[error("entry {version} of record {record} in {register} does not follow from the entries before it")]
    Order {
        /// The register.
        register: Slug,
        /// The record.
        record: Uuid,
        /// The version at fault.
        version: u64,
    },
}

impl DomainError {
    /// The body does not say what its type needs.
    pub(crate) fn body(entry: &EntryView<'_>, faults: Vec<Fault>) -> Self {
        let (register, record, version) = (entry.register.clone(), entry.record, entry.version);
        Self::Body { register, record, version, faults }
    }

    /// The body is withheld.
    pub(crate) fn withheld(entry: &EntryView<'_>) -> Self {
        Self::Withheld { register: entry.register.clone(), record: entry.record, version: entry.version }
    }

    /// The entry does not follow from those before it.
    pub(crate) fn order(entry: &EntryView<'_>) -> Self {
        Self::Order { register: entry.register.clone(), record: entry.record, version: entry.version }
    }
}
