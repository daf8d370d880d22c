//! Checkpoints (C2SP tlog-checkpoint): a log's size and root, signed.

use std::borrow::Borrow;

use crate::encoding;
use crate::hash::Hash;
use crate::note::{self, KeyType, NoteError, NoteSigner, SignedNote, VerifierKey};

/// What a log commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: `<log name>/registers/<slug>`, see [`origin`].
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Further lines; we write none.
    pub extensions: Vec<String>,
}

/// Why a text is no checkpoint, or not one to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not lines of origin, size and root, each ending in a newline, then extension lines that are not empty.
    #[error("a checkpoint is lines of origin, size and root hash")]
    Text,
    /// The key is not one that logs sign with (type 0x01).
    #[error("the verifier key is not of the type that logs sign with")]
    KeyType,
    /// The note is malformed or not signed.
    #[error("the checkpoint's note: {0}")]
    Note(#[from] NoteError),
    /// The origin is not the key's name: a checkpoint of another log.
    #[error("the checkpoint's origin is not the name of the key")]
    Origin,
}

/// Origin of a register's log, which is also the name of its key.
pub fn origin(log_name: &str, register: &crate::slug::Slug) -> String {
    format!("{log_name}/registers/{register}")
}

impl Checkpoint {
    /// The note's text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads a note's text. What it reads, [`Self::to_text`] writes again, byte for byte.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Text)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Text);
        let origin = line()?.to_owned();
        let size = encoding::decimal(line()?).ok_or(CheckpointError::Text)?;
        let root = line()?.parse().map_err(|_| CheckpointError::Text)?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        let checkpoint = Self { origin, size, root, extensions };
        checkpoint.check_lines()?;
        Ok(checkpoint)
    }

    fn check_lines(&self) -> Result<(), CheckpointError> {
        let fits = |line: &String| !line.is_empty() && !line.contains(|c: char| c.is_ascii_control());
        let all = fits(&self.origin) && self.extensions.iter().all(fits);
        if all { Ok(()) } else { Err(CheckpointError::Text) }
    }

    /// The signed note, as served. The signer's name must be the origin.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        self.sign_all(std::slice::from_ref(signer))
    }

    /// The note, signed by each of several, such as the old and the new key of a log. Their names must be the origin.
    pub fn sign_all<S: Borrow<NoteSigner>>(&self, signers: &[S]) -> Result<String, CheckpointError> {
        self.check_lines()?;
        if signers.iter().any(|signer| signer.borrow().name() != self.origin) {
            return Err(CheckpointError::Origin);
        }
        Ok(note::sign(&self.to_text(), signers)?.to_string())
    }
}

/// The checkpoint in a signed note, if it is signed with the log's key. Other signatures are passed over.
pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
    if key.key_type() != KeyType::Ed25519 {
        return Err(CheckpointError::KeyType);
    }
    let note = SignedNote::parse(note)?;
    note.verify(key)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    if checkpoint.origin == key.name() { Ok(checkpoint) } else { Err(CheckpointError::Origin) }
}

#[cfg(test)]
mod tests;
