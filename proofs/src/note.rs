//! Signed notes (C2SP signed-note): a text, and lines of signatures under it.

mod cosigner;

pub use cosigner::Cosigner;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::encoding;
use crate::hash::sha256;
use crate::key::{KeyError, PublicKey};
use crate::signer::{SignError, Signer, signed};

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: an Ed25519 cosignature with a time (C2SP tlog-cosignature).
    Cosignature,
}

/// A key that notes are checked with, under the name that its holder signs as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    key_type: KeyType,
    key: PublicKey,
}

/// A key that notes are signed with (type 0x01).
#[derive(Debug, Clone)]
pub struct NoteSigner {
    name: String,
    key: Arc<dyn Signer>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Who says to have signed.
    pub name: String,
    /// A hint at the key: see [`VerifierKey::id`].
    pub id: u32,
    /// The rest, as the key's type defines it.
    pub signature: Vec<u8>,
}

/// A text and its signatures. Nothing in it is to be believed before [`Self::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// Why a note, a key's text or a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`], or more than [`SIGNATURES_MAX`] signatures.
    #[error("the note is too long")]
    TooLong,
    /// The text does not end in a newline, or has another control character.
    #[error("a note's text ends in a newline and has no other control characters")]
    Text,
    /// No blank line, or no signatures after it, or a line that is none.
    #[error("the note's signature lines are malformed")]
    SignatureLine,
    /// A key's name is empty, or has a space or a plus.
    #[error("a key name is not empty and has no spaces and no plus")]
    Name,
    /// Not `<name>+<id>+<base64>`.
    #[error("a verifier key is written <name>+<id>+<base64 of type and key>")]
    VerifierKey,
    /// The id in a verifier key is not that of its name and key.
    #[error("the id in the verifier key is not that of its name and key")]
    Id,
    /// A type of key that we do not check.
    #[error("the verifier key is of a type that we do not check")]
    KeyType,
    /// The Ed25519 key itself is refused.
    #[error("the verifier key: {0}")]
    Key(#[from] KeyError),
    /// Not signed with this key at all.
    #[error("the note has no signature of this key")]
    NotSigned,
    /// Says to be signed with this key, but is not.
    #[error("the note's signature does not verify")]
    Signature,
    /// Whoever was to sign did not.
    #[error("the signer: {0}")]
    Signer(#[from] SignError),
}

/// Longest note we read. A checkpoint with sixteen post-quantum cosignatures has about 110 kB.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;

/// Most signature lines we read; a reader must take at least 16.
pub const SIGNATURES_MAX: usize = 64;

impl KeyType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.contains(bad) { Err(NoteError::Name) } else { Ok(()) }
}

impl VerifierKey {
    /// A key of the given name and type.
    pub fn new(name: &str, key_type: KeyType, key: PublicKey) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key_type, key })
    }

    /// The name that its holder signs as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs, and how.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The key itself.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// `SHA-256(name || 0x0A || type || key)[:4]`, big-endian. A hint only: it is short enough to be forged.
    pub fn id(&self) -> u32 {
        let mut bytes = Vec::with_capacity(self.name.len() + 34);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&[b'\n', self.key_type.byte()]);
        bytes.extend_from_slice(self.key.as_bytes());
        let [a, b, c, d, ..] = sha256(&bytes).0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The signature's time, for a cosignature, if it is the key's over this text.
    fn check(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        match self.key_type {
            KeyType::Ed25519 => {
                let signature = signature.try_into().map_err(|_| NoteError::Signature)?;
                if self.key.verify(text.as_bytes(), signature) { Ok(None) } else { Err(NoteError::Signature) }
            }
            KeyType::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or(NoteError::Signature)?;
                let signature = signature.try_into().map_err(|_| NoteError::Signature)?;
                let time = u64::from_be_bytes(*time);
                let in_range = i64::try_from(time).is_ok();
                if in_range && self.key.verify(cosigned(text, time).as_bytes(), signature) {
                    Ok(Some(time))
                } else {
                    Err(NoteError::Signature)
                }
            }
        }
    }
}

