//! `POST /v1/account/search`: the records that concern the person who asks, by words.

use axum::Json;
use axum::extract::State;
use projections::search;

use super::records::{AccountRecordItem, shown};
use crate::accesses::{Endpoint, Purpose, disclose};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::{self, typed};
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page};
use crate::problem::{self, Problem, ProblemDocument};
use crate::routes::v1::search::SearchInput;

/// Searches the records that concern the person who asks, or for whom they act: by every text, date and number in their
/// content, and by the titles of registers. Ordered as `/v1/search` does. Names of others whom a record concerns do not
/// find it.
#[utoipa::path(post, path = "/v1/account/search", operation_id = "searchAccount", tag = "Account",
    security(("bearer" = [])),
    params(OnBehalfOf, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    request_body = SearchInput,
    responses(
        (status = 200, description = "A page of records", body = Page<AccountRecordItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn search_account(
    State(state): State<AppState>,
    acting: Acting,
    wait: WaitFor,
    extract::Json(body): extract::Json,
) -> Result<Json<Page<AccountRecordItem>>, Problem> {
    let input: SearchInput = typed(body)?;
    let knowledge = state.registry().knowledge();
    let (query, page) = (input.query()?, input.page()?);
    let scope = input.scope(&knowledge, |register| {
        let beyond = || Problem::new(problem::FORBIDDEN, "The record by which you act does not open this.");
        acting.sees(&register.slug).then_some(()).ok_or_else(beyond)
    })?;
    wait.hold(&state, "search").await?;
    wait.hold(&state, acting.projection()).await?;
    let (db, definitions) = (state.store().db(), &knowledge.definitions);
    let found = search::account_records(db, definitions, &query, &acting.holder(), &scope, &page).await?;
    let page = Page::of(found, AccountRecordItem::from);
    let shown = shown(&acting, &page.items)?;
    disclose(&state, &acting, &Purpose::default(), Endpoint::Search, &shown).await?;
    Ok(Json(page))
}
