//! `GET /v1/account/accesses`: who looked at what concerns the person.

use axum::Json;
use axum::extract::State;
use domain::platform::ACCESSES;
use projections::accesses;

use super::AccessItem;
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page, PageQuery};
use crate::problem::{Problem, ProblemDocument};

/// Who looked at what concerns the person, the last first: who, for whom, when, at which records, what for and by which law.
#[utoipa::path(get, path = "/v1/account/accesses", operation_id = "listAccountAccesses", tag = "Account",
    security(("bearer" = [])),
    params(PageQuery, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "A page of accesses", body = Page<AccessItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_account_accesses(
    State(state): State<AppState>,
    acting: Acting,
    Query(page): Query<PageQuery>,
    wait: WaitFor,
) -> Result<Json<Page<AccessItem>>, Problem> {
    let person = acting.person()?;
    let register = ACCESSES.parse().map_err(|error| Problem::internal(&error))?;
    if !acting.sees(&register) {
        return Err(Problem::not_found());
    }
    wait.hold(&state, "accesses").await?;
    let found = accesses::list(state.store().db(), person, &page.request()?).await?;
    let of = |access: &accesses::Access| Disclosure::new(&register, access.record, vec![person]);
    let shown: Vec<Disclosure> = found.items.iter().map(of).collect();
    disclose(&state, &acting, &Purpose::default(), Endpoint::Accesses, &shown).await?;
    let knowledge = state.registry().knowledge();
    Ok(Json(Page::of(found, |access| AccessItem::of(access, &knowledge))))
}
