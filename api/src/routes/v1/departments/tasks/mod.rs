//! `/v1/departments/{department}/tasks`: what waits for a department, and what its officials do about it.

mod act;
mod list;
mod task;

use proofs::slug::Slug;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::problem::{self, Problem};

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list_tasks)).routes(routes!(task::get_task, act::act_on_task))
}

/// The department of the path, for whom the caller works: its officials and systems, and for `platform` the operator.
fn department(caller: &Caller, slug: &str) -> Result<Slug, Problem> {
    let department: Slug = slug.parse().map_err(|_| Problem::not_found())?;
    let works = match &caller.principal {
        Principal::Official { department: of, .. } | Principal::Department { department: of } => {
            *of == department
        }
        Principal::Operator => department == *domain::platform::PLATFORM,
        _ => false,
    };
    if works {
        return Ok(department);
    }
    let detail = "What waits for a department is for its own officials and systems.";
    Err(Problem::new(problem::FORBIDDEN, detail))
}
