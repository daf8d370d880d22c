//! `POST /v1/account/search`: the records that concern the person who asks, by words.

use axum::Json;
use axum::extract::State;
use projections::account::Holder;
use projections::search;

use super::records::AccountRecordItem;
use crate::accesses::{Endpoint, Look, Purpose};
use crate::http::acting::Whom;
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
    params(("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    request_body = SearchInput,
    responses(
        (status = 200, description = "A page of records", body = Page<AccountRecordItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn search_account(
    State(state): State<AppState>,
    acting: Acting,
    purpose: Purpose,
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
    let (holder, projection) = match &acting.whom {
        Whom::Person(person) => (Holder::Person(*person), "account"),
        Whom::Organisation { ogrn } => (Holder::Organisation(ogrn.clone()), "organisations"),
    };
    wait.hold(&state, "search").await?;
    wait.hold(&state, projection).await?;
    let (db, definitions) = (state.store().db(), &knowledge.definitions);
    let found = search::account_records(db, definitions, &query, &holder, &scope, &page).await?;
    let look = Look::new(&acting, &purpose, Endpoint::Search);
    for register in &scope.registers {
        let of = found.items.iter().filter(|item| item.register == *register).map(|item| item.record);
        look.records(&state, &knowledge, register, of).await?;
    }
    Ok(Json(Page::of(found, AccountRecordItem::from)))
}
