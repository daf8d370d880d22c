//! `POST /v1/account/accesses/{record}/question`: the person asks why it was looked at what concerns them.

use axum::extract::State;
use axum::http::StatusCode;
use domain::platform::PLATFORM;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::access::own;
use crate::http::extract::{Json, Path, typed};
use crate::http::{Acting, AppState};
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::registry::{Actor, AppendRequest, EntryRequest};
use crate::routes::v1::registers::entries::refused;

/// Characters of a question or an answer.
const CHARACTERS: std::ops::RangeInclusive<usize> = 3..=2_000;

/// What the person asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionInput {
    /// 3 to 2,000 characters.
    pub question: String,
}

/// What became of an access.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessStep {
    /// The access.
    pub record: Uuid,
    /// Its status now.
    pub status: String,
    /// Its version now.
    pub version: u64,
    /// The position of the entry: what `Wait-For` takes.
    pub position: u64,
}

/// Asks why: once for each access. The department that answers for it finds the question among its tasks.
#[utoipa::path(post, path = "/v1/account/accesses/{record}/question", operation_id = "questionAccountAccess", tag = "Account",
    security(("bearer" = [])),
    params(("record" = Uuid, Path, description = "The access")),
    request_body = QuestionInput,
    responses(
        (status = 201, description = "It is asked", body = AccessStep),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn question_account_access(
    State(state): State<AppState>,
    acting: Acting,
    Path(record): Path<Uuid>,
    Json(body): Json,
) -> Result<(StatusCode, axum::Json<AccessStep>), Problem> {
    let (_, register) = own(&state, &acting, record).await?;
    acting.acts(&register)?;
    let QuestionInput { question } = typed(body)?;
    let mut said = json!({ "question": text("/question", &question)?, "asked_by": acting.actor });
    if let Some(whom) = acting.on_behalf() {
        said["asked_on_behalf"] = whom;
    }
    let step = step(&state, &register, record, "questioned", said).await?;
    Ok((StatusCode::CREATED, axum::Json(step)))
}

/// Words that a person will read.
pub fn text<'a>(pointer: &str, text: &'a str) -> Result<&'a str, Problem> {
    let text = text.trim();
    let plain = !text.chars().any(|c| c.is_control() && c != '\n');
    if CHARACTERS.contains(&text.chars().count()) && plain {
        return Ok(text);
    }
    let (least, most) = (CHARACTERS.start(), CHARACTERS.end());
    let detail = format!("must be {least} to {most} characters, with no control characters but line feeds");
    let place = Pointed { pointer: pointer.to_owned(), detail };
    Err(Problem::new(problem::INVALID_ENTRY, "The text is not of the form that is taken.")
        .with_errors(vec![place]))
}

/// Appends an entry about an access.
pub async fn step(
    state: &AppState,
    register: &Slug,
    record: Uuid,
    entry_type: &str,
    body: Value,
) -> Result<AccessStep, Problem> {
    let entry = EntryRequest::Platform {
        record: Some(record),
        version: None,
        entry_type: entry_type.parse().map_err(|error| Problem::internal(&error))?,
        effective_at: None,
        body,
    };
    let by = Actor::local(PLATFORM.parse().map_err(|error| Problem::internal(&error))?);
    let request = AppendRequest::new(register.clone(), by, vec![entry]);
    let appended = state.registry().append(request).await;
    let appended = appended.map_err(|refusal| refused::problem(&refusal, false))?;
    let outcome = appended.into_iter().next();
    let outcome = outcome.ok_or_else(|| Problem::new(problem::INTERNAL, "Nothing was appended."))?;
    Ok(AccessStep {
        record,
        status: outcome.status,
        version: outcome.appended.version,
        position: outcome.appended.position,
    })
}
