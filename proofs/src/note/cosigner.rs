//! Making cosignatures (C2SP tlog-cosignature, type 0x04): a witness's word that it has seen a consistent tree.

use super::{KeyType, NoteError, NoteSignature, VerifierKey, check_name, check_text, cosigned};
use crate::key::PrivateKey;

/// A key that a witness cosigns with, under its name.
#[derive(Debug, Clone)]
pub struct Cosigner {
    name: String,
    key: PrivateKey,
}

impl Cosigner {
    /// A cosigner of the given name. Its key must sign nothing else: what it signs does not name it.
    pub fn new(name: &str, key: PrivateKey) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key })
    }

    /// The name that it signs as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key to check its cosignatures with.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key_type: KeyType::Cosignature, key: self.key.public() }
    }

    /// Cosigns a checkpoint's text as of a time, in seconds since 1970.
    pub fn cosign(&self, text: &str, time: u64) -> Result<NoteSignature, NoteError> {
        check_text(text)?;
        if i64::try_from(time).is_err() {
            return Err(NoteError::Signature);
        }
        let mut signature = time.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.key.sign(cosigned(text, time).as_bytes()));
        Ok(NoteSignature { name: self.name.clone(), id: self.verifier().id(), signature })
    }
}
