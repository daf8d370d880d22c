//! Who is asking: OAuth 2.0 bearer tokens (RFC 6750) that are JWTs (RFC 7519, checked as RFC 8725 advises).
//!
//! Each configured issuer has one algorithm, pinned, and its own keys; audience, expiry and issuer are always checked.
//! The store has an issuer of its own ([`TokenIssuer`]) for `reestr token` and the demo.

mod claims;
mod issuer;
mod jwks;
mod seen;
mod token;

pub use claims::{Bodies, Caller, Claims, Principal, Role};
pub use issuer::{Algorithm, IssuerConfig};
pub use token::{ClientGrant, Grant, TokenIssuer};

use std::sync::Arc;

use eventstore::Clock;
use proofs::hash::sha256;
use proofs::time::Timestamp;

use issuer::Issuer;

/// Longest token that is looked at. Ours have under 600 bytes; those of large identity providers under 4 kB.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Clocks of issuers may differ from ours by so much.
const LEEWAY_SECONDS: i64 = 30;

/// Why a token is not good. The caller is told no more than this, and the log never sees the token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    /// Not a JWT of a form that we take.
    #[error("the token is malformed")]
    Malformed,
    /// Its `iss` is none of the configured issuers.
    #[error("the token's issuer is not known here")]
    Issuer,
    /// Another algorithm than the issuer's.
    #[error("the token's algorithm is not its issuer's")]
    Algorithm,
    /// No key of the issuer verifies it.
    #[error("the token's signature is not its issuer's")]
    Signature,
    /// Made for someone else.
    #[error("the token is not made for this installation")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// Role, subject, department or scope are missing or contradict each other.
    #[error("the token's claims are not consistent: {0}")]
    Claims(&'static str),
}

/// Why the configuration of issuers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IssuerConfigError {
    /// Two issuers of one name.
    #[error("issuer {0} is configured twice")]
    Twice(String),
    /// Neither or both of `jwks` and `jwks_url`.
    #[error("issuer {0} needs exactly one of `jwks` and `jwks_url`")]
    Source(String),
    /// A third party's token comes of a consent and its entry `used`, which only this installation makes.
    #[error("issuer {0} may not speak for the role third-party: only this installation does")]
    ThirdParty(String),
    /// A key cannot be read.
    #[error("issuer {0} has no usable key for its algorithm in `jwks`")]
    Keys(String),
    /// Plain HTTP.
    #[error("issuer {0}: `jwks_url` must be https (or http on loopback)")]
    Url(String),
    /// The HTTP client could not be made.
    #[error("no HTTP client for issuers' keys")]
    Client(#[source] reqwest::Error),
}

/// Checks tokens.
pub struct Authenticator {
    issuers: Vec<Issuer>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// For the store's own issuer and those configured.
    pub fn new(
        own: &TokenIssuer,
        configured: &[IssuerConfig],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IssuerConfigError> {
        let mut issuers = vec![own.issuer()];
        for config in configured {
            if issuers.iter().any(|issuer| issuer.name() == config.issuer) {
                return Err(IssuerConfigError::Twice(config.issuer.clone()));
            }
            if config.roles.contains(&Role::ThirdParty) {
                return Err(IssuerConfigError::ThirdParty(config.issuer.clone()));
            }
            issuers.push(Issuer::configured(config, own.audience())?);
        }
        Ok(Self { issuers, clock })
    }

    /// Checks a token and says whom it stands for.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Malformed);
        }
        let now = self.clock.now();
        let digest = sha256(token.as_bytes());
        let seen = self.issuers.iter().find_map(|issuer| Some((issuer, issuer.recall(&digest, now)?)));
        let (issuer, claims) = match seen {
            Some(seen) => seen,
            None => self.verify(token, now).await?,
        };
        let seconds = now.millis() / 1000;
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= seconds {
            return Err(AuthError::Expired);
        }
        let begins = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
        if begins.saturating_sub(LEEWAY_SECONDS) > seconds {
            return Err(AuthError::NotYet);
        }
        let caller = Caller::from_claims(&claims)?;
        if issuer.may_speak_for(caller.role()) { Ok(caller) } else { Err(AuthError::Claims("role")) }
    }

    /// Checks all of a token but its times, by the keys of the issuer that it names.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<(&Issuer, Claims), AuthError> {
        let unverified: issuer::Named =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| AuthError::Malformed)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.name() == unverified.iss);
        let issuer = issuer.ok_or(AuthError::Issuer)?;
        Ok((issuer, issuer.verify(token, now).await?))
    }
}
