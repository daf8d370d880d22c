//! `/v1/account`: what concerns the person who asks. Offers, notices to be read and the log of accesses will stand here too.

pub mod accesses;
mod consents;
mod notifications;
mod offers;
mod overview;
mod past;
mod proposals;
mod receipt;
mod record;
pub mod records;
mod represented;
mod requests;
mod search;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::limits::LOOKUP_BYTES_MAX;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(overview::get_account))
        .routes(routes!(records::list_account_records))
        .routes(routes!(represented::list_represented))
        .routes(routes!(consents::list_consents))
        .routes(routes!(consents::withdraw_consent))
        .routes(routes!(record::get_account_record))
        .routes(routes!(record::get_account_record_history))
        .routes(routes!(receipt::get_account_receipt))
        .merge(accesses::router())
        .merge(offers::router())
        .routes(routes!(requests::withdraw_request))
        .routes(routes!(notifications::get_notification_settings, notifications::put_notification_settings))
        .routes(routes!(proposals::get_proposal_settings, proposals::put_proposal_settings))
        .routes(routes!(search::search_account).layer(DefaultBodyLimit::max(LOOKUP_BYTES_MAX)))
}
