//! `GET /v1/departments/{department}/tasks`: what waits for a department.

use axum::Json;
use axum::extract::State;
use projections::tasks;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::department;
use crate::auth::Caller;
use crate::http::extract::{Path, Query};
use crate::http::wait::WaitFor;
use crate::http::{AppState, Page, PageQuery};
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::{Title, status_title};

/// Something that waits for a department. Whom it concerns is in the task itself, whose reading is an access.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskItem {
    /// The record.
    pub record: Uuid,
    /// `requests`: someone asks for a service; `offers`: something provided or to be provided needs a decision;
    /// `accesses`: someone asks why it was looked at what concerns them.
    pub register: String,
    /// The service asked for.
    pub service: Option<String>,
    /// What it is about.
    pub title: Option<Title>,
    /// The record's status.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// The record's version, for `If-Match`.
    pub version: u64,
    /// Since when it waits.
    #[schema(value_type = String, format = DateTime)]
    pub waiting_since: Timestamp,
}

impl TaskItem {
    /// With the words for it.
    pub fn of(task: tasks::Task, knowledge: &Knowledge) -> Self {
        Self {
            record: task.record,
            status_title: status_title(knowledge, task.register.as_str(), &task.status),
            register: task.register.to_string(),
            service: task.service,
            title: task.title.as_ref().map(Title::from),
            status: task.status,
            version: task.version,
            waiting_since: task.since,
        }
    }
}

/// Which tasks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TasksQuery {
    /// Of this register: `requests`, `offers` or `accesses`.
    pub register: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// What waits for a department, the longest waiting first.
#[utoipa::path(get, path = "/v1/departments/{department}/tasks", operation_id = "listTasks", tag = "Departments",
    security(("bearer" = [])),
    params(("department" = String, Path, description = "Slug of the department"), TasksQuery,
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "A page of tasks", body = Page<TaskItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_tasks(
    State(state): State<AppState>,
    caller: Caller,
    Path(slug): Path<String>,
    Query(query): Query<TasksQuery>,
    wait: WaitFor,
) -> Result<Json<Page<TaskItem>>, Problem> {
    let department = department(&caller, &slug)?;
    wait.hold(&state, "tasks").await?;
    let register = query.register.map(|register| register.parse()).transpose();
    let filter = tasks::Filter {
        register: register.map_err(|_| Problem::invalid("`register` is no slug."))?,
        status: query.status,
    };
    let page = PageQuery { cursor: query.cursor, limit: query.limit }.request()?;
    let found = tasks::list(state.store().db(), &department, &filter, &page).await?;
    let knowledge = state.registry().knowledge();
    Ok(Json(Page::of(found, |task| TaskItem::of(task, &knowledge))))
}
