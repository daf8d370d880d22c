//! The key that secrets are sealed with.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::master::SealError;
use crate::clock::Entropy;

/// What a sealed secret has beyond its own bytes: a nonce before, a tag after.
const OVERHEAD_BYTES: usize = NONCE_LEN + 16;

/// An AES-256-GCM key. Nonces are random: with 96 bits, 2^32 secrets may be sealed before two share one with a chance of 2^-33,
/// and an installation has thousands.
pub(crate) struct DataKey {
    bytes: Zeroizing<[u8; 32]>,
    key: LessSafeKey,
}

impl DataKey {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, &*bytes).map_err(|_| SealError::Cipher)?;
        Ok(Self { bytes, key: LessSafeKey::new(key) })
    }

    /// A new one.
    pub(super) fn random(entropy: &dyn Entropy) -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(&mut *bytes);
        Self::new(bytes)
    }

    /// To be sealed under a master key.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Seals a secret for a place: nonce, ciphertext and tag.
    pub(crate) fn seal(
        &self,
        place: &[&str],
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        // Never grown, which would leave a copy behind: it is encrypted where it lies.
        let mut sealed = Vec::with_capacity(secret.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(secret);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(place)),
                &mut sealed[NONCE_LEN..],
            )
            .map_err(|_| SealError::Cipher)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for the same place; anything else is refused.
    pub(crate) fn open(&self, place: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let nonce: [u8; NONCE_LEN] =
            sealed.first_chunk().copied().ok_or_else(|| SealError::Changed(named(place)))?;
        let mut buffer = Zeroizing::new(sealed[NONCE_LEN..].to_vec());
        let opened = self.key.open_in_place(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(place)),
            &mut buffer,
        );
        let length = opened.map_err(|_| SealError::Changed(named(place)))?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// The place in bytes that no other place has: each part after its length.
fn associated(place: &[&str]) -> Vec<u8> {
    let mut bytes = b"reestr sealed v1".to_vec();
    for part in place {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn named(place: &[&str]) -> String {
    place.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    fn key(byte: u8) -> DataKey {
        DataKey::new(Zeroizing::new([byte; 32])).unwrap()
    }

    #[test]
    fn a_secret_opens_in_its_place_alone_and_unchanged() {
        let (key, entropy) = (key(1), SeededEntropy::new(1));
        let sealed = key.seal(&["gibdd", "statement", "kid"], &[7; 32], &entropy).unwrap();
        assert_eq!(sealed.len(), 60, "the schema says so too");
        assert_eq!(**key.open(&["gibdd", "statement", "kid"], &sealed).unwrap(), [7; 32]);
        for place in [["gibdd", "token", "kid"], ["gibd", "dstatement", "kid"], ["gibdd", "statement", "kie"]]
        {
            let error = key.open(&place, &sealed).unwrap_err();
            assert_eq!(error, SealError::Changed(place.join("/")));
        }
        let other = super::tests::key(2);
        assert!(other.open(&["gibdd", "statement", "kid"], &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&["gibdd", "statement", "kid"], &changed).is_err(), "byte {at}");
            assert!(key.open(&["gibdd", "statement", "kid"], &sealed[..at]).is_err(), "{at} bytes");
        }
        let again = key.seal(&["gibdd", "statement", "kid"], &[7; 32], &entropy).unwrap();
        assert_ne!(again[..NONCE_LEN], sealed[..NONCE_LEN], "a nonce is used once");
        assert_eq!(format!("{key:?}"), "DataKey");
    }
}
