//! `GET /v1/registers/{register}/checkpoint`: the signed tree head (C2SP tlog-tiles, tlog-checkpoint).

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// The register's checkpoint, as a signed note.
#[utoipa::path(get, path = "/v1/registers/{register}/checkpoint", operation_id = "getCheckpoint", tag = "Verification",
    params(("register" = String, Path, description = "Slug of the register")),
    responses(
        (status = 200, description = "The checkpoint", body = String, content_type = "text/plain"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_checkpoint(
    State(state): State<AppState>,
    Path(register): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let register = register.parse().map_err(|_| Problem::not_found())?;
    let log = state.store().log(&register).await?;
    let log = log.ok_or_else(Problem::not_found)?;
    // It changes with every entry, and an old one is still true: caches may keep it for a moment and must ask again.
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=1")];
    Ok((headers, log.checkpoint))
}
