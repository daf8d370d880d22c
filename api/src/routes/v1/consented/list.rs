//! `GET /v1/consented/records`: the records that a person's consent opens.

use axum::Json;
use axum::extract::State;
use domain::platform::PERSONS;
use projections::account;

use super::{consent, looker};
use crate::accesses::{self, Disclosure, Purpose, disclose, of_folded};
use crate::auth::Caller;
use crate::consents::Consent;
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::http::{AppState, Page, PageQuery};
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::v1::account::records::AccountRecordItem;

/// The records that the consent opens: first those chosen one by one, then those of whole registers, the newest first.
#[utoipa::path(get, path = "/v1/consented/records", operation_id = "listConsentedRecords", tag = "Consent",
    security(("bearer" = [])),
    params(PageQuery, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "A page of records", body = Page<AccountRecordItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_consented_records(
    State(state): State<AppState>,
    caller: Caller,
    Query(page): Query<PageQuery>,
    wait: WaitFor,
) -> Result<Json<Page<AccountRecordItem>>, Problem> {
    let consent = consent(&state, &caller).await?;
    wait.hold(&state, "account").await?;
    let knowledge = state.registry().knowledge();
    let page = read(&state, &knowledge, &consent, page).await?;
    let of = |item: &AccountRecordItem| {
        let register = item.register.parse().map_err(|error| Problem::internal(&error))?;
        Ok(Disclosure::new(&register, item.record, vec![consent.person]))
    };
    let mut shown = page.items.iter().map(of).collect::<Result<Vec<_>, Problem>>()?;
    // Whoever else is in one learns that its number was read.
    let records = shown.iter().map(|one| one.record).collect();
    let folded = accesses::folded(state.store(), &knowledge, records).await?;
    let others = |one: &Disclosure| Some(of_folded(&one.register, one.record, folded.get(&one.record)?));
    shown.extend(shown.iter().filter_map(others).collect::<Vec<_>>());
    disclose(&state, looker(&consent), &Purpose::default(), super::ENDPOINT, &shown).await?;
    Ok(Json(page))
}

async fn read(
    state: &AppState,
    knowledge: &Knowledge,
    consent: &Consent,
    query: PageQuery,
) -> Result<Page<AccountRecordItem>, Problem> {
    let db = state.store().db();
    let first = query.cursor.as_ref().is_none_or(String::is_empty);
    let filter = account::Filter { within: Some(consent.registers.clone()), ..account::Filter::default() };
    let whole = account::list(db, &knowledge.definitions, consent.person, &filter, &query.request()?).await?;
    let mut page = Page::of(whole, AccountRecordItem::from);
    // A person's own record is in no list of what concerns them, and is asked for by its name: the person's.
    let single = consent.records.iter().filter(|_| first);
    let mut items = Vec::new();
    for record in single {
        let found = account::record(db, &knowledge.definitions, consent.person, *record).await?;
        let found =
            found.filter(|found| found.former.is_none() && !consent.registers.contains(&found.register));
        items.extend(found.filter(|found| found.register != *PERSONS).map(AccountRecordItem::from));
    }
    items.append(&mut page.items);
    Ok(Page { items, next: page.next })
}
