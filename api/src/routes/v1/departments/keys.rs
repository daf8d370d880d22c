//! `GET /v1/departments/{department}/keys`: the keys in force, as a JWK set (RFC 7517).

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use proofs::slug::Slug;
use serde_json::json;

use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// The department's keys in force now.
#[utoipa::path(get, path = "/v1/departments/{department}/keys", operation_id = "getDepartmentKeys", tag = "Verification",
    params(("department" = String, Path, description = "Slug of the department")),
    responses(
        (status = 200, description = "A JWK set", body = Object, content_type = "application/jwk-set+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_department_keys(
    State(state): State<AppState>,
    Path(department): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let department: Slug = department.parse().map_err(|_| Problem::not_found())?;
    let knowledge = state.registry().refresh().await?;
    let found = knowledge.departments.get(&department).ok_or_else(Problem::not_found)?;
    let keys: Vec<_> = found.keys_now().map(|term| &term.jwk).collect();
    let headers =
        [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "public, max-age=10")];
    Ok((headers, json!({ "keys": keys }).to_string()))
}
