//! `GET /v1/account/records/{record}` and its history: one of the records that concern the person who asks.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use projections::account;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::records::AccountRecordItem;
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page, PageQuery};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::v1::registers::records::history::{HistoryStep, disclosed, steps};
use crate::routes::v1::registers::records::record::fold;

/// A record that concerns the person, with its content.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountRecordDocument {
    /// Status, number, term, roles.
    #[serde(flatten)]
    pub item: AccountRecordItem,
    /// What its entries say of it; null when it concerns the person no longer.
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
}

/// One record of the person who asks. One that never concerned them is answered as one that does not exist.
#[utoipa::path(get, path = "/v1/account/records/{record}", operation_id = "getAccountRecord", tag = "Account",
    security(("bearer" = [])),
    params(
        ("record" = Uuid, Path, description = "The record"),
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
    wait: WaitFor,
) -> Result<Json<AccountRecordDocument>, Problem> {
    let person = acting.person()?;
    wait.hold(&state, "account").await?;
    let knowledge = state.registry().knowledge();
    let found = account::record(state.store().db(), &knowledge.definitions, person, record).await;
    let found = found?.ok_or_else(Problem::not_found)?;
    let found_in = found.register.clone();
    let item: AccountRecordItem = found.into();
    // Whom it concerns now is asked of the entries: the projection may be a moment behind.
    let folded = fold(&state, &knowledge, record).await?;
    let concerned = folded.steps.last().is_some_and(|step| step.persons.contains(&person));
    let shown = [Disclosure::new(&found_in, record, vec![person])];
    disclose(&state, &acting, &Purpose::default(), Endpoint::Account, &shown).await?;
    let content = concerned.then(|| folded.record.record().content.to_json());
    Ok(Json(AccountRecordDocument { item, content }))
}

/// The steps of one record of the person who asks, the first first.
#[utoipa::path(get, path = "/v1/account/records/{record}/history", operation_id = "getAccountRecordHistory", tag = "Account",
    security(("bearer" = [])),
    params(
        ("record" = Uuid, Path, description = "The record"),
        PageQuery,
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
    Query(page): Query<PageQuery>,
    wait: WaitFor,
) -> Result<Json<Page<HistoryStep>>, Problem> {
    let person = acting.person()?;
    let knowledge = state.registry().knowledge();
    let folded = fold(&state, &knowledge, record).await?;
    let concerned =
        folded.steps.iter().filter(|step| step.persons.contains(&person)).map(|step| step.version);
    let seen: BTreeSet<u64> = concerned.collect();
    if seen.is_empty() {
        return Err(Problem::not_found());
    }
    wait.hold(&state, "history").await?;
    let page = steps(&state, &knowledge, record, &seen, page).await?;
    if let Some(register) = &folded.record.record().state.register {
        let shown = [disclosed(register, record, &folded, &page.items)];
        disclose(&state, &acting, &Purpose::default(), Endpoint::History, &shown).await?;
    }
    Ok(Json(page))
}
