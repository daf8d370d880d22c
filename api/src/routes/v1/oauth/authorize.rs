//! `GET /v1/oauth/authorize`: what a client asks a person for, in words.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{Days, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::grant::answer;
use super::page;
use crate::consents::{TERM_DAYS_MAX, today};
use crate::http::AppState;
use crate::oauth::request::{Asked, Request, Wrong};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::words::Title;

/// What a client asks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorisationDocument {
    /// Who asks.
    pub client: ClientName,
    /// What for, in the client's words.
    pub purpose: String,
    /// The registers of which it asks: a person may choose fewer, or single records.
    pub registers: Vec<AskedRegister>,
    /// Where the person is sent back to.
    pub redirect_uri: String,
    /// The latest last day that a person may choose.
    pub valid_until_max: NaiveDate,
}

/// A client, as people are told of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientName {
    /// Its name among clients.
    pub id: String,
    /// What it is called.
    pub name: Title,
}

/// A register that a client asks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedRegister {
    /// The register.
    pub register: String,
    /// What it is called.
    pub title: Title,
    /// Where an account shows it.
    pub group: &'static str,
    /// The department that owns it.
    pub department: String,
}

/// What a client asks a person for: a portal shows it, and sends the person's decision by POST. A browser that comes here
/// itself is shown a page.
#[utoipa::path(get, path = "/v1/oauth/authorize", operation_id = "describeAuthorisation", tag = "Consent",
    params(Asked),
    responses(
        (status = 200, description = "What is asked; as a page, where HTML is accepted", body = AuthorisationDocument),
        (status = 303, description = "To a browser: back to the client, which is told what is wrong with its request"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn describe_authorisation(
    State(state): State<AppState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let html = accepts.split(',').any(|kind| kind.trim().starts_with("text/html"));
    let request = match Asked::parse(query.as_deref().unwrap_or_default())?.check(&state).await {
        Ok(request) => request,
        Err(Wrong::There { redirect_uri, state: echoed, error, description }) if html => {
            let parameters = [("error", error), ("error_description", description)];
            let back = answer(&state, &redirect_uri, echoed.as_deref(), &parameters);
            return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response());
        }
        Err(wrong) => return Err(wrong.into()),
    };
    let document = document(&state, request);
    Ok(if html { page::respond(&document) } else { Json(document).into_response() })
}

fn document(state: &AppState, request: Request) -> AuthorisationDocument {
    let knowledge = state.registry().knowledge();
    let named = |slug: &proofs::slug::Slug| {
        let in_force = knowledge.definitions.current(slug)?;
        let definition = &in_force.definition;
        Some(AskedRegister {
            register: slug.to_string(),
            title: (&definition.title).into(),
            group: definition.group.as_str(),
            department: definition.owner.to_string(),
        })
    };
    AuthorisationDocument {
        client: ClientName { id: request.client.id.to_string(), name: (&request.client.name).into() },
        purpose: request.purpose,
        registers: request.registers.iter().filter_map(named).collect(),
        redirect_uri: request.redirect_uri,
        valid_until_max: last_day(today(state)),
    }
}

/// The latest last day of a consent given on a day.
pub(super) fn last_day(today: NaiveDate) -> NaiveDate {
    today.checked_add_days(Days::new(TERM_DAYS_MAX - 1)).unwrap_or(today)
}
