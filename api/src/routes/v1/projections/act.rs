//! `POST /v1/projections/{projection}/retry` and `…/skip`: what to do about an entry at which a projection stands.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use projections::ProjectionError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::operator;
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::{self, Path, typed};
use crate::interventions;
use crate::problem::{self, Problem, ProblemDocument};

/// That another attempt was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetryDocument {
    /// The projection.
    pub projection: String,
}

/// The entry to leave out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipInput {
    /// Its position: where the projection stands.
    pub position: u64,
    /// Why it is left out. It is public, and holds nothing of a person.
    pub reason: String,
}

/// The entry that says what is left out.
#[derive(Debug, Serialize, ToSchema)]
pub struct SkipDocument {
    /// The projection.
    pub projection: String,
    /// The record in `interventions`.
    pub record: Uuid,
    /// Its position.
    pub position: u64,
}

/// Asks every server for another attempt at the entry at which the projection stands. For operators.
#[utoipa::path(post, path = "/v1/projections/{projection}/retry", operation_id = "retryProjection", tag = "Service",
    security(("bearer" = [])),
    params(("projection" = String, Path, description = "Name of the projection")),
    responses(
        (status = 202, description = "It is tried again within a second or so", body = RetryDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn retry_projection(
    State(state): State<AppState>,
    caller: Caller,
    Path(projection): Path<String>,
) -> Result<(StatusCode, Json<RetryDocument>), Problem> {
    operator(&caller)?;
    let asked = projections::retry(state.store(), &projection).await.map_err(|error| match error {
        ProjectionError::Unknown { .. } => Problem::not_found(),
        error => error.into(),
    })?;
    if !asked {
        return Err(Problem::new(problem::STATE_CONFLICT, "The projection stands at no entry: it goes on."));
    }
    Ok((StatusCode::ACCEPTED, Json(RetryDocument { projection })))
}

/// Leaves the entry at which the projection stands out of it, for ever: the reason is an entry in `interventions`. For operators.
#[utoipa::path(post, path = "/v1/projections/{projection}/skip", operation_id = "skipEntry", tag = "Service",
    security(("bearer" = [])),
    params(("projection" = String, Path, description = "Name of the projection")),
    request_body = SkipInput,
    responses(
        (status = 201, description = "It is left out from now on, in every build", body = SkipDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn skip_entry(
    State(state): State<AppState>,
    caller: Caller,
    Path(projection): Path<String>,
    extract::Json(body): extract::Json,
) -> Result<(StatusCode, Json<SkipDocument>), Problem> {
    operator(&caller)?;
    let SkipInput { position, reason } = typed(body)?;
    let by = format!("operator {}", caller.client);
    let appended = interventions::skip(state.registry(), &projection, position, &reason, &by).await?;
    let document = SkipDocument { projection, record: appended.record, position: appended.position };
    Ok((StatusCode::CREATED, Json(document)))
}
