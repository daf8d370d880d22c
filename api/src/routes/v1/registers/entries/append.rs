//! `POST /v1/registers/{register}/entries`: appends entries.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::platform::ACCESSES;
use domain::withholding::WITHHELD;
use eventstore::failpoint::{self, Step};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::{self, AppendInput};
use super::receipt::ReceiptDocument;
use super::refused;
use crate::auth::{Caller, Principal};
use crate::http::conditions::{self, Conditions};
use crate::http::extract::{Json, Path};
use crate::http::{AppState, Page};
use crate::problem::{self, Problem, ProblemDocument};
use crate::registry::{Actor, AppendRequest, Outcome};

/// An entry that was appended.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppendedEntry {
    /// Its place in the order of all entries: what `Wait-For` takes.
    pub position: u64,
    /// Its register.
    pub register: String,
    /// Its place in the register's log.
    pub index: u64,
    /// Its record.
    pub record: Uuid,
    /// The version of the record that it made.
    pub version: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// The record's status after it.
    pub status: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// From when it has effect.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// With `Prefer: return=representation`: the receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptDocument>,
    /// With `Prefer: return=representation`, when witnesses have not cosigned in time: where the receipt will be. The entry stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_later: Option<String>,
}

impl From<Outcome> for AppendedEntry {
    fn from(outcome: Outcome) -> Self {
        let appended = outcome.appended;
        Self {
            position: appended.position,
            register: appended.register.to_string(),
            index: appended.index,
            record: appended.record,
            version: appended.version,
            entry_type: outcome.entry_type.to_string(),
            status: outcome.status,
            recorded_at: appended.recorded_at,
            effective_at: outcome.effective_at,
            receipt: outcome.receipt.map(ReceiptDocument::from),
            receipt_later: None,
        }
    }
}

/// Appends one entry, or an atomic list of up to 1,000.
///
/// With `Idempotency-Key`, a repeated request answers with the entries that the first one made. With `If-Match: "3"`, the
/// record must be at version 3.
#[utoipa::path(post, path = "/v1/registers/{register}/entries", operation_id = "appendEntries", tag = "Registers",
    security(("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same content gives the same answer"),
        ("If-Match" = Option<String>, Header, description = "The version that the record must be at, in quotes"),
        ("Prefer" = Option<String>, Header, description = "`return=representation` adds the receipt"),
    ),
    request_body = AppendInput,
    responses(
        (status = 201, description = "Appended. For a list: `{\"items\": […], \"next\": null}`", body = AppendedEntry,
            headers(("Location" = String, description = "The entry"), ("ETag" = String, description = "The record's version"),
                ("Idempotent-Replayed" = Option<String>, description = "`true` when an earlier request made the entries"))),
        (status = 409, description = "Version, number, state or idempotency key conflict", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The entry breaks a rule; `errors` points to each fault", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn append_entries(
    State(state): State<AppState>,
    caller: Caller,
    Path(register): Path<String>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<Response, Problem> {
    let by = actor(&caller)?;
    let (_, in_force) = state.register(&register).await?;
    let register = in_force.definition.slug.clone();
    if register == *ACCESSES {
        let detail = "Accesses are recorded by the server alone, as it shows what they are about.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    }
    let (entries, list) = input::read(body)?;
    let mut request = AppendRequest::new(register.clone(), by, entries);
    let conditions = Conditions::read(&headers)?;
    (request.idempotency_key, request.if_match) = (conditions.idempotency_key, conditions.if_match);
    request.receipts = conditions::text(&headers, "prefer")?.is_some_and(prefers_representation);
    let represent = request.receipts;
    let (count, began) = (request.entries.len() as u64, Instant::now());
    let outcome = state.registry().append(request).await;
    state.metrics().append(register.as_str(), count, outcome.is_ok(), began.elapsed());
    let outcomes = outcome.map_err(|refusal| refused::problem(&refusal, list))?;
    noted(&state, &outcomes).await;
    let replayed = outcomes.iter().all(|outcome| outcome.appended.replayed);
    let mut items: Vec<AppendedEntry> = outcomes.into_iter().map(AppendedEntry::from).collect();
    if items.iter().any(|item| represent && item.receipt.is_none()) {
        receipts(&state, &register, &mut items).await?;
    }
    let mut response = answer(items, list, represent)?;
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    failpoint::pass(Step::Answering);
    Ok(response)
}

/// Adds the receipts, or where they will be when no checkpoint that covers the entries is published in time.
async fn receipts(state: &AppState, register: &Slug, items: &mut [AppendedEntry]) -> Result<(), Problem> {
    let size = items.iter().map(|item| item.index + 1).max().unwrap_or_default();
    let published = match state.witnesses() {
        Some(witnesses) => witnesses.wait(state.store(), register, size).await?,
        None => true,
    };
    for item in items.iter_mut().filter(|item| item.receipt.is_none()) {
        if published {
            item.receipt = super::receipt::read(state, register, item.index).await?;
        } else {
            item.receipt_later = Some(format!("/v1/registers/{register}/entries/{}/receipt", item.index));
        }
    }
    Ok(())
}

/// Notes orders in the ledger before they are acknowledged. They stand whatever comes of it, and it is tried again.
async fn noted(state: &AppState, outcomes: &[Outcome]) {
    let ordered = outcomes.iter().any(|outcome| outcome.entry_type.as_str() == WITHHELD);
    if let Some(withholding) = state.withholding().filter(|_| ordered)
        && let Err(error) = withholding.catch_up().await
    {
        tracing::error!(error = %error, "an order could not be noted in the ledger");
    }
}

/// For whom a caller appends.
fn actor(caller: &Caller) -> Result<Actor, Problem> {
    let department = match &caller.principal {
        Principal::Department { department } => department.clone(),
        Principal::Operator => domain::platform::PLATFORM
            .parse()
            .map_err(|_| Problem::new(problem::FORBIDDEN, "No platform."))?,
        _ => return Err(Problem::new(problem::FORBIDDEN, "Entries are appended by departments' systems.")),
    };
    Ok(Actor { department, client: caller.client.clone() })
}

fn answer(mut items: Vec<AppendedEntry>, list: bool, represent: bool) -> Result<Response, Problem> {
    let first = items.first().ok_or_else(|| Problem::new(problem::INTERNAL, "Nothing was appended."))?;
    let location = format!("/v1/registers/{}/entries/{}", first.register, first.index);
    let etag = format!("\"{}\"", first.version);
    let mut response = if list {
        (StatusCode::CREATED, axum::Json(Page::all(items))).into_response()
    } else {
        (StatusCode::CREATED, axum::Json(items.swap_remove(0))).into_response()
    };
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&location).map(|value| (header::LOCATION, value)));
    if !list {
        headers.extend(HeaderValue::from_str(&etag).map(|value| (header::ETAG, value)));
    }
    if represent {
        headers.insert("preference-applied", HeaderValue::from_static("return=representation"));
    }
    Ok(response)
}

/// RFC 7240: preferences are separated by commas, their parameters by semicolons.
fn prefers_representation(prefer: &str) -> bool {
    prefer
        .split([',', ';'])
        .any(|preference| preference.replace([' ', '"'], "").eq_ignore_ascii_case("return=representation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences() {
        for yes in [
            "return=representation",
            "respond-async, return=representation",
            "RETURN = \"representation\"; x=1",
        ] {
            assert!(prefers_representation(yes), "{yes}");
        }
        for no in ["", "return=minimal", "representation"] {
            assert!(!prefers_representation(no), "{no}");
        }
    }
}
