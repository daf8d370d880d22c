//! The store's own issuer of tokens.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::{Store, StoreError, TOKEN};
use jsonwebtoken::DecodingKey;
use proofs::signer::{Signer, signed};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::claims::{Claims, Role};
use super::issuer::{Algorithm, Issuer};
use super::jwks::Keys;

/// Owner of the key in the store.
const OWNER: &str = "installation";

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whom it stands for: the record in `persons` of a citizen or official, or a system's name.
    pub subject: String,
    /// The role.
    pub role: Role,
    /// The department, for an official or a department's system.
    pub department: Option<Slug>,
    /// `bodies:*` or `bodies:<register>`, space-separated, for an auditor.
    pub scope: Option<String>,
    /// Now.
    pub issued_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What a third party's token is to say.
#[derive(Debug, Clone)]
pub struct ClientGrant {
    /// The client.
    pub client: String,
    /// The record in `consents` by which it reads.
    pub consent: Uuid,
    /// Now.
    pub issued_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Makes tokens, signed with a key that the store keeps.
#[derive(Clone)]
pub struct TokenIssuer {
    name: String,
    audience: String,
    key: Arc<dyn Signer>,
}

impl TokenIssuer {
    /// The issuer of this store; its key is made the first time.
    pub async fn open(store: &Store, audience: &str) -> Result<Self, StoreError> {
        let key = store.keep_key(OWNER, TOKEN).await?;
        Ok(Self { name: format!("https://{}", store.log_name()), audience: audience.to_owned(), key })
    }

    /// Its `iss`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `aud` of its tokens.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Its key as a JWK set, as served at `/.well-known/jwks.json`.
    pub fn jwks(&self) -> serde_json::Value {
        json!({ "keys": [self.key.public().jwk()] })
    }

    /// A token for what is granted. May block, unless the key is at hand.
    pub fn mint(&self, grant: Grant) -> Result<String, StoreError> {
        let claims = self.claims(grant.role, grant.subject, grant.issued_at, grant.expires_at);
        self.sign(&Claims { department: grant.department, scope: grant.scope, ..claims })
    }

    /// A token for a third party.
    pub async fn mint_for_client(&self, grant: ClientGrant) -> Result<String, StoreError> {
        let claims = self.claims(Role::ThirdParty, grant.client.clone(), grant.issued_at, grant.expires_at);
        let claims = Claims { client_id: Some(grant.client), consent: Some(grant.consent), ..claims };
        if self.key.is_local() {
            return self.sign(&claims);
        }
        let issuer = self.clone();
        let signing = tokio::task::spawn_blocking(move || issuer.sign(&claims)).await;
        signing.map_err(|_| StoreError::Internal("a task that signs a token has ended".to_owned()))?
    }

    fn claims(&self, role: Role, subject: String, issued_at: Timestamp, expires_at: Timestamp) -> Claims {
        Claims {
            iss: self.name.clone(),
            aud: json!(self.audience),
            sub: subject,
            exp: expires_at.millis() / 1000,
            iat: issued_at.millis() / 1000,
            nbf: None,
            role,
            department: None,
            scope: None,
            client_id: None,
            consent: None,
        }
    }

    fn sign(&self, claims: &Claims) -> Result<String, StoreError> {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.key.public().kid() });
        // Claims are strings and numbers: they always serialise.
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let text =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
        let signature = signed(&self.key, text.as_bytes());
        let signature = signature.map_err(|why| StoreError::Signer { what: "a token".to_owned(), why })?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(format!("{text}.{signature}"))
    }

    pub(super) fn issuer(&self) -> Issuer {
        let public = self.key.public();
        let key = DecodingKey::from_ed_der(public.as_bytes());
        let roles = vec![
            Role::Citizen,
            Role::Official,
            Role::Department,
            Role::Auditor,
            Role::Operator,
            Role::ThirdParty,
        ];
        let keys = Keys::one(public.kid().to_string(), key);
        Issuer::new(self.name.clone(), Algorithm::EdDSA, &self.audience, roles, keys)
    }
}
