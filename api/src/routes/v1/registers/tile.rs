//! `GET /v1/registers/{register}/tile/…`: hash tiles and entry bundles (C2SP tlog-tiles).

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use proofs::slug::Slug;
use proofs::tile::{TileLevel, TilePath};

use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// Tiles never change; a partial one is superseded, but what it holds stays true.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const SUPERSEDED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A tile of hashes, `L/N[.p/W]`, or a bundle of leaves, `entries/N[.p/W]`.
#[utoipa::path(get, path = "/v1/registers/{register}/tile/{*path}", operation_id = "getTile", tag = "Verification",
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("path" = String, Path, description = "`L/N[.p/W]` or `entries/N[.p/W]`, N in groups of three digits as `x001/234`"),
    ),
    responses(
        (status = 200, description = "The tile", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_tile(
    State(state): State<AppState>,
    Path((register, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let register: Slug = register.parse().map_err(|_| Problem::not_found())?;
    let path: TilePath = format!("tile/{path}").parse().map_err(|_| Problem::not_found())?;
    let found = match path.level {
        TileLevel::Hash(level) => state.store().tile(&register, level, path.index, path.width).await,
        TileLevel::Entries => state.store().bundle(&register, path.index, path.width).await,
    };
    let bytes = found?.ok_or_else(Problem::not_found)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, if path.is_full() { IMMUTABLE } else { SUPERSEDED });
    Ok(response)
}
