//! `/v1/oauth`: how third parties come to read what a person lets them read.

mod authorize;
mod clients;
mod credentials;
mod grant;
mod metadata;
mod page;
mod revoke;
mod token;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::http::AppState;

/// Bytes of a form or of a decision: 200 records and 100 registers in a decision are some 15 kB.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    let limit = || DefaultBodyLimit::max(BODY_BYTES_MAX);
    OpenApiRouter::new()
        .routes(routes!(authorize::describe_authorisation, grant::decide_authorisation).layer(limit()))
        .routes(routes!(token::issue_client_token).layer(limit()))
        .routes(routes!(revoke::revoke_client_token).layer(limit()))
        .routes(routes!(clients::list_clients, clients::add_client).layer(limit()))
        .routes(routes!(clients::remove_client))
        .routes(routes!(metadata::get_oauth_metadata))
}
