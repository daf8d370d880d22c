//! `/v1/entries` and `/v1/events`: the entries of all registers, as they come.

pub mod entries;
pub mod events;
mod shown;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(entries::follow_entries)).routes(routes!(events::stream_events))
}
