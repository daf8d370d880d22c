//! `/v1/account/accesses`: who looked at what concerns the person, and what they ask about it.

mod access;
mod item;
mod list;
mod question;

pub use item::{AccessItem, current};
pub use question::{AccessStep, step, text};

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_account_accesses))
        .routes(routes!(access::get_account_access))
        .routes(routes!(question::question_account_access))
}
