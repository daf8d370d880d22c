//! Bodies: what an entry says, kept out of the log; the statement holds only a salted digest of it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::encoding;

/// Bytes of a canonical body at most.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// 16 random bytes, fresh for every entry. Without them a digest cannot be tied to any guess of the body,
/// which is what makes withholding a body final; so they are kept and shown only together with the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// `SHA-256(salt || JCS(body))`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyDigest(pub [u8; 32]);

/// Not the base64url, without padding, of as many bytes as a salt (16) or a digest (32) has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {what} is {length} bytes in base64url without padding")]
pub struct BytesError {
    what: &'static str,
    length: usize,
}

/// Digest of a body's canonical bytes ([`crate::jcs::canonical`]).
pub fn digest(salt: &Salt, canonical: &[u8]) -> BodyDigest {
    BodyDigest(Sha256::new().chain_update(salt.0).chain_update(canonical).finalize().into())
}

macro_rules! bytes {
    ($type:ident, $what:literal, $length:literal) => {
        impl $type {
            /// From a database column.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, BytesError> {
                bytes.try_into().map(Self).map_err(|_| BytesError { what: $what, length: $length })
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encoding::b64u(self.0))
            }
        }

        impl FromStr for $type {
            type Err = BytesError;

            fn from_str(text: &str) -> Result<Self, BytesError> {
                encoding::b64u_array(text).map(Self).ok_or(BytesError { what: $what, length: $length })
            }
        }

        encoding::serde_as_text!($type);
    };
}

bytes!(Salt, "salt", 16);
bytes!(BodyDigest, "body digest", 32);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;

    #[test]
    fn the_digest_is_of_salt_and_body() {
        let bytes = [&[7; 16][..], b"{}"].concat();
        assert_eq!(digest(&Salt([7; 16]), b"{}").0, sha256(&bytes).0);
        assert_ne!(digest(&Salt([7; 16]), b"{}"), digest(&Salt([8; 16]), b"{}"));
    }

    #[test]
    fn text_has_one_form_and_a_salt_is_not_shown() {
        let salt = Salt([7; 16]);
        assert_eq!(salt.to_string().parse(), Ok(salt));
        assert_eq!(Salt::from_slice(&[7; 16]), Ok(salt));
        assert!(Salt::from_slice(&[7; 17]).is_err() && "BwcHBwcHBwcHBwcHBwcHBx".parse::<Salt>().is_err());
        assert_eq!(format!("{salt:?}"), "Salt(…)");
        assert_eq!(
            "x".parse::<BodyDigest>().unwrap_err().to_string(),
            "a body digest is 32 bytes in base64url without padding"
        );
    }
}
