//! A secret under a passphrase alone, for a file.

use zeroize::Zeroizing;

use super::master::{Costs, MasterKey, SealError};
use crate::clock::Entropy;

/// A sealed secret with what it takes to derive its key again. None of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassphraseSealed {
    /// Salt of the derivation (Argon2id).
    pub salt: [u8; 16],
    /// Memory that it takes.
    pub memory_kib: u32,
    /// How often it goes over the memory.
    pub passes: u32,
    /// How many lanes it has.
    pub lanes: u32,
    /// Nonce, ciphertext and tag (AES-256-GCM).
    pub sealed: Vec<u8>,
}

impl PassphraseSealed {
    /// Seals a secret that bears a name. Takes a good part of a second.
    pub fn seal(
        passphrase: Zeroizing<String>,
        name: &str,
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Self, SealError> {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let costs = Costs::new(salt);
        let key = MasterKey::Passphrase(passphrase).derive(Some(&costs))?;
        let sealed = key.seal(&["file", name], secret, entropy)?;
        let Costs { salt, memory_kib, passes, lanes } = costs;
        Ok(Self { salt, memory_kib, passes, lanes, sealed })
    }

    /// The secret, if the passphrase and the name are right. Takes as long as the costs say, which are bounded.
    pub fn open(&self, passphrase: Zeroizing<String>, name: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Self { salt, memory_kib, passes, lanes, .. } = *self;
        let costs = Costs { salt, memory_kib, passes, lanes }.checked()?;
        let key = MasterKey::Passphrase(passphrase).derive(Some(&costs))?;
        key.open(&["file", name], &self.sealed).map_err(|_| SealError::Passphrase)
    }
}
