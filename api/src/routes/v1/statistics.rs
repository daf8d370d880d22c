//! `GET /v1/statistics`: counts of entries and records, open to everyone.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use domain::definition::Definition;
use projections::statistics::{By, Region};
use projections::view;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::AppState;
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::Title;

/// Rows of a table at most: some 4 MB of JSON.
pub const ROWS_MAX: usize = 20_000;

/// Shared caches keep a table so long: figures by region change once a month, others with every entry.
const CACHED: &str = "public, max-age=60";

/// Which counts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatisticsQuery {
    /// Of this register; of all when nothing is said.
    pub register: Option<String>,
    /// By what, with commas between: `register`, `type`, `month`, `region` count entries; `register`, `status` count
    /// records. By register when nothing is said, or by type where a register is named.
    pub by: Option<String>,
}

/// A count.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct StatisticsRow {
    /// The register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
    /// What the register is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register_title: Option<Title>,
    /// The type of entries.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub entry_type: Option<String>,
    /// The type in words, where the row is of one register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_title: Option<Title>,
    /// The status of records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The status in words, where the row is of one register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_title: Option<Title>,
    /// The month of recording, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    /// The region, as entries name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// True of the sum of all regions that are not told by name, and of what is of no known region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_regions: Option<bool>,
    /// How many.
    pub count: u64,
}

/// A table of counts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StatisticsTable {
    /// What is counted: `entries` or `records`.
    pub counted: &'static str,
    /// By what.
    pub by: Vec<&'static str>,
    /// Of a table by region, the last month that is counted: the last that is over. Null when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Option<String>>,
    /// Of a table by region, how many people a group has at least that is told by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// The counts; what there is none of has no row.
    pub rows: Vec<StatisticsRow>,
}

/// By what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Entries.
    Entries(By),
    /// Records by status, and by register or not.
    Records {
        /// By register too?
        register: bool,
    },
}

/// Counts for everyone. By region no small group is given away: see `threshold` and `other_regions`.
#[utoipa::path(get, path = "/v1/statistics", operation_id = "getOpenStatistics", tag = "Statistics",
    params(StatisticsQuery, ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "The counts", body = StatisticsTable),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_statistics(
    State(state): State<AppState>,
    Query(query): Query<StatisticsQuery>,
    wait: WaitFor,
) -> Result<Response, Problem> {
    let asked = asked(&query)?;
    let (knowledge, register) = match &query.register {
        Some(register) => {
            let (knowledge, found) = state.register(register).await?;
            (knowledge, Some(found.definition.slug.clone()))
        }
        None => (state.registry().knowledge(), None),
    };
    wait.hold(&state, if matches!(asked, Asked::Entries(_)) { "statistics" } else { "view" }).await?;
    let table = table(&state, &knowledge, register.as_ref(), asked).await?;
    let mut response = Json(table).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    Ok(response)
}

/// By what is asked.
fn asked(query: &StatisticsQuery) -> Result<Asked, Problem> {
    let default = if query.register.is_some() { "type" } else { "register" };
    let names: Vec<&str> = query.by.as_deref().unwrap_or(default).split(',').collect();
    let set: BTreeSet<&str> = names.iter().copied().collect();
    let known = ["register", "type", "status", "month", "region"];
    if set.len() != names.len() || !set.iter().all(|name| known.contains(name)) {
        return Err(Problem::invalid(format!(
            "`by` is of {}, each once, with commas between.",
            known.join(", ")
        )));
    }
    let has = |name| set.contains(name);
    if !has("status") {
        let by = By {
            register: has("register"),
            entry_type: has("type"),
            month: has("month"),
            region: has("region"),
        };
        return Ok(Asked::Entries(by));
    }
    if has("type") || has("month") || has("region") {
        return Err(Problem::invalid(
            "Records are counted by `status`, entries by `type`, `month` and `region`: these do not go together. By \
             region, a change from one day to the next would tell of single records.",
        ));
    }
    Ok(Asked::Records { register: has("register") })
}

/// A table with its words.
pub async fn table(
    state: &AppState,
    knowledge: &Knowledge,
    register: Option<&Slug>,
    asked: Asked,
) -> Result<StatisticsTable, Problem> {
    let words = Words { knowledge, register };
    let table = match asked {
        Asked::Entries(by) => entries(state, &words, by).await?,
        Asked::Records { register } => records(state, &words, register).await?,
    };
    if table.rows.len() > ROWS_MAX {
        let detail = format!("This table has more than {ROWS_MAX} rows. Name a register, or count by less.");
        return Err(Problem::invalid(detail));
    }
    Ok(table)
}

async fn entries(state: &AppState, words: &Words<'_>, by: By) -> Result<StatisticsTable, Problem> {
    let tables = state.statistics();
    let found = tables.table(state.store(), words.register, by).await?;
    let row = |count: &projections::statistics::Count| {
        let (region, other_regions) = match &count.region {
            Some(Region::Named(region)) => (Some(region.clone()), None),
            Some(Region::Other) => (None, Some(true)),
            None => (None, None),
        };
        let definition = words.definition(count.register.as_deref());
        let rule = count.entry_type.as_deref().zip(definition.as_deref());
        StatisticsRow {
            register: count.register.clone(),
            register_title: count
                .register
                .as_ref()
                .and(definition.as_deref())
                .map(|found| (&found.title).into()),
            type_title: rule.and_then(|(name, found)| Some((&found.entry_type(name)?.title).into())),
            entry_type: count.entry_type.clone(),
            month: count.month.clone(),
            region,
            other_regions,
            count: count.entries,
            ..StatisticsRow::default()
        }
    };
    let by_names =
        [("register", by.register), ("type", by.entry_type), ("month", by.month), ("region", by.region)];
    Ok(StatisticsTable {
        counted: "entries",
        by: by_names.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect(),
        until: by.region.then(|| found.until.clone()),
        threshold: by.region.then(|| tables.threshold()),
        rows: found.rows.iter().take(ROWS_MAX + 1).map(row).collect(),
    })
}

async fn records(state: &AppState, words: &Words<'_>, by_register: bool) -> Result<StatisticsTable, Problem> {
    let found = view::by_status(state.store().db(), words.register, by_register).await?;
    let row = |count: view::StatusCount| {
        let definition = words.definition(count.register.as_deref());
        let rule = definition.as_deref().and_then(|found| found.status(&count.status));
        StatisticsRow {
            register_title: count
                .register
                .as_ref()
                .and(definition.as_deref())
                .map(|found| (&found.title).into()),
            register: count.register,
            status_title: rule.map(|rule| (&rule.title).into()),
            status: Some(count.status),
            count: count.n,
            ..StatisticsRow::default()
        }
    };
    Ok(StatisticsTable {
        counted: "records",
        by: if by_register { vec!["register", "status"] } else { vec!["status"] },
        until: None,
        threshold: None,
        rows: found.into_iter().map(row).collect(),
    })
}

/// What gives rows their words: the definition of the one register that a row is of.
struct Words<'a> {
    knowledge: &'a Knowledge,
    register: Option<&'a Slug>,
}

impl Words<'_> {
    fn definition(&self, row: Option<&str>) -> Option<Arc<Definition>> {
        let slug = match row {
            Some(row) => row.parse().ok()?,
            None => self.register?.clone(),
        };
        self.knowledge.definitions.current(&slug).map(|found| Arc::clone(&found.definition))
    }
}
