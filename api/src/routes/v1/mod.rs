//! `/v1`: the API.

pub mod account;
pub mod consented;
pub mod departments;
pub mod feeds;
pub mod keys;
pub mod oauth;
pub mod openapi;
pub mod projections;
pub mod registers;
pub mod reports;
pub mod search;
pub mod statistics;
pub mod webhooks;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::limits::LOOKUP_BYTES_MAX;

/// The endpoints of the API.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(registers::router())
        .merge(departments::router())
        .merge(account::router())
        .merge(oauth::router())
        .merge(consented::router())
        .merge(reports::router())
        .merge(projections::router())
        .merge(feeds::router())
        .merge(webhooks::router())
        .routes(routes!(search::search).layer(DefaultBodyLimit::max(LOOKUP_BYTES_MAX)))
        .routes(routes!(keys::get_keys))
        .routes(routes!(statistics::get_statistics))
        .routes(routes!(openapi::get_openapi))
}
