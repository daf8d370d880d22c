//! `GET /v1/registers/{register}`: one register with its definition.

use axum::Json;
use axum::extract::State;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::list::RegisterItem;
use crate::http::AppState;
use crate::http::extract::{Path, Query};
use crate::past::{self, AsOfItem};
use crate::problem::{Problem, ProblemDocument};

/// A register with its definition.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterDocument {
    /// In short.
    #[serde(flatten)]
    pub item: RegisterItem,
    /// Its verifier key (C2SP vkey).
    pub key: String,
    /// Its record in `registers`.
    pub record: uuid::Uuid,
    /// The version of that record: how often it was defined.
    pub version: u64,
    /// When the definition was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// The definition in force: types, statuses, schemas, roles, legal basis.
    pub definition: Value,
    /// Root of its tree, in base64: of the past alone, to hold against a checkpoint by a consistency proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// As of when, where a time was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOfItem>,
}

/// As of when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegisterQuery {
    /// What was recorded by then: a day (its end, UTC) or a moment, not in the future.
    pub recorded_at: Option<String>,
    /// What has effect by then: a day (its end, UTC) or a moment.
    pub effective_at: Option<String>,
}

/// One register with the definition in force, now or as of a time.
#[utoipa::path(get, path = "/v1/registers/{register}", operation_id = "getRegister", tag = "Registers",
    params(("register" = String, Path, description = "Slug of the register"), RegisterQuery),
    responses(
        (status = 200, description = "The register", body = RegisterDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_register(
    State(state): State<AppState>,
    Path(register): Path<String>,
    Query(query): Query<RegisterQuery>,
) -> Result<Json<RegisterDocument>, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let now = state.store().clock().now();
    if let Some(as_of) = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)? {
        let then = past::register_at(state.store(), &knowledge, &in_force.definition.slug, as_of).await?;
        let then = then.ok_or_else(Problem::not_found)?;
        return Ok(Json(past::register_document(state.store(), &then, as_of).await?));
    }
    let log = state.store().log(&in_force.definition.slug).await?;
    Ok(Json(RegisterDocument {
        item: RegisterItem::of(&in_force, log.map_or(0, |log| log.size)),
        key: in_force.key.to_string(),
        record: in_force.record,
        version: in_force.version,
        recorded_at: in_force.recorded_at,
        definition: in_force.definition.to_json(),
        root: None,
        as_of: None,
    }))
}
