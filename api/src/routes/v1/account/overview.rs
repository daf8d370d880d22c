//! `GET /v1/account`: the person's profile, what they hold by group, and the first of their records.

use axum::Json;
use axum::extract::State;
use projections::account;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::past::Asked;
use super::records::{AccountQuery, AccountRecordItem, read, shown};
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState};
use crate::past::{self, AsOfItem};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::words::Title;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountDocument {
    /// The person: their record in `persons`; null in an organisation's account.
    pub person: Option<Uuid>,
    /// The organisation's number in the register of legal entities; null in a person's account.
    pub organisation: Option<String>,
    /// Name and the rest, as `persons` has it; null before it is known.
    #[schema(value_type = Option<Object>)]
    pub profile: Option<Value>,
    /// What the person holds, grouped as they would look for it.
    pub groups: Vec<GroupItem>,
    /// Records, the newest first, narrowed by the same filters as `/v1/account/records`.
    pub items: Vec<AccountRecordItem>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
    /// As of when, where a time was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOfItem>,
}

/// A group of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupItem {
    /// The group.
    pub group: String,
    /// Its registers that hold something about the person.
    pub registers: Vec<GroupRegister>,
}

/// How many records of one register concern the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupRegister {
    /// The register.
    pub register: String,
    /// What it is called.
    pub title: Title,
    /// Records in any status.
    pub records: u64,
    /// Of them those in force.
    pub in_force: u64,
}

/// The account of the person who asks, now or as of a time.
#[utoipa::path(get, path = "/v1/account", operation_id = "getAccount", tag = "Account",
    security(("bearer" = [])),
    params(AccountQuery, OnBehalfOf, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "The account", body = AccountDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_account(
    State(state): State<AppState>,
    acting: Acting,
    Query(query): Query<AccountQuery>,
    wait: WaitFor,
) -> Result<Json<AccountDocument>, Problem> {
    wait.hold(&state, acting.projection()).await?;
    let knowledge = state.registry().knowledge();
    let now = state.store().clock().now();
    if let Some(as_of) = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)? {
        let asked = Asked { knowledge: &knowledge, acting: &acting, as_of };
        return Ok(Json(asked.account(&state, query).await?));
    }
    let db = state.store().db();
    let persons = domain::platform::PERSONS.parse().map_err(|error| Problem::internal(&error))?;
    let person = acting.person().ok();
    let profile = match person.filter(|_| acting.sees(&persons)) {
        Some(person) => account::profile(db, person).await?,
        None => None,
    };
    let mut counts = account::overview(db, &knowledge.definitions, acting.holder()).await?;
    counts.retain(|count| acting.sees(&count.register));
    let page = read(&state, &knowledge, &acting, query).await?;
    let mut shown = shown(&acting, &page.items)?;
    if let (Some(_), Some(person)) = (&profile, person) {
        shown.push(Disclosure::new(&persons, person, vec![person]));
    }
    disclose(&state, &acting, &Purpose::default(), Endpoint::Account, &shown).await?;
    Ok(Json(AccountDocument {
        person,
        organisation: acting.organisation().map(str::to_owned),
        profile: profile.map(|profile| profile.content),
        groups: groups(counts),
        items: page.items,
        next: page.next,
        as_of: None,
    }))
}

/// Counts come by group and register; those of one group stand together.
pub(super) fn groups(counts: Vec<account::GroupCount>) -> Vec<GroupItem> {
    let mut groups: Vec<GroupItem> = Vec::new();
    for count in counts {
        let name = count.group.map_or("other", |group| group.as_str());
        let register = GroupRegister {
            register: count.register.to_string(),
            title: (&count.title).into(),
            records: count.records,
            in_force: count.in_force,
        };
        match groups.iter_mut().find(|group| group.group == name) {
            Some(group) => group.registers.push(register),
            None => groups.push(GroupItem { group: name.to_owned(), registers: vec![register] }),
        }
    }
    groups
}
