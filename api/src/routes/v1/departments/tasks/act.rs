//! `POST /v1/departments/{department}/tasks/{record}`: an official takes up, grants, refuses or decides.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::platform::{OFFERS, REQUESTS};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::department;
use super::task::{Task, read};
use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::http::conditions::Conditions;
use crate::http::extract::{self, Path, typed};
use crate::proactive::platform_entry;
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::routes::v1::registers::entries::refused;

/// What an official does.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskAction {
    /// Of a request: `take`, `grant` or `refuse`. Of an offer: `decide`.
    pub action: String,
    /// Of an offer, what is decided: `kept`, `annulled`, `provided` or `refused`. The entry that annuls or provides is made
    /// in the register that it belongs to; this one says who decided, and why.
    #[serde(default)]
    pub decision: Option<String>,
    /// Why, in words. Needed to refuse and to decide.
    #[serde(default)]
    pub reason: Option<String>,
    /// The record that resulted, of a request that was granted or an offer that was provided.
    #[serde(default)]
    pub outcome: Option<TaskOutcome>,
}

/// The record that resulted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskOutcome {
    /// Its register.
    pub register: String,
    /// The record.
    pub record: Uuid,
}

/// What became of a task.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskState {
    /// The record.
    pub record: Uuid,
    /// Its status now.
    pub status: String,
    /// Its version now.
    pub version: u64,
    /// The position of the entry that was made.
    pub position: u64,
}

/// Acts on a task, in the name of the official who asks. Questions about accesses are answered at
/// `/v1/departments/{department}/accesses/{record}/answer`.
#[utoipa::path(post, path = "/v1/departments/{department}/tasks/{record}", operation_id = "actOnTask", tag = "Departments",
    security(("bearer" = [])),
    params(
        ("department" = String, Path, description = "Slug of the department"),
        ("record" = Uuid, Path, description = "The record"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same content gives the same answer"),
        ("If-Match" = Option<String>, Header, description = "The version that the record must be at, in quotes"),
    ),
    request_body = TaskAction,
    responses(
        (status = 200, description = "What became of it", body = TaskState),
        (status = 409, description = "It no longer waits for this", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn act_on_task(
    State(state): State<AppState>,
    caller: Caller,
    Path((slug, record)): Path<(String, Uuid)>,
    headers: HeaderMap,
    extract::Json(body): extract::Json,
) -> Result<Json<TaskState>, Problem> {
    let conditions = Conditions::read(&headers)?;
    let department = department(&caller, &slug)?;
    // A decision has a name under it (210-ФЗ, article 7.3; 59-ФЗ, article 10).
    let Principal::Official { person, .. } = caller.principal else {
        let detail = "Decisions are an official's: this token stands for no person.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    };
    let action: TaskAction = typed(body)?;
    let task = read(&state, &department, record).await?;
    let (entry_type, body) = entry(&task, &action, person, department.as_str())?;
    if !task.waits && conditions.idempotency_key.is_none() {
        let words = format!("Nothing is left to do: the record is in status `{}`.", task.status());
        return Err(Problem::new(problem::STATE_CONFLICT, words));
    }
    conditions.check(task.version())?;
    let entry = platform_entry(task.register.as_str(), Some(record), entry_type, body);
    let appended = conditions.append(&state, entry).await;
    let outcome = appended.map_err(|refusal| refused::problem(&refusal, false))?;
    Ok(Json(TaskState {
        record,
        status: outcome.status,
        version: outcome.appended.version,
        position: outcome.appended.position,
    }))
}

/// The entry that an action is.
fn entry(
    task: &Task,
    action: &TaskAction,
    official: Uuid,
    department: &str,
) -> Result<(&'static str, Value), Problem> {
    let mut body = Map::new();
    if let Some(reason) = &action.reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    let entry_type = match (task.register.as_str(), action.action.as_str()) {
        (REQUESTS, "take") => "taken",
        (REQUESTS, "grant") => "granted",
        (REQUESTS, "refuse") => "refused",
        (OFFERS, "decide") => "decided",
        (REQUESTS, _) => return Err(wrong("/action", "of a request is one of take, grant, refuse")),
        (OFFERS, _) => return Err(wrong("/action", "of an offer is decide")),
        _ => {
            let words = "a question about an access is answered at /v1/departments/{department}/accesses/{record}/answer";
            return Err(wrong("/action", words));
        }
    };
    let who = match entry_type {
        "granted" | "refused" => "decided_by",
        _ => "by",
    };
    body.insert(who.to_owned(), json!(official));
    if entry_type == "decided" {
        let decision =
            action.decision.as_deref().ok_or_else(|| wrong("/decision", "is required and missing"))?;
        body.insert("decision".to_owned(), json!(decision));
        body.insert("department".to_owned(), json!(department));
    } else if action.decision.is_some() {
        return Err(wrong("/decision", "is only of an offer"));
    }
    match (&action.outcome, entry_type) {
        (Some(outcome), "granted" | "decided") => drop(body.insert("outcome".to_owned(), json!(outcome))),
        (Some(_), _) => return Err(wrong("/outcome", "is only of what was granted or provided")),
        (None, _) => {}
    }
    Ok((entry_type, Value::Object(body)))
}

fn wrong(pointer: &str, detail: &str) -> Problem {
    let place = Pointed { pointer: pointer.to_owned(), detail: detail.to_owned() };
    Problem::new(problem::INVALID_ENTRY, "The action is not one that this task takes.")
        .with_errors(vec![place])
}
