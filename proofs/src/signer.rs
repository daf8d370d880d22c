//! Whoever signs with a private key: the key itself, or a device or process that keeps it to itself.

use std::fmt;
use std::sync::Arc;

use crate::key::{PrivateKey, PublicKey};

/// Signs with one Ed25519 key. What wants a signature takes this, and asks by [`signed`].
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half, known without asking.
    fn public(&self) -> PublicKey;

    /// An Ed25519 signature of the message. May block, unless the signer is local.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;

    /// Is the private half in this process? Then signing takes microseconds, and what comes out is right.
    fn is_local(&self) -> bool {
        false
    }
}

/// Why there is no signature: words for an operator, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignError(Arc<str>);

impl SignError {
    /// An error in these words.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

/// A signature that verifies: what a device or another process answers is looked at before it is believed.
pub fn signed(signer: &dyn Signer, message: &[u8]) -> Result<[u8; 64], SignError> {
    let signature = signer.sign(message)?;
    if signer.is_local() || signer.public().verify(message, &signature) {
        return Ok(signature);
    }
    Err(SignError::new(format_args!("what came for key {} is not its signature", signer.public().kid())))
}

impl Signer for PrivateKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(Self::sign(self, message))
    }

    fn is_local(&self) -> bool {
        true
    }
}

impl Signer for Arc<dyn Signer> {
    fn public(&self) -> PublicKey {
        (**self).public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        (**self).sign(message)
    }

    fn is_local(&self) -> bool {
        (**self).is_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that signs with another key than it says.
    #[derive(Debug)]
    struct Mistaken;

    impl Signer for Mistaken {
        fn public(&self) -> PublicKey {
            PrivateKey::from_seed(&[1; 32]).public()
        }

        fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
            Signer::sign(&PrivateKey::from_seed(&[2; 32]), message)
        }
    }

    #[test]
    fn a_wrong_signature_is_never_handed_on() {
        let error = signed(&Mistaken, b"text").unwrap_err().to_string();
        let kid = Mistaken.public().kid();
        assert_eq!(error, format!("what came for key {kid} is not its signature"));
        let boxed: Arc<dyn Signer> = Arc::new(Mistaken);
        assert!(signed(&boxed, b"text").is_err());
        let right: Arc<dyn Signer> = Arc::new(PrivateKey::from_seed(&[1; 32]));
        let signature = signed(&right, b"text").unwrap();
        assert!(right.public().verify(b"text", &signature) && right.is_local());
    }
}
