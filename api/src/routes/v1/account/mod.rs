//! `/v1/account`: what concerns the person who asks. Offers, notices to be read and the log of accesses will stand here too.

mod overview;
mod record;
mod records;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(overview::get_account))
        .routes(routes!(records::list_account_records))
        .routes(routes!(record::get_account_record))
        .routes(routes!(record::get_account_record_history))
}
