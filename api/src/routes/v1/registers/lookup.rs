//! Looking up an official number: `GET …/numbers/{number}`, and `POST …/lookup`, which keeps the number out of the URL.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use domain::definition::Visibility;
use projections::view;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::records::record::fold;
use crate::accesses::{Endpoint, Look, Purpose, of_folded};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::{self, Path, typed};
use crate::http::wait::WaitFor;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::words::Title;

/// What a number stands for.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberDocument {
    /// The register.
    pub register: String,
    /// What the register is called.
    pub register_title: Title,
    /// The number that was asked for.
    pub number: String,
    /// Is it still the record's number?
    pub current: bool,
    /// Status of the record.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// Has it legal effect, by its status?
    pub in_force: bool,
    /// First day of validity.
    pub valid_from: Option<NaiveDate>,
    /// Last day of validity; null is indefinite.
    pub valid_until: Option<NaiveDate>,
    /// The record, for those who may see its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Uuid>,
    /// Its version, for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Its content, for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub content: Option<serde_json::Value>,
}

/// A number to look up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberInput {
    /// The number, as the register writes it.
    pub number: String,
}

/// Looks up an official number: validity, term and status for anyone, where the register allows it.
#[utoipa::path(get, path = "/v1/registers/{register}/numbers/{number}", operation_id = "getNumber", tag = "Registers",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("number" = String, Path, description = "The official number, percent-encoded"),
        Purpose,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "What the number stands for", body = NumberDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_number(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path((register, number)): Path<(String, String)>,
    wait: WaitFor,
) -> Result<Json<NumberDocument>, Problem> {
    let look = Look::new(caller.as_ref(), &purpose, Endpoint::Number);
    look_up(&state, caller.as_ref(), &look, &register, number, wait).await
}

/// Looks up an official number that must not stand in a URL.
#[utoipa::path(post, path = "/v1/registers/{register}/lookup", operation_id = "lookUpNumber", tag = "Registers",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        Purpose,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    request_body = NumberInput,
    responses(
        (status = 200, description = "What the number stands for", body = NumberDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn look_up_number(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path(register): Path<String>,
    wait: WaitFor,
    extract::Json(body): extract::Json,
) -> Result<Json<NumberDocument>, Problem> {
    let NumberInput { number } = typed(body)?;
    let look = Look::new(caller.as_ref(), &purpose, Endpoint::Number);
    look_up(&state, caller.as_ref(), &look, &register, number, wait).await
}

async fn look_up(
    state: &AppState,
    caller: Option<&Caller>,
    look: &Look<'_>,
    register: &str,
    number: String,
    wait: WaitFor,
) -> Result<Json<NumberDocument>, Problem> {
    let (knowledge, in_force) = state.register(register).await?;
    let definition = &in_force.definition;
    let reader = AppState::reader(caller, &in_force);
    if !reader.looks_up_numbers() {
        return Err(Problem::not_found());
    }
    // Whether there is such a number, only those who see the bodies are told here.
    if definition.visibility == Visibility::Restricted {
        look.said()?;
    }
    wait.hold(state, "view").await?;
    // PostgreSQL refuses the parameter; no number has it.
    if number.contains('\0') {
        return Err(Problem::not_found());
    }
    let found = view::by_number(state.store().db(), &knowledge.definitions, &definition.slug, &number).await;
    let hit = found?.ok_or_else(Problem::not_found)?;
    let whole = reader.sees_all();
    let content = if whole {
        let folded = fold(state, &knowledge, hit.record.record).await?;
        look.at(state, &[of_folded(&definition.slug, hit.record.record, &folded)]).await?;
        Some(folded.record.record().content.to_json())
    } else {
        None
    };
    Ok(Json(NumberDocument {
        register: definition.slug.to_string(),
        register_title: (&definition.title).into(),
        number,
        current: hit.current,
        status_title: (&hit.record.named.status).into(),
        in_force: hit.record.named.in_force,
        status: hit.record.status,
        valid_from: hit.record.validity.from,
        valid_until: hit.record.validity.until,
        record: whole.then_some(hit.record.record),
        version: whole.then_some(hit.record.version),
        content,
    }))
}
