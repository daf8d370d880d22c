//! `/v1`: the API.

pub mod account;
pub mod departments;
pub mod openapi;
pub mod registers;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;

/// The endpoints of the API.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(registers::router())
        .merge(departments::router())
        .merge(account::router())
        .routes(routes!(openapi::get_openapi))
}
