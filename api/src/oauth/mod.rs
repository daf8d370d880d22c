//! OAuth 2.0 for third parties that read by a person's consent: the authorisation code with PKCE (RFC 6749 section 4.1,
//! RFC 7636), and nothing else of it. As RFC 9700 advises: redirect addresses match exactly, every client proves possession
//! of its code's verifier by S256, answers name their issuer (RFC 9207), codes and refresh tokens are good once.
//!
//! These rows ([`client`], [`code`], [`refresh`]) are not evidence and hold no secret, only hashes of what was random. What a
//! client may read is a record of [`consents`](crate::consents), and is asked of it each time.
//!
//! Absent: the implicit and password grants, client credentials, dynamic registration, `plain` challenges, ports that vary
//! on loopback (RFC 8252 section 7.3).

pub mod client;
pub mod code;
pub mod encoding;
pub mod error;
pub mod refresh;
pub mod request;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::Store;
use sha2::{Digest, Sha256};

/// A code is redeemed by a server or an app that waits for it: a minute is long.
pub const CODE_MILLIS: i64 = 60_000;
/// An access token is good so long. Withdrawing a consent does not wait for its end.
pub const TOKEN_MILLIS: i64 = 600_000;

/// 256 random bits as text: a code, a refresh token, a client's secret. Guessing one is out of the question, so that their
/// hashes need no salt and no slowness.
pub fn random(store: &Store) -> String {
    let mut bytes = [0; 32];
    store.entropy().fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of such a text.
pub fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Does the verifier belong to the challenge (RFC 7636 section 4.6, method S256)?
pub fn proves(verifier: &str, challenge: &str) -> bool {
    let form = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    form && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair of RFC 7636 appendix B.
    #[test]
    fn a_verifier_proves_its_challenge_and_no_other() {
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(proves(verifier, challenge));
        assert!(!proves(&verifier.replace('d', "e"), challenge));
        assert!(!proves(challenge, challenge), "no plain challenges");
        for short in ["", "a", &verifier[..42], &"a".repeat(129)] {
            let of = URL_SAFE_NO_PAD.encode(Sha256::digest(short.as_bytes()));
            assert!(!proves(short, &of), "RFC 7636 section 4.1: 43 to 128 characters");
        }
    }
}
