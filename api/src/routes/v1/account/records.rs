//! `GET /v1/account/records`: the records that concern the person who asks.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use projections::account;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::past::Asked;
use crate::accesses::{Disclosure, Endpoint, Looker, Purpose, disclose};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page, PageQuery};
use crate::past;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::{Changed, Title};

/// A record, as it concerns a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountRecordItem {
    /// The record.
    pub record: Uuid,
    /// Its register.
    #[schema(value_type = String)]
    pub register: SmolStr,
    /// What the register is called.
    pub register_title: Title,
    /// Where the account shows it.
    pub group: Option<&'static str>,
    /// The department that owns the register.
    #[schema(value_type = Option<String>)]
    pub department: Option<SmolStr>,
    /// In which roles it concerns the person.
    pub roles: Vec<String>,
    /// Its official number.
    pub number: Option<String>,
    /// Its status.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// Has it legal effect?
    pub in_force: bool,
    /// First day of validity.
    pub valid_from: Option<NaiveDate>,
    /// Last day of validity; null is indefinite.
    pub valid_until: Option<NaiveDate>,
    /// Its version.
    pub version: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// Its last entry.
    pub changed: Changed,
    /// When it ceased to concern the person; everything else is then as it was before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub former_since: Option<Timestamp>,
}

impl From<account::AccountRecord> for AccountRecordItem {
    fn from(record: account::AccountRecord) -> Self {
        Self {
            changed: Changed::of(record.changed, record.named.change),
            record: record.record,
            register: record.register.into(),
            register_title: record.named.register.into(),
            group: record.named.group.map(domain::definition::Group::as_str),
            department: record.named.department.map(SmolStr::from),
            roles: record.roles,
            number: record.number,
            status: record.status,
            status_title: record.named.status.into(),
            in_force: record.named.in_force,
            valid_from: record.validity.from,
            valid_until: record.validity.until,
            version: record.version,
            opened_at: record.opened.recorded_at,
            former_since: record.former.map(|former| former.recorded_at),
        }
    }
}

/// Which records.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    /// Of this group: transport, housing, health, …
    pub group: Option<String>,
    /// Of this register.
    pub register: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// That concern the person in this role.
    pub role: Option<String>,
    /// Only those that have legal effect, or that have none.
    pub in_force: Option<bool>,
    /// Also those that concern the person no longer.
    pub former: Option<bool>,
    /// What was recorded by then: a day (its end, UTC) or a moment, not in the future.
    pub recorded_at: Option<String>,
    /// What has effect by then: a day (its end, UTC) or a moment.
    pub effective_at: Option<String>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// A page of the records of whom someone acts for.
pub async fn read(
    state: &AppState,
    knowledge: &Knowledge,
    acting: &Acting,
    query: AccountQuery,
) -> Result<Page<AccountRecordItem>, Problem> {
    let group = query.group.map(|group| group.parse()).transpose();
    let register = query.register.map(|register| register.parse()).transpose();
    let filter = account::Filter {
        group: group.map_err(|error| Problem::invalid(format!("`group` is {error}.")))?,
        register: register.map_err(|_| Problem::invalid("`register` is no slug."))?,
        status: query.status,
        role: query.role,
        in_force: query.in_force,
        with_former: query.former.unwrap_or_default(),
        within: acting.within(),
    };
    let page = PageQuery { cursor: query.cursor, limit: query.limit }.request()?;
    let found =
        account::list(state.store().db(), &knowledge.definitions, acting.holder(), &filter, &page).await;
    Ok(Page::of(found?, AccountRecordItem::from))
}

/// What a page of someone's records shows of them.
pub fn shown(acting: &Acting, items: &[AccountRecordItem]) -> Result<Vec<Disclosure>, Problem> {
    // To read one's own account is no access.
    if Looker::from(acting) == Looker::Free {
        return Ok(Vec::new());
    }
    let of = |item: &AccountRecordItem| {
        let register = item.register.parse().map_err(|error| Problem::internal(&error))?;
        Ok(Disclosure::new(&register, item.record, acting.person().into_iter().collect()))
    };
    items.iter().map(of).collect()
}

/// The records that concern the person who asks, the newest first; or that concerned them as of a time. A page of the past may
/// hold fewer records than asked for, even none, and yet have a next.
#[utoipa::path(get, path = "/v1/account/records", operation_id = "listAccountRecords", tag = "Account",
    security(("bearer" = [])),
    params(AccountQuery, OnBehalfOf, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "A page of records", body = Page<AccountRecordItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_account_records(
    State(state): State<AppState>,
    acting: Acting,
    Query(query): Query<AccountQuery>,
    wait: WaitFor,
) -> Result<Json<Page<AccountRecordItem>>, Problem> {
    wait.hold(&state, acting.projection()).await?;
    let knowledge = state.registry().knowledge();
    let now = state.store().clock().now();
    if let Some(as_of) = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)? {
        let asked = Asked { knowledge: &knowledge, acting: &acting, as_of };
        return Ok(Json(asked.records(&state, query).await?));
    }
    let page = read(&state, &knowledge, &acting, query).await?;
    let shown = shown(&acting, &page.items)?;
    disclose(&state, &acting, &Purpose::default(), Endpoint::Account, &shown).await?;
    Ok(Json(page))
}
