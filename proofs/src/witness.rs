//! What a log asks of a witness, and when the witness may cosign (C2SP tlog-witness, `add-checkpoint`).
//!
//! The decision is a function of the request, the log's keys and the last head that was cosigned. Whoever keeps that head must
//! decide and store the new one in one step, and answer only then.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::Checkpoint;
use crate::encoding;
use crate::hash::{EMPTY_ROOT, Hash};
use crate::merkle::{SIZE_MAX, verify_consistency};
use crate::note::{KeyType, NOTE_BYTES_MAX, NoteError, SignedNote, VerifierKey};

/// Most hashes in a consistency proof.
const PROOF_MAX: usize = 63;
/// Longest request: the line of the old size, 63 hashes with their newlines, an empty line and a note.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4 * 1024;
/// Media type of a refusal that tells the size last cosigned.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A request to cosign a checkpoint. Nothing in it is believed by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree that the proof begins at: the last that the witness cosigned, as the log knows it.
    pub old_size: u64,
    /// That the new tree extends the old one.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by the log.
    pub note: SignedNote,
}

/// The text is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddCheckpointError {
    /// Longer than [`REQUEST_BYTES_MAX`].
    #[error("the request is too long")]
    TooLong,
    /// The first line is not `old` and a decimal.
    #[error("the first line is `old`, a space and a size")]
    OldSize,
    /// A line of the proof is no hash, there are more than 63, or no empty line ends it.
    #[error("the proof is at most 63 lines of hashes in base64, then an empty line")]
    Proof,
    /// What follows is not a signed note.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
}

/// The head of a log that was cosigned last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Leaves.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is signed is not a checkpoint, or of a size that no tree has.
    #[error("the note is not a checkpoint")]
    Malformed,
    /// No key is known for the checkpoint's origin.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// Not signed with a key that is trusted for the origin.
    #[error("the checkpoint is not signed with a key that this witness trusts for the log")]
    Untrusted,
    /// The old size is larger than the checkpoint's.
    #[error("the old size is larger than the size of the checkpoint")]
    OldSize,
    /// The old size is not that of the last checkpoint that was cosigned.
    #[error("the last checkpoint cosigned has {size} entries")]
    Conflict {
        /// The size that is.
        size: u64,
    },
    /// The last checkpoint cosigned has this size and another root: the log has forked.
    #[error("a checkpoint of {size} entries with another root was cosigned before")]
    Fork {
        /// The size.
        size: u64,
    },
    /// The new tree does not extend the old one, as far as the proof shows.
    #[error("the consistency proof does not hold")]
    Proof,
}

impl Refusal {
    /// The HTTP status that says so.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::OldSize => 400,
            Self::Untrusted => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } | Self::Fork { .. } => 409,
            Self::Proof => 422,
        }
    }

    /// The size that the answer states, where it states one.
    pub const fn size(self) -> Option<u64> {
        match self {
            Self::Conflict { size } | Self::Fork { size } => Some(size),
            _ => None,
        }
    }
}

impl AddCheckpoint {
    /// The checkpoint in it, if it is signed with a key that is trusted for its origin. `keys` are those of the origin that the
    /// note names ([`Self::origin`]).
    pub fn open(&self, keys: &[VerifierKey]) -> Result<Checkpoint, Refusal> {
        let checkpoint = Checkpoint::parse(self.note.text()).map_err(|_| Refusal::Malformed)?;
        if checkpoint.size > SIZE_MAX {
            return Err(Refusal::Malformed);
        }
        let logs = || keys.iter().filter(|key| key.key_type() == KeyType::Ed25519);
        if logs().next().is_none() {
            return Err(Refusal::UnknownLog);
        }
        let mut trusted = false;
        for key in logs() {
            match self.note.verify(key) {
                Ok(()) => trusted = true,
                Err(NoteError::NotSigned) => {}
                Err(_) => return Err(Refusal::Untrusted),
            }
        }
        if trusted { Ok(checkpoint) } else { Err(Refusal::Untrusted) }
    }

    /// The origin that the note says to be of.
    pub fn origin(&self) -> &str {
        self.note.text().split('\n').next().unwrap_or_default()
    }

    /// The head to store and cosign, if the checkpoint may be cosigned after `known`: `None` when none was cosigned before.
    pub fn decide(&self, checkpoint: &Checkpoint, known: Option<Head>) -> Result<Head, Refusal> {
        let known = known.unwrap_or(Head { size: 0, root: EMPTY_ROOT });
        let new = Head { size: checkpoint.size, root: checkpoint.root };
        if self.old_size > new.size {
            return Err(Refusal::OldSize);
        }
        if self.old_size != known.size {
            return Err(Refusal::Conflict { size: known.size });
        }
        if new.size == known.size && new.root != known.root {
            return Err(Refusal::Fork { size: known.size });
        }
        let holds = if known.size == 0 {
            // Every tree extends the empty one, and there is nothing to show.
            self.proof.is_empty()
        } else {
            verify_consistency(known.size, new.size, &known.root, &new.root, &self.proof).is_ok()
        };
        if holds { Ok(new) } else { Err(Refusal::Proof) }
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for AddCheckpoint {
    type Err = AddCheckpointError;

    fn from_str(text: &str) -> Result<Self, AddCheckpointError> {
        if text.len() > REQUEST_BYTES_MAX {
            return Err(AddCheckpointError::TooLong);
        }
        let (line, mut rest) = text.split_once('\n').ok_or(AddCheckpointError::OldSize)?;
        let old_size = line.strip_prefix("old ").and_then(encoding::decimal);
        let old_size = old_size.ok_or(AddCheckpointError::OldSize)?;
        let mut proof = Vec::new();
        loop {
            let (line, tail) = rest.split_once('\n').ok_or(AddCheckpointError::Proof)?;
            rest = tail;
            if line.is_empty() {
                return Ok(Self { old_size, proof, note: SignedNote::parse(rest)? });
            }
            if proof.len() == PROOF_MAX {
                return Err(AddCheckpointError::Proof);
            }
            proof.push(line.parse().map_err(|_| AddCheckpointError::Proof)?);
        }
    }
}

/// Reads the size in a refusal's body: a decimal and a newline.
pub fn parse_size(body: &str) -> Option<u64> {
    encoding::decimal(body.strip_suffix('\n')?)
}

#[cfg(test)]
mod tests;
