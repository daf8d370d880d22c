//! Why an entry is refused.

use std::fmt::Display;

use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use uuid::Uuid;

use crate::department::DepartmentError;
use crate::fault::{self, Fault};
use crate::register::RegisterError;
use crate::trigger::TriggerError;

/// Whose fault a refusal is, for whoever maps it to a status of HTTP or of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The issuer may not do it (403).
    Forbidden,
    /// It does not fit the present state; another request might (409).
    Conflict,
    /// The request itself is wrong (422).
    Invalid,
}

/// Why an entry is refused. Each variant is something else for the caller to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The issuer does not own the register.
    #[error("register {register} is kept by department {owner}: {issuer} cannot append to it")]
    ForeignRegister {
        /// The register.
        register: Slug,
        /// The department that owns it.
        owner: Slug,
        /// The department that tried.
        issuer: Slug,
    },
    /// The register takes no more entries.
    #[error("register {register} is closed and takes no more entries")]
    Closed {
        /// The register.
        register: Slug,
    },
    /// The record is in another register.
    #[error("record {record} is not in register {register}")]
    OtherRegister {
        /// The register that was named.
        register: Slug,
        /// The record.
        record: Uuid,
    },
    /// Another entry came first, or one is missing.
    #[error("the next version of record {record} is {next}, not {proposed}: read the record again")]
    Version {
        /// The record.
        record: Uuid,
        /// The version that the next entry makes.
        next: u64,
        /// The version that was proposed.
        proposed: u64,
    },
    /// The definition in force has no such type.
    #[error("register {register} has no entry type `{entry_type}`; its types are {}", names(known))]
    UnknownType {
        /// The register.
        register: Slug,
        /// The type that was named.
        entry_type: EntryType,
        /// The types there are.
        known: Vec<EntryType>,
    },
    /// The type changes a record, and there is none.
    #[error(
        "`{entry_type}` changes a record, and there is no such record yet; a record is made by {}",
        names(opening)
    )]
    NoRecord {
        /// The type that was named.
        entry_type: EntryType,
        /// The types that make a record.
        opening: Vec<EntryType>,
    },
    /// The type makes a record, and this one exists.
    #[error(
        "`{entry_type}` makes a new record, and this one exists in status `{status}`; allowed now: {}",
        names(allowed)
    )]
    RecordExists {
        /// The type that was named.
        entry_type: EntryType,
        /// The record's status.
        status: String,
        /// The types allowed from it.
        allowed: Vec<EntryType>,
    },
    /// The type may not follow the record's status.
    #[error(
        "`{entry_type}` is not allowed for a record in status `{status}`; allowed now: {}",
        names(allowed)
    )]
    NotAllowed {
        /// The type that was named.
        entry_type: EntryType,
        /// The record's status.
        status: String,
        /// The types allowed from it.
        allowed: Vec<EntryType>,
    },
    /// Legal effect before [`super::EFFECTIVE_MIN`].
    #[error("`effective_at` must not be before {earliest}")]
    EffectiveTooEarly {
        /// The earliest that is taken.
        earliest: Timestamp,
    },
    /// Legal effect too far ahead ([`super::EFFECTIVE_AHEAD_MAX_MILLIS`]).
    #[error("`effective_at` must not be after {latest}, ten years from now")]
    EffectiveTooLate {
        /// The latest that is taken now.
        latest: Timestamp,
    },
    /// The body is not what the type needs. All faults at once, sorted by place.
    #[error("the body is not what its entry type needs: {}", fault::list(faults))]
    Body {
        /// What is wrong, and where.
        faults: Vec<Fault>,
    },
    /// A rule of the register `departments`.
    #[error(transparent)]
    Department(#[from] DepartmentError),
    /// A rule of the register `registers`.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// A rule of the register `triggers`.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
}

impl RecordError {
    /// Whose fault it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::ForeignRegister { .. } => Reason::Forbidden,
            Self::Closed { .. }
            | Self::OtherRegister { .. }
            | Self::Version { .. }
            | Self::NoRecord { .. }
            | Self::RecordExists { .. }
            | Self::NotAllowed { .. } => Reason::Conflict,
            Self::UnknownType { .. }
            | Self::EffectiveTooEarly { .. }
            | Self::EffectiveTooLate { .. }
            | Self::Body { .. } => Reason::Invalid,
            Self::Department(error) => error.reason(),
            Self::Register(error) => error.reason(),
            Self::Trigger(error) => error.reason(),
        }
    }

    /// A stable name of the rule, for problem types and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ForeignRegister { .. } => "foreign-register",
            Self::Closed { .. } => "register-closed",
            Self::OtherRegister { .. } => "other-register",
            Self::Version { .. } => "version-conflict",
            Self::UnknownType { .. } => "unknown-type",
            Self::NoRecord { .. } => "no-record",
            Self::RecordExists { .. } => "record-exists",
            Self::NotAllowed { .. } => "type-not-allowed",
            Self::EffectiveTooEarly { .. } | Self::EffectiveTooLate { .. } => "effective-at",
            Self::Body { .. } => "body-invalid",
            Self::Department(error) => error.code(),
            Self::Register(error) => error.code(),
            Self::Trigger(error) => error.code(),
        }
    }

    /// The faults of the body, each with its pointer into the body; none for what is not about the body.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Body { faults } => faults.clone(),
            Self::Department(error) => vec![Fault::new(error.pointer(), error.to_string())],
            Self::Register(error) => error.faults(),
            Self::Trigger(error) => error.faults(),
            _ => Vec::new(),
        }
    }
}

fn names<T: Display>(names: &[T]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
