//! `GET /v1/departments/{department}/tasks/{record}`: one task, with what must be known to act on it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use domain::platform::{ACCESSES, OFFERS, REQUESTS};
use proofs::slug::Slug;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::department;
use crate::accesses::{self, Endpoint, Purpose};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::proactive::offer::Offer;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Folded;
use crate::routes::v1::registers::records::record::fold;
use crate::routes::words::{Title, status_title};

/// A task, with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskDocument {
    /// The record.
    pub record: Uuid,
    /// `requests`, `offers` or `accesses`.
    pub register: String,
    /// The record's status.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// Does it wait for the department?
    pub waits: bool,
    /// The record's version, for `If-Match`.
    pub version: u64,
    /// What its entries say of it: whom it concerns, the values, the question.
    #[schema(value_type = Object)]
    pub content: Value,
    /// Of a request that came of an offer, what became of that: one that was withdrawn rests on a cause that fell away.
    pub offer_status: Option<String>,
}

/// A record that is, or was, a task of a department, as its entries say.
pub(super) struct Task {
    pub register: Slug,
    pub folded: Folded,
    pub waits: bool,
}

impl Task {
    pub(super) fn status(&self) -> &str {
        &self.folded.record.record().state.status
    }

    pub(super) fn version(&self) -> u64 {
        self.folded.record.record().state.version
    }
}

/// A task of the department. What never was one is answered as what does not exist.
pub(super) async fn read(state: &AppState, department: &Slug, record: Uuid) -> Result<Task, Problem> {
    let folded = fold(state, &state.registry().knowledge(), record).await?;
    let found = folded.record.record();
    let register = found.state.register.clone().ok_or_else(Problem::not_found)?;
    let of = found.content.members.get("department").and_then(Value::as_str);
    let was = |statuses: &[&str]| folded.steps.iter().any(|step| statuses.contains(&step.status.as_str()));
    let (was_task, waits) = match (register.as_str(), found.state.status.as_str()) {
        (REQUESTS, now) => (true, matches!(now, "submitted" | "in-work")),
        (OFFERS, now) => (was(&["referred"]), now == "referred"),
        (ACCESSES, now) => (was(&["questioned"]), now == "questioned"),
        _ => (false, false),
    };
    if !was_task || of != Some(department.as_str()) {
        return Err(Problem::not_found());
    }
    Ok(Task { register, folded, waits })
}

/// One task of a department, with its content. Its reading is an access, which the person sees.
#[utoipa::path(get, path = "/v1/departments/{department}/tasks/{record}", operation_id = "getTask", tag = "Departments",
    security(("bearer" = [])),
    params(
        ("department" = String, Path, description = "Slug of the department"),
        ("record" = Uuid, Path, description = "The record"),
        Purpose,
    ),
    responses(
        (status = 200, description = "The task", body = TaskDocument, headers(("ETag" = String, description = "Its version"))),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_task(
    State(state): State<AppState>,
    caller: Caller,
    Path((slug, record)): Path<(String, Uuid)>,
    purpose: Purpose,
) -> Result<Response, Problem> {
    let department = department(&caller, &slug)?;
    let task = read(&state, &department, record).await?;
    let shown = [accesses::of_folded(&task.register, record, &task.folded)];
    accesses::disclose(&state, &caller, &purpose, Endpoint::Tasks, &shown).await?;
    let content = task.folded.record.record().content.to_json();
    let document = TaskDocument {
        record,
        offer_status: offer_status(&state, &task, &content).await?,
        status: task.status().to_owned(),
        status_title: status_title(&state.registry().knowledge(), task.register.as_str(), task.status()),
        waits: task.waits,
        version: task.version(),
        content,
        register: task.register.to_string(),
    };
    let etag = HeaderValue::from_str(&format!("\"{}\"", document.version));
    let mut response = Json(document).into_response();
    response.headers_mut().extend(etag.map(|value| (header::ETAG, value)));
    Ok(response)
}

/// What became of the offer that a request came of.
async fn offer_status(state: &AppState, task: &Task, content: &Value) -> Result<Option<String>, Problem> {
    let offer = content["offer"].as_str().filter(|_| task.register == *REQUESTS);
    let Some(offer) = offer.and_then(|offer| offer.parse().ok()) else { return Ok(None) };
    Ok(Offer::read(state.registry(), offer).await?.map(|offer| offer.status))
}
