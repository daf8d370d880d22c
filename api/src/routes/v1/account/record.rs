//! `GET /v1/account/records/{record}` and its history: one of the records that concern the person who asks.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use projections::account;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::past::Asked;
use super::records::AccountRecordItem;
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page};
use crate::past::{self, AsOfItem};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::v1::registers::records::history::{HistoryStep, StepsQuery, disclosed, mark, steps};
use crate::routes::v1::registers::records::record::fold;
use crate::routes::v1::registers::register::RegisterQuery;
use crate::routes::words::WithheldVersion;

/// A record that concerns the person, with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountRecordDocument {
    /// Status, number, term, roles.
    #[serde(flatten)]
    pub item: AccountRecordItem,
    /// What its entries say of it; null when it concerns the person no longer.
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// Whose bodies are withheld by order, so that what they said is missing here; left out where none is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WithheldVersion>,
    /// As of when, where a time was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOfItem>,
}

/// One record of the person who asks, now or as of a time. One that never concerned them is answered as one that does not exist.
#[utoipa::path(get, path = "/v1/account/records/{record}", operation_id = "getAccountRecord", tag = "Account",
    security(("bearer" = [])),
    params(
        ("record" = Uuid, Path, description = "The record"),
        OnBehalfOf,
        RegisterQuery,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "The record", body = AccountRecordDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_account_record(
    State(state): State<AppState>,
    acting: Acting,
    Path(record): Path<Uuid>,
    Query(query): Query<RegisterQuery>,
    wait: WaitFor,
) -> Result<Json<AccountRecordDocument>, Problem> {
    wait.hold(&state, acting.projection()).await?;
    let knowledge = state.registry().knowledge();
    let now = state.store().clock().now();
    if let Some(as_of) = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)? {
        let asked = Asked { knowledge: &knowledge, acting: &acting, as_of };
        return Ok(Json(asked.record(&state, record).await?));
    }
    let found = account::record(state.store().db(), &knowledge.definitions, acting.holder(), record).await;
    let found = found?.filter(|found| acting.sees(&found.register)).ok_or_else(Problem::not_found)?;
    let found_in = found.register.clone();
    let item: AccountRecordItem = found.into();
    // Whom it concerns now is asked of the entries: the projection may be a moment behind.
    let folded = fold(&state, &knowledge, record).await?;
    let concerned = folded.steps.last().is_some_and(|step| acting.concerned(step));
    let shown = [Disclosure::new(&found_in, record, acting.person().into_iter().collect())];
    disclose(&state, &acting, &Purpose::default(), Endpoint::Account, &shown).await?;
    let content = concerned.then(|| folded.record.record().content.to_json());
    let withheld = WithheldVersion::list(folded.record.record().withholding.iter());
    Ok(Json(AccountRecordDocument { item, content, withheld, as_of: None }))
}

/// The steps of one record of the person who asks, the first first.
#[utoipa::path(get, path = "/v1/account/records/{record}/history", operation_id = "getAccountRecordHistory", tag = "Account",
    security(("bearer" = [])),
    params(
        ("record" = Uuid, Path, description = "The record"),
        OnBehalfOf,
        StepsQuery,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "A page of steps", body = Page<HistoryStep>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_account_record_history(
    State(state): State<AppState>,
    acting: Acting,
    Path(record): Path<Uuid>,
    Query(query): Query<StepsQuery>,
    wait: WaitFor,
) -> Result<Json<Page<HistoryStep>>, Problem> {
    let knowledge = state.registry().knowledge();
    let folded = fold(&state, &knowledge, record).await?;
    if !folded.record.record().state.register.as_ref().is_some_and(|register| acting.sees(register)) {
        return Err(Problem::not_found());
    }
    let concerned = folded.steps.iter().filter(|step| acting.concerned(step)).map(|step| step.version);
    let seen: BTreeSet<u64> = concerned.collect();
    if seen.is_empty() {
        return Err(Problem::not_found());
    }
    wait.hold(&state, "history").await?;
    let mut page = steps(&state, &knowledge, record, &seen, query).await?;
    mark(&mut page.items, &folded);
    if let Some(register) = &folded.record.record().state.register {
        let shown = [disclosed(register, record, &folded, &page.items)];
        disclose(&state, &acting, &Purpose::default(), Endpoint::History, &shown).await?;
    }
    Ok(Json(page))
}