/// What a cosignature is of (C2SP tlog-cosignature).
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [self.key_type.byte(); 33];
        bytes[1..].copy_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, self.id(), encoding::b64(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // The base64 may itself have a plus, the name and the id may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let bytes = encoding::b64_decode(key).ok_or(NoteError::VerifierKey)?;
        let (kind, key) = bytes.split_first().ok_or(NoteError::VerifierKey)?;
        let key_type = match kind {
            0x01 => KeyType::Ed25519,
            0x04 => KeyType::Cosignature,
            _ => return Err(NoteError::KeyType),
        };
        let key = PublicKey::from_bytes(key.try_into().map_err(|_| NoteError::VerifierKey)?)?;
        let key = Self::new(name, key_type, key)?;
        if format!("{:08x}", key.id()) == id { Ok(key) } else { Err(NoteError::Id) }
    }
}

encoding::serde_as_text!(VerifierKey);

impl NoteSigner {
    /// A signer of the given name.
    pub fn new(name: &str, key: impl Signer + 'static) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key: Arc::new(key) })
    }

    /// The name that it signs as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does it sign without asking anyone?
    pub fn is_local(&self) -> bool {
        self.key.is_local()
    }

    /// The key to check its signatures with.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key_type: KeyType::Ed25519, key: self.key.public() }
    }
}

/// Signs a text with each of the signers, of whom there is at least one.
pub fn sign<S: Borrow<NoteSigner>>(text: &str, signers: &[S]) -> Result<SignedNote, NoteError> {
    check_text(text)?;
    if signers.is_empty() {
        return Err(NoteError::NotSigned);
    }
    let signatures = signers
        .iter()
        .map(|signer| {
            let signer: &NoteSigner = signer.borrow();
            let signature = signed(&signer.key, text.as_bytes())?.to_vec();
            Ok(NoteSignature { name: signer.name.clone(), id: signer.verifier().id(), signature })
        })
        .collect::<Result<_, SignError>>()?;
    Ok(SignedNote { text: text.to_owned(), signatures })
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let controls = text.bytes().any(|b| b < 0x20 && b != b'\n');
    if !text.ends_with('\n') || controls { Err(NoteError::Text) } else { Ok(()) }
}

impl SignedNote {
    /// Reads a note. Whether any signature is good, and of whom, is not looked at yet.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let end = note.rfind("\n\n").ok_or(NoteError::SignatureLine)?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        check_text(text)?;
        Ok(Self { text: text.to_owned(), signatures: NoteSignature::parse_lines(lines)? })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds another's signature line, such as a witness's cosignature.
    pub fn push(&mut self, signature: NoteSignature) {
        self.signatures.push(signature);
    }

    /// The same text without this key's lines.
    pub fn remove(&mut self, key: &VerifierKey) {
        let id = key.id();
        self.signatures.retain(|line| line.id != id || line.name != key.name);
    }

    /// Is the note signed with this key? A line that says so and lies spoils the note, whatever other lines say.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        self.checked(key).map(|_| ())
    }

    /// When the witness with this key cosigned the note, in seconds since 1970 (C2SP tlog-cosignature).
    pub fn cosigned_at(&self, key: &VerifierKey) -> Result<u64, NoteError> {
        self.checked(key)?.ok_or(NoteError::KeyType)
    }

    fn checked(&self, key: &VerifierKey) -> Result<Option<u64>, NoteError> {
        let id = key.id();
        let mut found = Err(NoteError::NotSigned);
        for line in self.signatures.iter().filter(|line| line.id == id && line.name == key.name) {
            found = Ok(key.check(&self.text, &line.signature)?);
        }
        found
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        Self::parse(note)
    }
}

impl NoteSignature {
    /// Reads signature lines without the text above them, such as a witness answers; one at least.
    pub fn parse_lines(lines: &str) -> Result<Vec<Self>, NoteError> {
        if lines.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::SignatureLine)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooLong);
            }
            signatures.push(Self::parse(line)?);
        }
        Ok(signatures)
    }

    fn parse(line: &str) -> Result<Self, NoteError> {
        let (name, base64) =
            line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(NoteError::SignatureLine)?;
        check_name(name)?;
        let bytes = encoding::b64_decode(base64).ok_or(NoteError::SignatureLine)?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::SignatureLine)?;
        if signature.is_empty() {
            return Err(NoteError::SignatureLine);
        }
        Ok(Self { name: name.to_owned(), id: u32::from_be_bytes(*id), signature: signature.to_vec() })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(4 + self.signature.len());
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.signature);
        write!(f, "— {} {}", self.name, encoding::b64(bytes))
    }
}

#[cfg(test)]
mod tests;
