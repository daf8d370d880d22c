//! `GET /v1/registers/{register}/records/{record}/history`: the timeline of a record.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use domain::asof::AsOf;
use projections::history;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::record::fold;
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::auth::Caller;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::http::{AppState, Page, PageQuery};
use crate::past;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::{Folded, Knowledge};
use crate::routes::words::{Title, WithheldVersion};

/// A step of a record's life.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryStep {
    /// The version that it made.
    pub version: u64,
    /// Type of the entry.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// The type in words.
    pub title: Title,
    /// Status before; null for the first step.
    pub status_before: Option<String>,
    /// Status after.
    pub status: String,
    /// The status after in words.
    pub status_title: Title,
    /// The department that signed it.
    pub issuer: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// From when it has effect.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// The version that it corrects.
    pub corrects: Option<u64>,
    /// On what basis.
    #[schema(value_type = Option<Object>)]
    pub basis: Option<Value>,
    /// Why, in words.
    pub reason: Option<String>,
    /// By which later version the body is withheld, and so basis and reason; left out where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<WithheldVersion>,
    /// Its position.
    pub position: u64,
    /// Its index in the register: where its receipt is.
    pub index: u64,
}

impl From<history::Step> for HistoryStep {
    fn from(step: history::Step) -> Self {
        Self {
            version: step.version,
            entry_type: step.entry_type.to_string(),
            title: (&step.words.entry_type).into(),
            status_before: step.status_before,
            status: step.status_after,
            status_title: (&step.words.status_after).into(),
            issuer: step.issuer.to_string(),
            recorded_at: step.recorded_at,
            effective_at: step.effective_at,
            corrects: step.corrects,
            basis: step.basis,
            reason: step.reason,
            withheld: None,
            position: step.position,
            index: step.index,
        }
    }
}

/// Which steps.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StepsQuery {
    /// Those recorded by then: a day (its end, UTC) or a moment, not in the future.
    pub recorded_at: Option<String>,
    /// Those that have effect by then: a day (its end, UTC) or a moment.
    pub effective_at: Option<String>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// The steps of a record, the first first, for those who may see its content.
#[utoipa::path(get, path = "/v1/registers/{register}/records/{record}/history", operation_id = "getRecordHistory", tag = "Registers",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("record" = Uuid, Path, description = "The record"),
        StepsQuery,
        Purpose,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "A page of steps", body = Page<HistoryStep>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_record_history(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path((register, record)): Path<(String, Uuid)>,
    Query(query): Query<StepsQuery>,
    wait: WaitFor,
) -> Result<Json<Page<HistoryStep>>, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let reader = AppState::reader(caller.as_ref(), &in_force);
    let folded = fold(&state, &knowledge, record).await?;
    let there = folded.record.record().state.register.as_ref() == Some(&in_force.definition.slug);
    let seen = folded.steps.iter().filter(|step| reader.sees_body(&step.persons)).map(|step| step.version);
    let seen: BTreeSet<u64> = seen.collect();
    if !there || seen.is_empty() {
        return Err(Problem::not_found());
    }
    wait.hold(&state, "history").await?;
    let mut page = steps(&state, &knowledge, record, &seen, query).await?;
    mark(&mut page.items, &folded);
    let shown = [disclosed(&in_force.definition.slug, record, &folded, &page.items)];
    disclose(&state, caller.as_ref(), &purpose, Endpoint::History, &shown).await?;
    Ok(Json(page))
}

/// What steps show of bodies: the people whom those with a reason or a basis concern. What else there is of a step stands in
/// its statement, which anyone may read.
pub fn disclosed(register: &Slug, record: Uuid, folded: &Folded, steps: &[HistoryStep]) -> Disclosure {
    let told = steps.iter().filter(|step| step.reason.is_some() || step.basis.is_some());
    let persons: BTreeSet<Uuid> = told
        .filter_map(|step| folded.at(step.version))
        .flat_map(|step| step.persons.iter().copied())
        .collect();
    Disclosure::new(register, record, persons.into_iter().collect())
}

/// Says of each step whose body is withheld that it is.
pub fn mark(steps: &mut [HistoryStep], folded: &Folded) {
    let withheld = WithheldVersion::list(folded.record.record().withholding.iter());
    for step in steps {
        step.withheld = withheld.iter().find(|withheld| withheld.version == step.version).cloned();
    }
}

/// A page of steps; basis and reason, which are of the body, only where it may be seen.
pub async fn steps(
    state: &AppState,
    knowledge: &Knowledge,
    record: Uuid,
    seen: &BTreeSet<u64>,
    query: StepsQuery,
) -> Result<Page<HistoryStep>, Problem> {
    let now = state.store().clock().now();
    let as_of = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)?;
    let as_of = as_of.unwrap_or(AsOf::PRESENT);
    let page = PageQuery { cursor: query.cursor, limit: query.limit }.request()?;
    let db = state.store().db();
    let found = history::steps_as_of(db, &knowledge.definitions, record, as_of, &page).await;
    Ok(Page::of(found?, |step| {
        let mut step = HistoryStep::from(step);
        if !seen.contains(&step.version) {
            (step.basis, step.reason) = (None, None);
        }
        step
    }))
}
