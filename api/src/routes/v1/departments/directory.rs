//! `GET /v1/departments` and `GET /v1/departments/{department}`.

use axum::Json;
use axum::extract::State;
use domain::departments::DepartmentState;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::extract::Path;
use crate::http::{AppState, Page};
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::Title;

/// A department.
#[derive(Debug, Serialize, ToSchema)]
pub struct DepartmentItem {
    /// Its name in URLs and statements.
    pub slug: String,
    /// What it is called.
    pub title: Title,
    /// federal, regional or municipal.
    pub level: String,
    /// Taxpayer's number.
    pub inn: Option<String>,
    /// Number in the register of legal entities.
    pub ogrn: Option<String>,
    /// Is it abolished?
    pub abolished: bool,
    /// The registers that it owns.
    pub registers: Vec<String>,
}

/// A department with all keys that it ever had.
#[derive(Debug, Serialize, ToSchema)]
pub struct DepartmentDocument {
    /// In short.
    #[serde(flatten)]
    pub item: DepartmentItem,
    /// Its record in `departments`.
    pub record: Uuid,
    /// The version of that record.
    pub version: u64,
    /// Its keys, in the order of enrolment.
    pub keys: Vec<KeyItem>,
}

/// A key, and when it is in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyItem {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// When its enrolment was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub enrolled_at: Timestamp,
    /// When its revocation was recorded; null while it is in force.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

impl DepartmentItem {
    fn of(state: &DepartmentState, knowledge: &Knowledge) -> Self {
        let owned = knowledge.definitions.owned_by(&state.slug);
        Self {
            slug: state.slug.to_string(),
            title: (&state.title).into(),
            level: state.level.clone(),
            inn: state.inn.clone(),
            ogrn: state.ogrn.clone(),
            abolished: state.abolished,
            registers: owned.map(|in_force| in_force.definition.slug.to_string()).collect(),
        }
    }
}

/// All departments, at once.
#[utoipa::path(get, path = "/v1/departments", operation_id = "listDepartments", tag = "Departments",
    responses(
        (status = 200, description = "All departments; `next` is always null", body = Page<DepartmentItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_departments(State(state): State<AppState>) -> Result<Json<Page<DepartmentItem>>, Problem> {
    let knowledge = state.registry().refresh().await?;
    let items = knowledge.departments.iter().map(|department| DepartmentItem::of(department, &knowledge));
    Ok(Json(Page::all(items.collect())))
}

/// One department.
#[utoipa::path(get, path = "/v1/departments/{department}", operation_id = "getDepartment", tag = "Departments",
    params(("department" = String, Path, description = "Slug of the department")),
    responses(
        (status = 200, description = "The department", body = DepartmentDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_department(
    State(state): State<AppState>,
    Path(department): Path<String>,
) -> Result<Json<DepartmentDocument>, Problem> {
    let department: Slug = department.parse().map_err(|_| Problem::not_found())?;
    let knowledge = state.registry().refresh().await?;
    let found = knowledge.departments.get(&department).ok_or_else(Problem::not_found)?;
    let key = |term: &domain::departments::KeyTerm| KeyItem {
        kid: term.kid.to_string(),
        enrolled_at: term.enrolled_at,
        revoked_at: term.revoked_at,
    };
    Ok(Json(DepartmentDocument {
        item: DepartmentItem::of(found, &knowledge),
        record: found.record,
        version: found.version,
        keys: found.keys.iter().map(key).collect(),
    }))
}
