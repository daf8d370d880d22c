//! `/v1/departments`: who keeps the registers, and with which keys.

mod answer;
mod directory;
mod keys;
mod tasks;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(directory::list_departments))
        .routes(routes!(directory::get_department))
        .routes(routes!(keys::get_department_keys))
        .routes(routes!(answer::answer_access))
        .merge(tasks::router())
}
