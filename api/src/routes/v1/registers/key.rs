//! `GET /v1/registers/{register}/key`: the register's verifier key (C2SP vkey).

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use proofs::checkpoint::open;
use proofs::note::VerifierKey;

use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// The newest key that signed the register's checkpoint as it is shown, as one line of text: a new key is given when witnesses have
/// seen what it signed, where witnesses are asked.
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
    let shown = state.store().published(&register).await?;
    let log = state.store().log(&register).await?;
    let log = log.ok_or_else(Problem::not_found)?;
    let signed = |key: &&VerifierKey| shown.as_ref().is_some_and(|shown| open(&shown.note, key).is_ok());
    let key = log.keys().find(signed).unwrap_or(&log.key);
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=60")];
    Ok((headers, format!("{key}\n")))
}
