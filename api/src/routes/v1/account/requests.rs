//! `POST /v1/account/requests/{record}/withdraw`: the applicant takes a request back.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::platform::REQUESTS;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::conditions::Conditions;
use crate::http::extract::{self, Path, typed};
use crate::http::{Acting, AppState};
use crate::proactive::platform_entry;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::v1::registers::entries::refused;
use crate::routes::v1::registers::records::record::fold;

/// Why a request is withdrawn.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawing {
    /// Why, in words, if the person wants to say.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What became of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestState {
    /// The request's record.
    pub request: Uuid,
    /// Its status now.
    pub status: String,
    /// Its version now.
    pub version: u64,
    /// The position of the entry that was made; null when nothing had to be.
    pub position: Option<u64>,
}

/// Withdraws a request on which nothing is decided yet. Withdrawing it again changes nothing.
#[utoipa::path(post, path = "/v1/account/requests/{record}/withdraw", operation_id = "withdrawRequest", tag = "Account",
    security(("bearer" = [])),
    params(
        ("record" = Uuid, Path, description = "The request's record"),
        ("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same content gives the same answer"),
        ("If-Match" = Option<String>, Header, description = "The version that the request must be at, in quotes"),
    ),
    request_body = Withdrawing,
    responses(
        (status = 200, description = "What became of it", body = RequestState),
        (status = 409, description = "It is decided already", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn withdraw_request(
    State(state): State<AppState>,
    acting: Acting,
    Path(record): Path<Uuid>,
    headers: HeaderMap,
    extract::Json(body): extract::Json,
) -> Result<Json<RequestState>, Problem> {
    let conditions = Conditions::read(&headers)?;
    let withdrawing: Withdrawing = typed(body)?;
    let (person, register) = (acting.person()?, requests()?);
    let folded = fold(&state, &state.registry().knowledge(), record).await?;
    let found = &folded.record.record().state;
    let own = found.subjects.iter().any(|subject| subject.person() == Some(person));
    if found.register.as_ref() != Some(&register) || !own || !acting.sees(&register) {
        return Err(Problem::not_found());
    }
    acting.acts(&register)?;
    if found.status == "withdrawn" {
        let (status, version) = (found.status.clone(), found.version);
        return Ok(Json(RequestState { request: record, status, version, position: None }));
    }
    let mut body = acting.by();
    if let Some(reason) = withdrawing.reason {
        body["reason"] = json!(reason);
    }
    let entry = platform_entry(REQUESTS, Some(record), "withdrawn", body);
    let outcome =
        conditions.append(&state, entry).await.map_err(|refusal| refused::problem(&refusal, false))?;
    Ok(Json(RequestState {
        request: record,
        status: outcome.status,
        version: outcome.appended.version,
        position: Some(outcome.appended.position),
    }))
}

fn requests() -> Result<Slug, Problem> {
    REQUESTS.parse().map_err(|error| Problem::internal(&error))
}
