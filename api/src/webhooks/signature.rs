//! Signatures of Standard Webhooks: HMAC-SHA256 (RFC 2104) over id, time and body, under a secret that both sides know.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventstore::Entropy;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a secret begins with as text.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret: as many as the hash has; the specification takes 24 to 64.
const SECRET_BYTES: usize = 32;

/// A secret. Its text is shown once, to whoever made it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new one.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Of its bytes.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// To be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As its owner puts it into a receiver.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&*self.0))
    }

    /// The signature of a message, with its version.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        // HMAC takes a key of any length; were it not so, the signature would fit nothing.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use eventstore::testing::SeededEntropy;

    use super::*;

    /// The example of the Standard Webhooks libraries' tests.
    #[test]
    fn the_published_example_comes_out() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = Secret::from_bytes(Zeroizing::new(secret));
        assert_eq!(secret.text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_differ_and_are_not_printed() {
        let entropy = SeededEntropy::new(1);
        let (one, other) = (Secret::new(&entropy), Secret::new(&entropy));
        assert_ne!(one, other);
        assert_eq!(format!("{one:?}"), "Secret");
        assert_ne!(one.sign("a", 1, b""), other.sign("a", 1, b""));
        assert_ne!(one.sign("a", 1, b""), one.sign("a", 2, b""));
    }
}
