//! Leaves: what the log holds, and hashes.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::hash::{Hash, leaf_hash};
use crate::statement::{SignedStatement, StatementError};
use crate::time::Timestamp;

/// Longest leaf: an entry bundle writes its length as a big-endian uint16 (C2SP tlog-tiles).
pub const LEAF_BYTES_MAX: usize = 65_535;

/// What a leaf adds to its statement: `{"recorded_at":"…","statement":""}` with 24 characters of time.
pub(crate) const FRAME_BYTES: usize = 16 + 24 + 15 + 2;

/// One entry of the log: a statement, and when the log took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// When the log took the statement; never decreases along a register.
    pub recorded_at: Timestamp,
    /// The statement, as its issuer sent it.
    pub statement: SignedStatement,
}

/// Why bytes are not a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Longer than [`LEAF_BYTES_MAX`].
    #[error("a leaf has at most {LEAF_BYTES_MAX} bytes")]
    TooLong,
    /// Not a JSON object of exactly `recorded_at` and `statement`, both strings.
    #[error("a leaf is a JSON object of recorded_at and statement")]
    Json,
    /// `recorded_at` is not a time in the one form that is allowed.
    #[error("the leaf's recorded_at is not a time as YYYY-MM-DDTHH:MM:SS.mmmZ")]
    RecordedAt,
    /// The statement is not one.
    #[error("the leaf's statement: {0}")]
    Statement(#[from] StatementError),
    /// Says the right things, but not in canonical form.
    #[error("the leaf is not in canonical form (RFC 8785)")]
    NotCanonical,
}

impl Leaf {
    /// The leaf's bytes, in canonical form. Neither member needs an escape, so the order is all there is to it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let statement = self.statement.as_str();
        let mut text = String::with_capacity(FRAME_BYTES + statement.len());
        // Writing to a String cannot fail.
        let _ = write!(text, r#"{{"recorded_at":"{}","statement":"{statement}"}}"#, self.recorded_at);
        text.into_bytes()
    }

    /// Reads a leaf. What it reads, [`Self::to_bytes`] writes again, byte for byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members<'a> {
            recorded_at: &'a str,
            statement: &'a str,
        }
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong);
        }
        let members: Members<'_> = serde_json::from_slice(bytes).map_err(|_| LeafError::Json)?;
        let recorded_at = members.recorded_at.parse().map_err(|_| LeafError::RecordedAt)?;
        let leaf = Self { recorded_at, statement: SignedStatement::parse(members.statement)? };
        if leaf.to_bytes() == bytes { Ok(leaf) } else { Err(LeafError::NotCanonical) }
    }

    /// The leaf's hash in the tree.
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests;
