//! `GET /v1/account/consents` and the withdrawal: what the person lets third parties read.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use domain::platform::CONSENTS;
use projections::account;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::records::shown;
use crate::accesses::{Endpoint, Purpose, disclose};
use crate::consents::{self, Because, Consent};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page, PageQuery};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::v1::account::records::AccountRecordItem;
use crate::routes::v1::registers::entries::refused;
use crate::routes::words::Title;

/// A consent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentItem {
    /// Its record in `consents`.
    pub record: Uuid,
    /// `active`, `expired`, `withdrawn`.
    pub status: String,
    /// Does it open anything now? One whose term is over does not, whatever its status says yet.
    pub opens: bool,
    /// The client's `client_id`.
    pub client: String,
    /// What the client was called when it was given.
    pub client_name: Title,
    /// What for, in the client's words.
    pub purpose: String,
    /// Registers of which everything is opened.
    pub registers: Vec<String>,
    /// Records that are opened one by one.
    pub records: Vec<Uuid>,
    /// First day.
    pub valid_from: NaiveDate,
    /// Last day.
    pub valid_until: NaiveDate,
    /// When it last changed: given, used, ended.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
}

/// A consent that was withdrawn.
#[derive(Debug, Serialize, ToSchema)]
pub struct WithdrawnDocument {
    /// Its record in `consents`.
    pub record: Uuid,
    /// `withdrawn`.
    pub status: String,
    /// The position of the entry, to wait for. The consent opens nothing from now on, on any server.
    pub position: u64,
}

/// The consents of the person who asks, or of whom they act for, the newest first, those that ended too.
#[utoipa::path(get, path = "/v1/account/consents", operation_id = "listConsents", tag = "Account",
    security(("bearer" = [])),
    params(PageQuery, OnBehalfOf, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "A page of consents", body = Page<ConsentItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_consents(
    State(state): State<AppState>,
    acting: Acting,
    Query(page): Query<PageQuery>,
    wait: WaitFor,
) -> Result<Json<Page<ConsentItem>>, Problem> {
    let person = acting.person()?;
    visible(&acting)?;
    wait.hold(&state, "account").await?;
    let knowledge = state.registry().knowledge();
    let filter = account::Filter { register: Some(register()?), ..account::Filter::default() };
    let found =
        account::list(state.store().db(), &knowledge.definitions, person, &filter, &page.request()?).await?;
    let next = found.next;
    let rows: Vec<AccountRecordItem> = found.items.into_iter().map(AccountRecordItem::from).collect();
    disclose(&state, &acting, &Purpose::default(), Endpoint::Account, &shown(&acting, &rows)?).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(consent) = Consent::read(&state, row.record).await? {
            let opens = consent.stands(&state).await?;
            items.push(item(consent, row.changed.recorded_at, opens));
        }
    }
    Ok(Json(Page { items, next }))
}

/// Withdraws a consent: it opens nothing from now on.
#[utoipa::path(post, path = "/v1/account/consents/{record}/withdraw", operation_id = "withdrawConsent", tag = "Account",
    security(("bearer" = [])),
    params(("record" = Uuid, Path, description = "The record in `consents`"), OnBehalfOf),
    responses(
        (status = 200, description = "It is withdrawn", body = WithdrawnDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn withdraw_consent(
    State(state): State<AppState>,
    acting: Acting,
    Path(record): Path<Uuid>,
) -> Result<Json<WithdrawnDocument>, Problem> {
    let person = acting.person()?;
    visible(&acting)?;
    let consent = Consent::read(&state, record).await?.filter(|consent| consent.person == person);
    consent.ok_or_else(Problem::not_found)?;
    acting.acts(&register()?)?;
    let withdrawn = consents::withdraw(&state, record, Because::Person(&acting)).await;
    let outcome = withdrawn.map_err(|refusal| refused::problem(&refusal, false))?;
    Ok(Json(WithdrawnDocument { record, status: outcome.status, position: outcome.appended.position }))
}

fn register() -> Result<Slug, Problem> {
    CONSENTS.parse().map_err(|error| Problem::internal(&error))
}

/// Consents are seen by those who see the register: by a power that names it, or that is for everything.
fn visible(acting: &Acting) -> Result<(), Problem> {
    if acting.sees(&register()?) { Ok(()) } else { Err(Problem::not_found()) }
}

fn item(consent: Consent, changed_at: Timestamp, opens: bool) -> ConsentItem {
    ConsentItem {
        opens,
        record: consent.record,
        status: consent.status,
        client: consent.client,
        client_name: (&consent.client_name).into(),
        purpose: consent.purpose,
        registers: consent.registers.iter().map(ToString::to_string).collect(),
        records: consent.records.into_iter().collect(),
        valid_from: consent.valid_from,
        valid_until: consent.valid_until,
        changed_at,
    }
}
