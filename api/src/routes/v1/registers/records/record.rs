//! `GET /v1/registers/{register}/records/{record}`: one record.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::AppendHeaders;
use projections::view;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::list::RecordItem;
use super::past::Asked;
use crate::accesses::{Endpoint, Purpose, disclose, of_folded};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::past::{self, AsOfItem};
use crate::problem::{Problem, ProblemDocument};
use crate::registry::{Folded, Knowledge};
use crate::routes::v1::registers::register::RegisterQuery;
use crate::routes::words::WithheldVersion;

/// The version of a record, for `If-Match`.
type ETag = AppendHeaders<[(HeaderName, String); 1]>;

/// A record with what its entries say.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordDocument {
    /// Status, number, term.
    #[serde(flatten)]
    pub item: RecordItem,
    /// What its entries say of it; null for those who may not see it.
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// Whose bodies are withheld by order, so that what they said is missing here; left out where none is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WithheldVersion>,
    /// As of when, where a time was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOfItem>,
}

/// One record, now or as of a time: status and term for anyone where the register allows it, content for those concerned.
/// A past state is for those whom it concerned then; it has no ETag.
#[utoipa::path(get, path = "/v1/registers/{register}/records/{record}", operation_id = "getRecord", tag = "Registers",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("record" = Uuid, Path, description = "The record"),
        RegisterQuery,
        Purpose,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "The record", body = RecordDocument,
            headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_record(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path((register, record)): Path<(String, Uuid)>,
    Query(query): Query<RegisterQuery>,
    wait: WaitFor,
) -> Result<(Option<ETag>, Json<RecordDocument>), Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let now = state.store().clock().now();
    if let Some(as_of) = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)? {
        let asked = Asked { knowledge: &knowledge, in_force: &in_force, caller: caller.as_ref(), as_of };
        return Ok((None, Json(asked.record(&state, record, &purpose).await?)));
    }
    let register = &in_force.definition.slug;
    wait.hold(&state, "view").await?;
    let found = view::record(state.store().db(), &knowledge.definitions, record).await;
    let found = found?.filter(|found| found.register == *register);
    let mut item: RecordItem = found.ok_or_else(Problem::not_found)?.into();
    let reader = AppState::reader(caller.as_ref(), &in_force);
    let (mut content, mut withheld) = (None, Vec::new());
    if reader.sees_all() || reader.person().is_some() {
        let folded = fold(&state, &knowledge, record).await?;
        let persons = folded.steps.last().map(|step| step.persons.as_slice()).unwrap_or_default();
        if reader.sees_body(persons) {
            let shown = [of_folded(register, record, &folded)];
            disclose(&state, caller.as_ref(), &purpose, Endpoint::Record, &shown).await?;
            content = Some(folded.record.record().content.to_json());
            withheld = WithheldVersion::list(folded.record.record().withholding.iter());
        }
    }
    if content.is_none() {
        if !reader.looks_up_numbers() {
            return Err(Problem::not_found());
        }
        item.number = None;
    }
    let etag = AppendHeaders([(header::ETAG, format!("\"{}\"", item.version))]);
    Ok((Some(etag), Json(RecordDocument { item, content, withheld, as_of: None })))
}

/// A record folded from its entries.
pub async fn fold(state: &AppState, knowledge: &Knowledge, record: Uuid) -> Result<Folded, Problem> {
    let entries = state.store().read_record(record).await?;
    Folded::fold(&entries, knowledge).map_err(|error| Problem::internal(&error))
}
