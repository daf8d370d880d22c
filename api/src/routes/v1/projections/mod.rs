//! `/v1/projections`: how far what is read is, and what an operator does about an entry that cannot be applied.

mod act;
pub mod list;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::problem::{self, Problem};

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_projections))
        .routes(routes!(act::retry_projection))
        .routes(routes!(act::skip_entry))
}

fn operator(caller: &Caller) -> Result<(), Problem> {
    match caller.principal {
        Principal::Operator => Ok(()),
        _ => Err(Problem::new(problem::FORBIDDEN, "Projections are the operator's to look after.")),
    }
}
