//! What the operator keeps: a passphrase, or the random bytes of a key file.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::data_key::DataKey;

/// Bytes of a key file's key.
pub const MASTER_KEY_BYTES: usize = 32;

/// What seals the data key.
#[derive(Clone)]
pub enum MasterKey {
    /// Words that people remember or pass on.
    Passphrase(Zeroizing<String>),
    /// Random bytes.
    Bytes(Zeroizing<[u8; MASTER_KEY_BYTES]>),
}

/// Where the master key comes from. Asked once, when a store is opened, on a thread that may block.
pub trait MasterKeySource: Send + Sync {
    /// The master key. `first` says that the store was never sealed: a source may then make one, which must be durable before it
    /// answers. The error says where it looked and what to do.
    fn master_key(&self, first: bool) -> Result<MasterKey, String>;

    /// The key that it gave does not open this store, since another server sealed it meanwhile: what was made for it is of no use.
    fn refused(&self) {}
}

/// Why secrets cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no master key.
    #[error("the key to the store's secrets is missing: {0}")]
    Missing(String),
    /// It is another than the store was sealed with.
    #[error(
        "this {0} does not open the store's secrets: it was sealed with another, and nothing was changed; \
         give the one that its other servers have, or that was kept with its backups"
    )]
    Wrong(&'static str),
    /// One kind was given, and the store is sealed with the other.
    #[error(
        "the store's secrets are sealed with a {stored}, and a {given} was given: give the {stored}, or `reestr keys reseal` first"
    )]
    Method {
        /// What seals the store.
        stored: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// What is to be given up as lost opens the store.
    #[error("nothing is lost: the store opens with the key that its settings name")]
    NotLost,
    /// A file's passphrase is another, or the file was changed.
    #[error("the passphrase is not the one that it was sealed with, or it was changed")]
    Passphrase,
    /// A sealed secret was changed, or is in another's place.
    #[error("what is sealed at {0} was changed, or was sealed for another place")]
    Changed(String),
    /// The costs of the derivation are out of bounds.
    #[error("the stored costs of deriving a key from the passphrase are not ones that are ever written")]
    Costs,
    /// The cipher failed, which it does for no input of ours.
    #[error("the cipher failed")]
    Cipher,
}

impl MasterKey {
    /// The word for its kind, in the store and in messages.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => PASSPHRASE,
            Self::Bytes(_) => KEY_FILE,
        }
    }

    /// The key that the data key is sealed with. From a passphrase it takes as long as the costs say.
    pub(super) fn derive(&self, costs: Option<&Costs>) -> Result<DataKey, SealError> {
        match (self, costs) {
            (Self::Bytes(bytes), None) => DataKey::new(bytes.clone()),
            (Self::Passphrase(passphrase), Some(costs)) => {
                let params = Params::new(costs.memory_kib, costs.passes, costs.lanes, Some(32));
                let argon =
                    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(|_| SealError::Costs)?);
                let mut key = Zeroizing::new([0; 32]);
                let derived = argon.hash_password_into(passphrase.as_bytes(), &costs.salt, &mut *key);
                derived.map_err(|_| SealError::Costs)?;
                DataKey::new(key)
            }
            (_, None) => Err(SealError::Method { stored: KEY_FILE, given: self.method() }),
            (_, Some(_)) => Err(SealError::Method { stored: PASSPHRASE, given: self.method() }),
        }
    }
}

/// A fixed key: for tests, and for whoever has it already.
impl MasterKeySource for MasterKey {
    fn master_key(&self, _first: bool) -> Result<MasterKey, String> {
        Ok(self.clone())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.method())
    }
}

pub(super) const PASSPHRASE: &str = "passphrase";
pub(super) const KEY_FILE: &str = "key file";

/// What a derivation from a passphrase costs, and its salt. Stored beside what it seals, so that later versions may ask for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Costs {
    pub salt: [u8; 16],
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Costs {
    /// Of RFC 9106 section 4 the second recommendation, on one thread: 64 MiB and three passes, about 0.2 s.
    pub(super) fn new(salt: [u8; 16]) -> Self {
        Self { salt, memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }

    /// A row that somebody else wrote must not take all memory: 1 GiB and 64 passes are more than we ever write.
    pub(super) fn checked(self) -> Result<Self, SealError> {
        let fits = self.memory_kib <= 1024 * 1024 && self.passes <= 64 && self.lanes <= 16;
        if fits { Ok(self) } else { Err(SealError::Costs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Costs {
        Costs { salt: [1; 16], memory_kib: 8, passes: 1, lanes: 1 }
    }

    #[test]
    fn a_passphrase_gives_one_key_and_another_gives_another() {
        let derive = |words: &str, costs: &Costs| {
            let passphrase = MasterKey::Passphrase(Zeroizing::new(words.to_owned()));
            *passphrase.derive(Some(costs)).unwrap().bytes()
        };
        let key = derive("correct horse", &cheap());
        assert_eq!(key, derive("correct horse", &cheap()));
        assert_ne!(key, derive("correct horsf", &cheap()));
        assert_ne!(key, derive("correct horse", &Costs { salt: [2; 16], ..cheap() }));
        assert_ne!(key, derive("correct horse", &Costs { passes: 2, ..cheap() }));
    }

    #[test]
    fn kinds_are_not_mixed_and_costs_are_bounded() {
        let bytes = MasterKey::Bytes(Zeroizing::new([1; 32]));
        let words = MasterKey::Passphrase(Zeroizing::new("secret words".to_owned()));
        let mixed = [bytes.derive(Some(&cheap())).unwrap_err(), words.derive(None).unwrap_err()];
        assert_eq!(mixed[0], SealError::Method { stored: PASSPHRASE, given: KEY_FILE });
        assert_eq!(mixed[1], SealError::Method { stored: KEY_FILE, given: PASSPHRASE });
        for shown in [format!("{bytes:?} {words:?}"), format!("{mixed:?}")] {
            assert!(!shown.contains("secret words") && !shown.contains("1, 1"), "{shown}");
        }
        assert_eq!(Costs { memory_kib: u32::MAX, ..cheap() }.checked(), Err(SealError::Costs));
        assert!(Costs::new([0; 16]).checked().is_ok());
    }
}
