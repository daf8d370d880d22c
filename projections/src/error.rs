//! What can go wrong. No message carries a body, a name or a number: positions and register names only.

use eventstore::StoreError;

use crate::cursor::PAGE_ROWS_MAX;

/// Why a projection could not be read, written or waited for.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The store failed, or holds rows that contradict themselves.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry does not fit the register it is in: the journal contradicts itself, and the projector stops at it.
    #[error("entry at position {position} cannot be applied: {why}")]
    Entry {
        /// Position of the entry.
        position: u64,
        /// What does not fit, without anything from the body.
        why: String,
    },
    /// The projector stands at an entry that it cannot apply, and will at each attempt: someone must look.
    #[error("{name} stands at the entry at position {position}: {why}")]
    Poison {
        /// The projection.
        name: &'static str,
        /// The build that stands there.
        build: i64,
        /// Position of the entry.
        position: u64,
        /// What does not go, without anything from the body.
        why: String,
    },
    /// No projection has this name.
    #[error("there is no projection named {name}; there are: {known}", known = names())]
    Unknown {
        /// The name that none has.
        name: String,
    },
    /// The cursor is not one that this list gave.
    #[error("this cursor is not one that this list gave; leave it out to begin at the start")]
    Cursor,
    /// The page asked for is empty or too large.
    #[error("a page has 1 to {PAGE_ROWS_MAX} rows, not {asked}")]
    Limit {
        /// What was asked for.
        asked: u32,
    },
    /// A wait ended before the projection reached the position.
    #[error("{name} has not reached position {position} yet")]
    Timeout {
        /// The projection waited for.
        name: String,
        /// The position waited for.
        position: u64,
    },
    /// The rows that are read were made by an older version of the projector: there is nothing to compare new ones with.
    #[error(
        "{name} is live at version {live}, and this program makes version {ours}: there is nothing to compare"
    )]
    Incomparable {
        /// The projection.
        name: String,
        /// The live version.
        live: i64,
        /// The version this program makes.
        ours: i64,
    },
    /// The live build is made by another version of the projector, which this one must leave alone.
    #[error("{name} is live at version {live}, and this program makes version {ours}")]
    Superseded {
        /// The projection.
        name: String,
        /// The live version.
        live: i64,
        /// The version this program makes.
        ours: i64,
    },
}

impl ProjectionError {
    /// Does it come of an entry, or of what a projector makes of one, so that another attempt would give it again?
    pub(crate) fn is_poison(&self) -> bool {
        match self {
            Self::Entry { .. } => true,
            Self::Store(error) => matches!(error, StoreError::Corrupt { .. }) || error.is_about_data(),
            _ => false,
        }
    }
}

fn names() -> String {
    crate::projectors().iter().map(|projector| projector.name()).collect::<Vec<_>>().join(", ")
}
