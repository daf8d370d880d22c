//! The keys of an issuer: written out in the configuration, or fetched from its JWK set and kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use proofs::time::Timestamp;
use tokio::sync::Mutex;

use super::IssuerConfigError;
use super::issuer::Algorithm;

/// A key set is fetched again when a token names a key that it lacks, but no oftener than this.
const REFRESH_MILLIS_MIN: i64 = 30_000;
/// … and in any case after this, so that a key that its issuer withdrew does not stay good.
const REFRESH_MILLIS_MAX: i64 = 3_600_000;
/// A key set larger than this is not read: large providers publish under 20 kB.
const JWKS_BYTES_MAX: usize = 256 << 10;
/// An issuer that does not answer by then is taken to be down; the keys known go on serving.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Keys by `kid`; a set of one key also serves tokens that name none.
type ByKid = HashMap<Option<String>, DecodingKey>;

/// The keys of an issuer.
pub enum Keys {
    /// Fixed.
    Inline(ByKid),
    /// Fetched.
    Remote(Box<Remote>),
}

/// A key set that is fetched.
pub struct Remote {
    url: String,
    algorithm: Algorithm,
    client: reqwest::Client,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Arc<ByKid>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl Keys {
    /// Keys written out; `None` when there is none that fits the algorithm.
    pub fn inline(jwks: &serde_json::Value, algorithm: Algorithm) -> Option<Self> {
        let set: JwkSet = serde_json::from_value(jwks.clone()).ok()?;
        let keys = by_kid(&set, algorithm);
        (!keys.is_empty()).then_some(Self::Inline(keys))
    }

    /// One key.
    pub fn one(kid: String, key: DecodingKey) -> Self {
        Self::Inline(HashMap::from([(Some(kid), key)]))
    }

    /// Keys at a URL.
    pub fn remote(issuer: &str, url: &str, algorithm: Algorithm) -> Result<Self, IssuerConfigError> {
        let parsed = reqwest::Url::parse(url).map_err(|_| IssuerConfigError::Url(issuer.to_owned()))?;
        let loopback = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && loopback) {
            return Err(IssuerConfigError::Url(issuer.to_owned()));
        }
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(IssuerConfigError::Client)?;
        let kept = Mutex::new(Kept::default());
        Ok(Self::Remote(Box::new(Remote { url: url.to_owned(), algorithm, client, kept })))
    }

    /// The key of this name, fetched if need be.
    pub async fn find(&self, kid: Option<&str>, now: Timestamp) -> Option<DecodingKey> {
        match self {
            Self::Inline(keys) => pick(keys, kid),
            Self::Remote(remote) => remote.find(kid, now).await,
        }
    }
}

impl Remote {
    async fn find(&self, kid: Option<&str>, now: Timestamp) -> Option<DecodingKey> {
        // The lock is held over the fetch on purpose: a crowd of tokens with a new key makes one fetch, not a crowd.
        let mut kept = self.kept.lock().await;
        let age = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| now.millis().saturating_sub(at.millis()));
        let found = pick(&kept.keys, kid);
        let stale = age(kept.fetched_at) > REFRESH_MILLIS_MAX;
        if (found.is_some() && !stale) || age(kept.tried_at) < REFRESH_MILLIS_MIN {
            return found;
        }
        kept.tried_at = Some(now);
        match self.fetch().await {
            Ok(keys) => {
                kept.keys = Arc::new(keys);
                kept.fetched_at = Some(now);
                pick(&kept.keys, kid)
            }
            Err(why) => {
                tracing::warn!(url = %self.url, why, "could not fetch an issuer's keys");
                found
            }
        }
    }

    async fn fetch(&self) -> Result<ByKid, &'static str> {
        let mut response = self.client.get(&self.url).send().await.map_err(|_| "no answer")?;
        if !response.status().is_success() {
            return Err("answered an error");
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| "broke off")? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > JWKS_BYTES_MAX {
                return Err("too large");
            }
        }
        let set: JwkSet = serde_json::from_slice(&bytes).map_err(|_| "not a JWK set")?;
        Ok(by_kid(&set, self.algorithm))
    }
}

fn pick(keys: &ByKid, kid: Option<&str>) -> Option<DecodingKey> {
    match kid {
        Some(kid) => keys.get(&Some(kid.to_owned())).cloned(),
        None if keys.len() == 1 => keys.values().next().cloned(),
        None => None,
    }
}

/// The keys of a set that fit the algorithm; others of the set are for other uses.
fn by_kid(set: &JwkSet, algorithm: Algorithm) -> ByKid {
    set.keys
        .iter()
        .filter(|jwk| fits(jwk, algorithm))
        .filter_map(|jwk| Some((jwk.common.key_id.clone(), DecodingKey::from_jwk(jwk).ok()?)))
        .collect()
}

fn fits(jwk: &Jwk, algorithm: Algorithm) -> bool {
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    signs
        && match (&jwk.algorithm, algorithm) {
            (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
            (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
            _ => false,
        }
}
