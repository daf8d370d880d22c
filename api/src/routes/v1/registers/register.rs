//! `GET /v1/registers/{register}`: one register with its definition.

use axum::Json;
use axum::extract::State;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::list::RegisterItem;
use crate::http::AppState;
use crate::http::extract::Path;
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
}

/// One register with the definition in force.
#[utoipa::path(get, path = "/v1/registers/{register}", operation_id = "getRegister", tag = "Registers",
    params(("register" = String, Path, description = "Slug of the register")),
    responses(
        (status = 200, description = "The register", body = RegisterDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_register(
    State(state): State<AppState>,
    Path(register): Path<String>,
) -> Result<Json<RegisterDocument>, Problem> {
    let (_, in_force) = state.register(&register).await?;
    let log = state.store().log(&in_force.definition.slug).await?;
    Ok(Json(RegisterDocument {
        item: RegisterItem::of(&in_force, log.map_or(0, |log| log.size)),
        key: in_force.key.to_string(),
        record: in_force.record,
        version: in_force.version,
        recorded_at: in_force.recorded_at,
        definition: in_force.definition.to_json(),
    }))
}
