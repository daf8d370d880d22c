//! `POST /v1/oauth/token`: a code or a refresh token becomes an access token.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::credentials;
use crate::auth::ClientGrant;
use crate::consents::{self, Because, By, Consent};
use crate::http::AppState;
use crate::oauth::TOKEN_MILLIS;
use crate::oauth::client::Client;
use crate::oauth::code::{self, Redeemed};
use crate::oauth::error::{OauthError, OauthErrorDocument};
use crate::oauth::refresh::{self, Presented};
use crate::problem::ProblemDocument;
use crate::registry::{Reason, Refusal};
use crate::routes::v1::registers::entries::refused;

/// The form, as it is described: RFC 6749 sections 4.1.3 and 6, RFC 7636 section 4.5.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read parameter by parameter")]
pub struct TokenForm {
    /// `authorization_code` or `refresh_token`.
    grant_type: String,
    /// The client, unless the header names it.
    client_id: Option<String>,
    /// A confidential client's secret, unless the header has it.
    client_secret: Option<String>,
    /// The code.
    code: Option<String>,
    /// The address to which the code went.
    redirect_uri: Option<String>,
    /// The verifier of the request's challenge.
    code_verifier: Option<String>,
    /// The refresh token.
    refresh_token: Option<String>,
}

/// An access token.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenDocument {
    /// For `/v1/consented`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until it is good no more. A consent that is withdrawn does not wait for that.
    pub expires_in: i64,
    /// Good once, for the next access token; each answer has another.
    pub refresh_token: String,
}

/// An access token for a code, or for a refresh token.
#[utoipa::path(post, path = "/v1/oauth/token", operation_id = "issueClientToken", tag = "Consent",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "An access token", body = TokenDocument),
        (status = 400, description = "The code or token is good for nothing", body = OauthErrorDocument),
        (status = 401, description = "The client is not who it says it is", body = OauthErrorDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn issue_client_token(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<TokenDocument>, OauthError> {
    let (client, form) = credentials::read(&state, &headers, &body).await?;
    let need = |name: &'static str, missing: &'static str| form.get(name).ok_or(OauthError::request(missing));
    let (consent, by) = match need("grant_type", "grant_type is missing")? {
        "authorization_code" => {
            let code = need("code", "code is missing")?;
            let redirect_uri = need("redirect_uri", "redirect_uri is missing")?;
            let verifier = need("code_verifier", "code_verifier is missing")?;
            match code::redeem(state.store(), &client, code, redirect_uri, verifier).await? {
                Redeemed::Consent(consent) => (consent, By::Code),
                Redeemed::Reused(consent) => return end(&state, consent, Because::CodeReused).await,
                Redeemed::No => {
                    return Err(OauthError::grant(
                        "the code is not good for this client, address and verifier now",
                    ));
                }
            }
        }
        "refresh_token" => {
            let token = need("refresh_token", "refresh_token is missing")?;
            match refresh::present(state.store(), &client, token).await? {
                Presented::Consent(consent) => (consent, By::Refresh),
                Presented::Reused(consent) => return end(&state, consent, Because::TokenReused).await,
                Presented::No => return Err(OauthError::grant("the refresh token is none of this client's")),
            }
        }
        _ => {
            let words = "grant_type is authorization_code or refresh_token";
            return Err(OauthError::Refused("unsupported_grant_type", words));
        }
    };
    issue(&state, &client, consent, by).await.map(Json)
}

/// Issues access, once the journal says so.
async fn issue(
    state: &AppState,
    client: &Client,
    consent: Uuid,
    by: By,
) -> Result<TokenDocument, OauthError> {
    let ended = || OauthError::grant("the consent has ended");
    let found = Consent::read(state, consent).await?;
    let found = found.filter(|found| found.client == client.id.as_str()).ok_or_else(ended)?;
    if !found.stands(state).await? {
        return Err(ended());
    }
    let issued_at = state.store().clock().now();
    let expires_at = issued_at.plus_millis(TOKEN_MILLIS).min(found.ends_at());
    match consents::used(state, consent, by, expires_at).await {
        Ok(()) => {}
        Err(Refusal { reason: Reason::Rule(_), .. }) => return Err(ended()),
        Err(refusal) => return Err(refused::problem(&refusal, false).into()),
    }
    let refresh_token = refresh::issue(state.store(), client, consent).await?;
    let grant = ClientGrant { client: client.id.to_string(), consent, issued_at, expires_at };
    Ok(TokenDocument {
        access_token: state.token_issuer().mint_for_client(grant).await?,
        token_type: "Bearer",
        expires_in: (expires_at.millis() - issued_at.millis()) / 1000,
        refresh_token,
    })
}

/// What came twice was stolen: the consent ends, and with it every token of it (RFC 6749 section 4.1.2, RFC 9700 section 4.14).
async fn end(
    state: &AppState,
    consent: Uuid,
    because: Because<'_>,
) -> Result<Json<TokenDocument>, OauthError> {
    match consents::withdraw(state, consent, because).await {
        // It may have ended already.
        Ok(_) | Err(Refusal { reason: Reason::Rule(_), .. }) => {
            tracing::warn!(%consent, "a code or refresh token came twice: its consent is withdrawn");
            Err(OauthError::grant("it was used before, and so its consent was withdrawn"))
        }
        Err(refusal) => Err(refused::problem(&refusal, false).into()),
    }
}
