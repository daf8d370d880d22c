//! `POST /v1/oauth/revoke`: a client gives back its refresh tokens (RFC 7009).

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa::ToSchema;

use super::credentials;
use crate::http::AppState;
use crate::oauth::error::{OauthError, OauthErrorDocument};
use crate::oauth::refresh;
use crate::problem::ProblemDocument;

/// The form, as it is described.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read parameter by parameter")]
pub struct RevokeForm {
    /// The refresh token.
    token: String,
    /// The client, unless the header names it.
    client_id: Option<String>,
    /// A confidential client's secret, unless the header has it.
    client_secret: Option<String>,
}

/// Makes a refresh token, and those before and after it, good for nothing. What is no such token is as good as revoked; access
/// tokens end by themselves within minutes. The consent stays: only the person ends it.
#[utoipa::path(post, path = "/v1/oauth/revoke", operation_id = "revokeClientToken", tag = "Consent",
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is good for nothing now"),
        (status = 400, description = "The form is malformed", body = OauthErrorDocument),
        (status = 401, description = "The client is not who it says it is", body = OauthErrorDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn revoke_client_token(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, OauthError> {
    let (client, form) = credentials::read(&state, &headers, &body).await?;
    let token = form.get("token").ok_or(OauthError::request("token is missing"))?;
    refresh::revoke(state.store(), &client, token).await?;
    Ok(StatusCode::OK)
}
