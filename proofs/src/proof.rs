//! tlog-proofs (C2SP tlog-proof): an entry's place, the path from it, and the checkpoint that the path leads to.

use std::fmt;
use std::str::FromStr;

use crate::encoding;
use crate::hash::Hash;
use crate::note::NOTE_BYTES_MAX;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Longest path: a tree has fewer than 2^63 leaves.
const PATH_MAX: usize = 63;

/// Longest proof we read: a note, the path's 63 lines, and some room for extra data.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 64 * 1024;

/// Proof that the leaf with this index is in the checkpointed tree. Nothing in it is believed by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Index of the leaf, from 0.
    pub index: u64,
    /// Opaque, not authenticated; we write none.
    pub extra: Option<Vec<u8>>,
    /// Inclusion path, from the leaf's sibling to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// The text is not a tlog-proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than [`PROOF_BYTES_MAX`].
    #[error("the proof is too long")]
    TooLong,
    /// The first line is of another format or version.
    #[error("a proof begins with the line {FIRST_LINE}")]
    Version,
    /// The extra data are not base64.
    #[error("the proof's extra data are not base64")]
    Extra,
    /// No index, or one not in its one form.
    #[error("the proof's second line is index and a decimal")]
    Index,
    /// A line of the path is no hash, there are more than 63, or no empty line ends it.
    #[error("the proof's path is lines of hashes in base64, then an empty line")]
    Path,
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encoding::b64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = TlogProofError;

    fn from_str(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong);
        }
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
        let mut rest = rest.ok_or(TlogProofError::Version)?;
        let mut extra = None;
        if let Some(tail) = rest.strip_prefix("extra ") {
            let (line, tail) = tail.split_once('\n').ok_or(TlogProofError::Extra)?;
            extra = Some(encoding::b64_decode(line).ok_or(TlogProofError::Extra)?);
            rest = tail;
        }
        let (line, mut rest) = rest.split_once('\n').ok_or(TlogProofError::Index)?;
        let index = line.strip_prefix("index ").and_then(encoding::decimal).ok_or(TlogProofError::Index)?;
        let mut path = Vec::new();
        loop {
            let (line, tail) = rest.split_once('\n').ok_or(TlogProofError::Path)?;
            rest = tail;
            if line.is_empty() {
                return Ok(Self { index, extra, path, checkpoint: rest.to_owned() });
            }
            if path.len() == PATH_MAX {
                return Err(TlogProofError::Path);
            }
            path.push(line.parse().map_err(|_| TlogProofError::Path)?);
        }
    }
}

encoding::serde_as_text!(TlogProof);

#[cfg(test)]
mod tests;
