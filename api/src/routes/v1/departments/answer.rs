//! `POST /v1/departments/{department}/accesses/{record}/answer`: the department answers why it was looked.

use axum::extract::State;
use axum::http::StatusCode;
use domain::platform::{ACCESSES, PLATFORM};
use proofs::slug::Slug;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accesses::Looker;
use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::http::extract::{Json, Path, typed};
use crate::problem::{self, Problem, ProblemDocument};
use crate::routes::v1::account::accesses::{AccessStep, current, step, text};

/// What the department answers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerInput {
    /// 3 to 2,000 characters, which the person will read.
    pub answer: String,
}

/// Answers a person's question about an access, for the department that answers for it: its officials and systems. For
/// accesses of auditors, third parties and representatives that is `platform`, for which the operator speaks.
#[utoipa::path(post, path = "/v1/departments/{department}/accesses/{record}/answer", operation_id = "answerAccess", tag = "Departments",
    security(("bearer" = [])),
    params(
        ("department" = String, Path, description = "Slug of the department"),
        ("record" = Uuid, Path, description = "The access"),
    ),
    request_body = AnswerInput,
    responses(
        (status = 201, description = "It is answered", body = AccessStep),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn answer_access(
    State(state): State<AppState>,
    caller: Caller,
    Path((department, record)): Path<(String, Uuid)>,
    Json(body): Json,
) -> Result<(StatusCode, axum::Json<AccessStep>), Problem> {
    let department: Slug = department.parse().map_err(|_| Problem::not_found())?;
    if !speaks_for(&caller.principal, &department) {
        let detail = "Questions are answered by officials and systems of the department that looked.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    }
    let found = current(&state, &state.registry().knowledge(), record).await?;
    let found = found.filter(|access| access.content["department"] == department.as_str());
    // What nobody asked about is not for the department to see either.
    let asked = found.filter(|access| access.status != "recorded");
    asked.ok_or_else(Problem::not_found)?;
    let AnswerInput { answer } = typed(body)?;
    let by = Looker::from(&caller).members();
    let said = json!({ "answer": text("/answer", &answer)?, "answered_by": by["by"] });
    let register = ACCESSES.parse().map_err(|error| Problem::internal(&error))?;
    Ok((StatusCode::CREATED, axum::Json(step(&state, &register, record, "answered", said).await?)))
}

fn speaks_for(principal: &Principal, department: &Slug) -> bool {
    match principal {
        Principal::Official { department: of, .. } | Principal::Department { department: of } => {
            of == department
        }
        Principal::Operator => *department == *PLATFORM,
        _ => false,
    }
}
