//! `/v1/account`: what concerns the person who asks. Offers, notices to be read and the log of accesses will stand here too.

mod overview;
mod record;
mod records;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::problem::{self, Problem};

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(overview::get_account))
        .routes(routes!(records::list_account_records))
        .routes(routes!(record::get_account_record))
        .routes(routes!(record::get_account_record_history))
}

/// The person whose account it is: the citizen who asks, and nobody else.
fn owner(caller: &Caller) -> Result<Uuid, Problem> {
    match caller.principal {
        Principal::Citizen { person } => Ok(person),
        _ => Err(Problem::new(
            problem::FORBIDDEN,
            "An account is read by the person whose it is, as a citizen.",
        )),
    }
}
