//! An issuer of tokens: its name, its one algorithm and its keys.

use jsonwebtoken::Validation;
use proofs::hash::{Hash, sha256};
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::claims::{Claims, Role};
use super::jwks::Keys;
use super::seen::Seen;
use super::{AuthError, IssuerConfigError};

/// The algorithms that an issuer may use: each a signature, none a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDSA,
    /// ECDSA on P-256 (RFC 7518 section 3.4).
    ES256,
    /// RSASSA-PKCS1-v1_5 (RFC 7518 section 3.3).
    RS256,
}

impl Algorithm {
    pub(super) fn jwa(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// An issuer, as configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its `iss`.
    pub issuer: String,
    /// Its algorithm; tokens with another are refused.
    pub algorithm: Algorithm,
    /// Where its keys are, as a JWK set; https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Its keys, written out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// The `aud` of its tokens, when it is not the installation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Roles that it may speak for. An identity provider of citizens is given `["citizen"]`.
    pub roles: Vec<Role>,
}

/// As much of a token as is needed to find its issuer.
#[derive(Deserialize)]
pub(super) struct Named {
    pub iss: String,
}

/// An issuer, ready.
pub struct Issuer {
    name: String,
    algorithm: Algorithm,
    validation: Validation,
    roles: Vec<Role>,
    keys: Keys,
    /// Not of an issuer whose keys are fetched: one that was taken back counts no longer than until the next fetch.
    seen: Option<Seen>,
}

impl Issuer {
    pub(super) fn new(
        name: String,
        algorithm: Algorithm,
        audience: &str,
        roles: Vec<Role>,
        keys: Keys,
    ) -> Self {
        let mut validation = Validation::new(algorithm.jwa());
        validation.set_issuer(&[&name]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would read the system clock; `Authenticator` checks times with ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { name, algorithm, validation, roles, keys, seen: Some(Seen::default()) }
    }

    pub(super) fn configured(config: &IssuerConfig, audience: &str) -> Result<Self, IssuerConfigError> {
        let name = config.issuer.clone();
        let keys = match (&config.jwks, &config.jwks_url) {
            (Some(jwks), None) => {
                Keys::inline(jwks, config.algorithm).ok_or_else(|| IssuerConfigError::Keys(name.clone()))?
            }
            (None, Some(url)) => Keys::remote(&name, url, config.algorithm)?,
            _ => return Err(IssuerConfigError::Source(name)),
        };
        let audience = config.audience.as_deref().unwrap_or(audience);
        let seen = config.jwks.is_some().then(Seen::default);
        Ok(Self { seen, ..Self::new(name, config.algorithm, audience, config.roles.clone(), keys) })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn may_speak_for(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// What a token of this issuer says, by its SHA-256, if it was checked a moment ago.
    pub(super) fn recall(&self, token: &Hash, now: Timestamp) -> Option<Claims> {
        self.seen.as_ref()?.recall(token, now)
    }

    /// Checks everything but times, which are the caller's to check.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, AuthError> {
        use jsonwebtoken::errors::ErrorKind;
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Malformed)?;
        if header.alg != self.algorithm.jwa() {
            return Err(AuthError::Algorithm);
        }
        // A statement is a JWS too, and must never pass for a token (RFC 8725 section 3.11).
        if !matches!(header.typ.as_deref(), None | Some("JWT" | "at+jwt")) {
            return Err(AuthError::Malformed);
        }
        let key = self.keys.find(header.kid.as_deref(), now).await.ok_or(AuthError::Signature)?;
        match jsonwebtoken::decode::<Claims>(token, &key, &self.validation) {
            Ok(checked) => {
                if let Some(seen) = &self.seen {
                    seen.note(sha256(token.as_bytes()), now, &checked.claims);
                }
                Ok(checked.claims)
            }
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => AuthError::Signature,
                ErrorKind::InvalidAudience => AuthError::Audience,
                ErrorKind::InvalidIssuer => AuthError::Issuer,
                ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => {
                    AuthError::Claims("a claim is missing")
                }
                _ => AuthError::Malformed,
            }),
        }
    }
}
