//! `POST /v1/search`: the records of a department's registers, by words.

use axum::Json;
use axum::extract::State;
use domain::definition::{Definition, Visibility};
use projections::search::{self, Query, Scope};
use projections::view;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::registers::records::list::RecordItem;
use crate::accesses::{Endpoint, Look, Purpose};
use crate::auth::{Caller, Principal};
use crate::http::extract::{self, typed};
use crate::http::wait::WaitFor;
use crate::http::{AppState, Page, PageQuery};
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::Title;

/// What is looked for. It travels in a body, because words that name people stand in no URL and no log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchInput {
    /// Words that all must be found, in any of their forms; `"as written"`, `begin*`, `-without`. A number is found with
    /// any punctuation.
    pub query: String,
    /// In these registers; in all that may be searched when nothing is said.
    pub registers: Option<Vec<String>>,
    /// Among records in this status.
    pub status: Option<String>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

impl SearchInput {
    /// The question.
    pub fn query(&self) -> Result<Query, Problem> {
        Query::parse(&self.query)
            .map_err(|error| at("/query", problem::sentence(&format!("`query` is no question: {error}"))))
    }

    /// Where is looked, of what may be: `may` says it of a register, or why not.
    pub fn scope(
        &self,
        knowledge: &Knowledge,
        may: impl Fn(&Definition) -> Result<(), Problem>,
    ) -> Result<Scope, Problem> {
        let status = self.status.clone();
        // PostgreSQL refuses the parameter; no status has it.
        if status.as_ref().is_some_and(|status| status.contains('\0')) {
            return Err(at("/status", "No status has this name.".to_owned()));
        }
        let Some(named) = &self.registers else {
            let all = knowledge.definitions.iter().map(|found| &found.definition);
            let registers = all.filter(|register| may(register).is_ok()).map(|found| found.slug.clone());
            return Ok(Scope { registers: registers.collect(), status });
        };
        let mut registers: Vec<Slug> = Vec::new();
        for (place, name) in named.iter().enumerate() {
            let found = name.parse().ok().and_then(|slug| knowledge.definitions.current(&slug));
            let Some(found) = found else {
                return Err(at(&format!("/registers/{place}"), "No register has this name.".to_owned()));
            };
            may(&found.definition)?;
            if !registers.contains(&found.definition.slug) {
                registers.push(found.definition.slug.clone());
            }
        }
        Ok(Scope { registers, status })
    }

    /// Which page.
    pub fn page(&self) -> Result<projections::PageRequest, Problem> {
        PageQuery { cursor: self.cursor.clone(), limit: self.limit }.request()
    }
}

fn at(pointer: &str, detail: String) -> Problem {
    let errors = vec![Pointed { pointer: pointer.to_owned(), detail: detail.clone() }];
    Problem::invalid(detail).with_errors(errors)
}

/// A record that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundItem {
    /// The record.
    #[serde(flatten)]
    pub item: RecordItem,
    /// What its register is called.
    pub register_title: Title,
}

impl From<view::ViewRecord> for FoundItem {
    fn from(record: view::ViewRecord) -> Self {
        let register_title = (&record.named.register).into();
        Self { item: record.into(), register_title }
    }
}

/// Searches the registers of the official's or system's department; for an auditor, those whose bodies the token opens.
///
/// A record is found by every text, date and number in its content, the title of its register, and the names, SNILS and
/// INN of the persons whom it concerns. First comes the record whose official number is the whole query, then those with
/// the words as written, then the others; in each the newest first.
#[utoipa::path(post, path = "/v1/search", operation_id = "search", tag = "Search",
    security(("bearer" = [])),
    params(
        Purpose,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    request_body = SearchInput,
    responses(
        (status = 200, description = "A page of records", body = Page<FoundItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn search(
    State(state): State<AppState>,
    caller: Caller,
    purpose: Purpose,
    wait: WaitFor,
    extract::Json(body): extract::Json,
) -> Result<Json<Page<FoundItem>>, Problem> {
    searches(&caller.principal)?;
    let input: SearchInput = typed(body)?;
    let knowledge = state.registry().knowledge();
    let (query, page) = (input.query()?, input.page()?);
    let scope = input.scope(&knowledge, |register| may(&caller.principal, register))?;
    if scope.registers.is_empty() {
        return Err(Problem::new(problem::FORBIDDEN, "There is no register that this token may search."));
    }
    let look = Look::new(&caller, &purpose, Endpoint::Search);
    let public = |register: &Slug| {
        let current = knowledge.definitions.current(register);
        current.is_some_and(|current| current.definition.visibility == Visibility::Public)
    };
    if !scope.registers.iter().all(public) {
        look.said()?;
    }
    wait.hold(&state, "search").await?;
    wait.hold(&state, "view").await?;
    let found = search::records(state.store().db(), &knowledge.definitions, &query, &scope, &page).await?;
    for register in &scope.registers {
        let of = found.items.iter().filter(|item| item.register == *register).map(|item| item.record);
        look.records(&state, &knowledge, register, of).await?;
    }
    Ok(Json(Page::of(found, FoundItem::from)))
}

/// Whose work is to search.
fn searches(principal: &Principal) -> Result<(), Problem> {
    match principal {
        Principal::Official { .. } | Principal::Department { .. } | Principal::Auditor { .. } => Ok(()),
        Principal::Citizen { .. } => Err(Problem::new(
            problem::FORBIDDEN,
            "Departments search their registers here; what concerns oneself is found at /v1/account/search.",
        )),
        _ => Err(Problem::new(problem::FORBIDDEN, "This token is not for searching in registers.")),
    }
}

/// A department searches what it keeps, though others' public registers are open to it by other ways: search is for work.
fn may(principal: &Principal, register: &Definition) -> Result<(), Problem> {
    let theirs = match principal {
        Principal::Official { department, .. } | Principal::Department { department } => {
            register.owner == *department
        }
        Principal::Auditor { bodies } => bodies.include(&register.slug),
        _ => false,
    };
    if theirs {
        return Ok(());
    }
    let detail = format!("{} may not be searched with this token.", register.slug);
    Err(Problem::new(problem::FORBIDDEN, detail))
}
