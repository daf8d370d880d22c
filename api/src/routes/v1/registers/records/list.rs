//! `GET /v1/registers/{register}/records`: the records of a register.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use projections::view;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::past::Asked;
use crate::accesses::{Endpoint, Look, Purpose};
use crate::auth::Caller;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::http::{AppState, Page, PageQuery};
use crate::past;
use crate::problem::{self, Problem, ProblemDocument};
use crate::routes::words::{Changed, Title};

/// A record of a register.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordItem {
    /// The record.
    pub record: Uuid,
    /// Its register.
    pub register: String,
    /// Its official number; null where it has none, or where the reader may not see it.
    pub number: Option<String>,
    /// Its status.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// Has it legal effect?
    pub in_force: bool,
    /// First day of validity.
    pub valid_from: Option<NaiveDate>,
    /// Last day of validity; null is indefinite.
    pub valid_until: Option<NaiveDate>,
    /// Its version.
    pub version: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// Its last entry.
    pub changed: Changed,
}

impl From<view::ViewRecord> for RecordItem {
    fn from(record: view::ViewRecord) -> Self {
        Self {
            changed: Changed::of(record.changed, record.named.change),
            record: record.record,
            register: record.register.into(),
            number: record.number,
            status: record.status,
            status_title: record.named.status.into(),
            in_force: record.named.in_force,
            valid_from: record.validity.from,
            valid_until: record.validity.until,
            version: record.version,
            opened_at: record.opened.recorded_at,
        }
    }
}

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecordsQuery {
    /// In this status.
    pub status: Option<String>,
    /// Whose last entry is of this type.
    #[serde(rename = "type")]
    pub entry_type: Option<String>,
    /// What was recorded by then: a day (its end, UTC) or a moment, not in the future.
    pub recorded_at: Option<String>,
    /// What has effect by then: a day (its end, UTC) or a moment.
    pub effective_at: Option<String>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// Records, the newest first, now or as of a time. Of registers that are not public, for the department that owns them and
/// for auditors. A page of the past may hold fewer records than asked for, even none, and yet have a next.
#[utoipa::path(get, path = "/v1/registers/{register}/records", operation_id = "listRecords", tag = "Registers",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        RecordsQuery,
        Purpose,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "A page of records", body = Page<RecordItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_records(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path(register): Path<String>,
    Query(query): Query<RecordsQuery>,
    wait: WaitFor,
) -> Result<Json<Page<RecordItem>>, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    if !AppState::reader(caller.as_ref(), &in_force).sees_all() {
        return Err(match caller {
            None => Problem::new(
                problem::UNAUTHENTICATED,
                "The records of this register are not listed for everyone.",
            ),
            Some(_) => Problem::new(
                problem::FORBIDDEN,
                "The records of this register are listed for its department.",
            ),
        });
    }
    let entry_type = query.entry_type.map(|name| name.parse()).transpose();
    let entry_type = entry_type.map_err(|_| Problem::invalid("`type` is no entry type."))?;
    let page = PageQuery { cursor: query.cursor, limit: query.limit }.request()?;
    wait.hold(&state, "view").await?;
    let now = state.store().clock().now();
    if let Some(as_of) = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)? {
        let filter = past::Filter { status: query.status, entry_type };
        let asked = Asked { knowledge: &knowledge, in_force: &in_force, caller: caller.as_ref(), as_of };
        return Ok(Json(asked.records(&state, filter, page, &purpose).await?));
    }
    let filter = view::Filter { status: query.status, entry_type };
    let definitions = &knowledge.definitions;
    let found = view::list(state.store().db(), definitions, &in_force.definition.slug, &filter, &page).await;
    let page = Page::of(found?, RecordItem::from);
    // Of what a list shows, numbers alone are of bodies.
    let numbered = page.items.iter().filter(|item| item.number.is_some()).map(|item| item.record);
    let look = Look::new(caller.as_ref(), &purpose, Endpoint::Records);
    look.records(&state, &knowledge, &in_force.definition.slug, numbered).await?;
    Ok(Json(page))
}
