//! `GET /.well-known/oauth-authorization-server`: how clients speak to this installation (RFC 8414).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::AppState;

/// What a client's library needs to know (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", operation_id = "getOauthMetadata", tag = "Consent",
    responses((status = 200, description = "Metadata of the authorisation server", body = Object)))]
pub async fn get_oauth_metadata(State(state): State<AppState>) -> Json<Value> {
    let issuer = state.token_issuer().name();
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": at("/v1/oauth/authorize"),
        "token_endpoint": at("/v1/oauth/token"),
        "revocation_endpoint": at("/v1/oauth/revoke"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "service_documentation": at("/docs"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": true,
    }))
}
