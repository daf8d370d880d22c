//! `GET /v1/registers/{register}/key`: the register's verifier key (C2SP vkey).

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// The key that verifies the register's checkpoints, as one line of text.
#[utoipa::path(get, path = "/v1/registers/{register}/key", operation_id = "getRegisterKey", tag = "Verification",
    params(("register" = String, Path, description = "Slug of the register")),
    responses(
        (status = 200, description = "The verifier key", body = String, content_type = "text/plain"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_register_key(
    State(state): State<AppState>,
    Path(register): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let register = register.parse().map_err(|_| Problem::not_found())?;
    let log = state.store().log(&register).await?;
    let log = log.ok_or_else(Problem::not_found)?;
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=60")];
    Ok((headers, format!("{}\n", log.key)))
}
