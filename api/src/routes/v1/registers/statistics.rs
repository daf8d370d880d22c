//! `GET /v1/registers/{register}/statistics`: how many records there are in each status, and entries of each type.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::asof::AsOf;
use projections::view;
use proofs::slug::Slug;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::http::AppState;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::past;
use crate::problem::{self, Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::v1::registers::register::RegisterQuery;
use crate::routes::words::Title;

/// How many there are of one status or type.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountItem {
    /// The status or type.
    pub code: String,
    /// In words; null where the definition in force no longer has it.
    pub title: Option<Title>,
    /// How many.
    pub count: u64,
}

/// Counts of a register. Anyone could make them from the register's statements.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatisticsDocument {
    /// The register.
    pub register: String,
    /// Records by the status that they are in.
    pub by_status: Vec<CountItem>,
    /// Entries by their type.
    pub by_type: Vec<CountItem>,
}

/// Counts of the past that may be made at once: each goes over a whole register, and appends come first.
static COUNTING: Semaphore = Semaphore::const_new(2);

async fn counts(
    state: &AppState,
    knowledge: &Knowledge,
    register: &Slug,
    as_of: AsOf,
) -> Result<view::Counts, Problem> {
    let busy =
        || Problem::new(problem::OVERLOADED, "Counts of the past are being made for others.").retry_after(1);
    let _counting = COUNTING.try_acquire().map_err(|_| busy())?;
    let counts =
        projections::past::counts(state.store().db(), &knowledge.definitions, register, as_of).await?;
    counts.ok_or_else(|| {
        let most = projections::past::COUNT_STEPS_MAX;
        Problem::invalid(format!("A register of more than {most} entries is not counted as of a time."))
    })
}

/// Counts by status and by type, now or as of a time.
#[utoipa::path(get, path = "/v1/registers/{register}/statistics", operation_id = "getStatistics", tag = "Registers",
    params(
        ("register" = String, Path, description = "Slug of the register"),
        RegisterQuery,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "The counts", body = StatisticsDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_statistics(
    State(state): State<AppState>,
    Path(register): Path<String>,
    Query(query): Query<RegisterQuery>,
    wait: WaitFor,
) -> Result<Json<StatisticsDocument>, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let now = state.store().clock().now();
    let as_of = past::as_of(query.recorded_at.as_deref(), query.effective_at.as_deref(), now)?;
    let (definition, counts) = match as_of {
        None => {
            wait.hold(&state, "view").await?;
            let counts = view::counts(state.store().db(), &in_force.definition.slug).await?;
            (Arc::clone(&in_force.definition), counts)
        }
        Some(as_of) => {
            wait.hold(&state, "history").await?;
            let slug = &in_force.definition.slug;
            let then = past::register_at(state.store(), &knowledge, slug, as_of).await?;
            let then = then.ok_or_else(Problem::not_found)?;
            (Arc::clone(&then.definition), counts(&state, &knowledge, slug, as_of).await?)
        }
    };
    let status = |count: view::Count| CountItem {
        title: definition.status(&count.code).map(|rule| (&rule.title).into()),
        code: count.code,
        count: count.n,
    };
    let entry_type = |count: view::Count| CountItem {
        title: definition.entry_type(&count.code).map(|rule| (&rule.title).into()),
        code: count.code,
        count: count.n,
    };
    Ok(Json(StatisticsDocument {
        register: definition.slug.to_string(),
        by_status: counts.by_status.into_iter().map(status).collect(),
        by_type: counts.by_type.into_iter().map(entry_type).collect(),
    }))
}
