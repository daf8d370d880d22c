//! Who the client is that asks for a token (RFC 6749 section 2.3.1).

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::AppState;
use crate::oauth::client::{self, Client};
use crate::oauth::encoding::{Parameters, decode};
use crate::oauth::error::{INVALID_CLIENT, OauthError};

/// The parameters of a form, and the client that sent it.
pub async fn read(
    state: &AppState,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<(Client, Parameters), OauthError> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(OauthError::request("the body is application/x-www-form-urlencoded"));
    }
    let form = std::str::from_utf8(body).ok().and_then(Parameters::parse);
    let form =
        form.ok_or_else(|| OauthError::request("the body is a form in which each parameter stands once"))?;
    let basic = basic(headers)?;
    if basic.is_some() && form.get("client_secret").is_some() {
        return Err(OauthError::request("a client says its secret in one way, not in two"));
    }
    let (id, secret) = match &basic {
        Some((id, secret)) => {
            // Where both name a client, they name the same.
            if form.get("client_id").is_some_and(|named| named != id) {
                return Err(INVALID_CLIENT);
            }
            (Some(id.as_str()), Some(secret.as_str()))
        }
        None => (form.get("client_id"), form.get("client_secret")),
    };
    let id = id.ok_or_else(|| OauthError::request("client_id is missing"))?;
    let client = client::find(state.store(), id).await?.filter(|client| client.accepts(secret));
    Ok((client.ok_or(INVALID_CLIENT)?, form))
}

/// Name and secret in `Authorization: Basic`, each form-encoded before they were joined.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OauthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let read = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = joined.split_once(':')?;
        scheme.eq_ignore_ascii_case("basic").then_some((decode(id)?, decode(secret)?))
    };
    read().map(Some).ok_or(INVALID_CLIENT)
}
