//! Ed25519 keys (RFC 8032), their JWK form (RFC 8037) and their names (RFC 7638 thumbprints).

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::encoding;
use crate::hash::sha256;

/// A public key that signatures may be checked with: canonically encoded and not of small order.
#[derive(Clone, Copy)]
pub struct PublicKey(VerifyingKey);

/// Name of a key: the base64url of its RFC 7638 thumbprint, 43 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kid(String);

/// A public key as RFC 8037 section 2 writes it. A `d` (the private part) and any other member are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The 32 bytes of the key, base64url.
    pub x: String,
    /// When given, must be the key's thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<Kid>,
    /// When given, `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// When given, `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
}

/// A private key. Never shown, and wiped from memory when dropped.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 32 bytes, or not in strict base64url.
    #[error("an Ed25519 public key is 32 bytes, in base64url without padding")]
    Encoding,
    /// The bytes name no point of the curve.
    #[error("the bytes are not a point of the curve")]
    NotAPoint,
    /// The point has another, shorter encoding: two names for one key.
    #[error("the key is not canonically encoded")]
    NotCanonical,
    /// A signature under such a key can be valid for almost any message.
    #[error("the key is of small order")]
    SmallOrder,
    /// The JWK is for another kind of key or another use.
    #[error("the JWK is not a public Ed25519 key for EdDSA signatures: its {0} is wrong")]
    Jwk(&'static str),
    /// A `kid` is not 43 characters of base64url.
    #[error("a kid is an RFC 7638 thumbprint: 43 characters of base64url")]
    Kid,
}

impl PublicKey {
    /// Refuses what RFC 8032 section 5.1.3 refuses (not a point, not canonical), and keys of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_reduced(bytes) {
            return Err(KeyError::NotCanonical);
        }
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        // The one other non-canonical encoding, x = 0 with its sign bit set, is of small order.
        if key.is_weak() { Err(KeyError::SmallOrder) } else { Ok(Self(key)) }
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// RFC 7638 thumbprint: SHA-256 of the JWK's required members in their one order.
    pub fn kid(&self) -> Kid {
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encoding::b64u(self.as_bytes()));
        Kid(encoding::b64u(sha256(members.as_bytes())))
    }

    /// The key as a JWK, with `kid`, `use` and `alg`.
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x: encoding::b64u(self.as_bytes()),
            kid: Some(self.kid()),
            usage: Some("sig".into()),
            alg: Some("EdDSA".into()),
        }
    }

    /// RFC 8032 section 5.1.7 without the cofactor, which every other verifier's rule includes: canonical S, canonical R,
    /// R not of small order. Always one signature at a time: the batch equation would also take an R with a part of
    /// small order, one time in two, so that whether an entry is valid would depend on its neighbours.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        // As the library's `verify_strict`, which makes a point of R to look at its order, in a fifth of the whole time. The R of
        // what `verify` takes has the bytes of a point's one canonical form, so those of small order are known by them.
        let small = SMALL_ORDER.iter().any(|point| signature.starts_with(point));
        !small && self.0.verify(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// The points of small order, in canonical form.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> =
    LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// Is y, the low 255 bits in little-endian order, below the field's prime 2^255 − 19?
fn is_reduced(bytes: &[u8; 32]) -> bool {
    bytes[0] < 0xed || bytes[1..31].iter().any(|b| *b != 0xff) || bytes[31] & 0x7f != 0x7f
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", encoding::b64u(self.as_bytes()))
    }
}

impl Kid {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Kid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Kid {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        encoding::b64u_array::<32>(text).map(|_| Self(text.to_owned())).ok_or(KeyError::Kid)
    }
}

encoding::serde_as_text!(Kid);

impl Jwk {
    /// The key, if all that the JWK says fits it.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        let fits = |member: &Option<String>, value| member.as_deref().is_none_or(|text| text == value);
        if self.kty != "OKP" {
            return Err(KeyError::Jwk("kty"));
        }
        if self.crv != "Ed25519" {
            return Err(KeyError::Jwk("crv"));
        }
        if !fits(&self.usage, "sig") {
            return Err(KeyError::Jwk("use"));
        }
        if !fits(&self.alg, "EdDSA") {
            return Err(KeyError::Jwk("alg"));
        }
        let key = PublicKey::from_bytes(&encoding::b64u_array(&self.x).ok_or(KeyError::Encoding)?)?;
        match &self.kid {
            Some(kid) if *kid != key.kid() => Err(KeyError::Jwk("kid")),
            _ => Ok(key),
        }
    }
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        key.jwk()
    }
}

impl TryFrom<&Jwk> for PublicKey {
    type Error = KeyError;

    fn try_from(jwk: &Jwk) -> Result<Self, KeyError> {
        jwk.public_key()
    }
}

impl PrivateKey {
    /// The key that a seed (RFC 8032's private key: 32 random bytes) makes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Name of the public key.
    pub fn kid(&self) -> Kid {
        self.public().kid()
    }

    /// Signs (RFC 8032 section 5.1.6, deterministic).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.kid())
    }
}
