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
        // In office a person is not who they are at home: what concerns them is not their department's affair.
        Principal::Official { .. } => Err(Problem::new(
            problem::FORBIDDEN,
            "This token is for work in a department. Officials read their own account with a citizen's token.",
        )),
        _ => Err(Problem::new(
            problem::FORBIDDEN,
            "An account belongs to a person, who reads it with a citizen's token; this token stands for none.",
        )),
    }
}
