//! `GET /v1/registers/{register}/statistics`: how many records there are in each status, and entries of each type.

use axum::Json;
use axum::extract::State;
use projections::view;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::AppState;
use crate::http::extract::Path;
use crate::http::wait::WaitFor;
use crate::problem::{Problem, ProblemDocument};
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

/// Counts by status and by type.
#[utoipa::path(get, path = "/v1/registers/{register}/statistics", operation_id = "getStatistics", tag = "Registers",
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same"),
    ),
    responses(
        (status = 200, description = "The counts", body = StatisticsDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_statistics(
    State(state): State<AppState>,
    Path(register): Path<String>,
    wait: WaitFor,
) -> Result<Json<StatisticsDocument>, Problem> {
    let (_, in_force) = state.register(&register).await?;
    let definition = &in_force.definition;
    wait.hold(&state, "view").await?;
    let counts = view::counts(state.store().db(), &definition.slug).await?;
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
