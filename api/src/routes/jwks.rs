//! `GET /.well-known/jwks.json`: the key of the store's own token issuer.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::http::AppState;

/// The key that verifies tokens of the store's own issuer, as a JWK set (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "getTokenKeys", tag = "Service",
    responses((status = 200, description = "A JWK set", body = Object, content_type = "application/jwk-set+json")))]
pub async fn get_token_keys(State(state): State<AppState>) -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=60")];
    (headers, state.token_issuer().jwks().to_string())
}
