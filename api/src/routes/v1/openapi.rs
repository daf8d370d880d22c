//! `GET /v1/openapi.json`: the description of this API.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;

use crate::openapi;

/// Made once: it depends on the code alone.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());

/// The OpenAPI 3.1 description of this API.
#[utoipa::path(get, path = "/v1/openapi.json", operation_id = "getOpenApi", tag = "Service",
    responses((status = 200, description = "The description", body = Object)))]
pub async fn get_openapi() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, DOCUMENT.as_str())
}
