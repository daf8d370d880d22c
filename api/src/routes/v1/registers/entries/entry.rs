//! `GET /v1/registers/{register}/entries/{index}`: one entry.

use axum::Json;
use axum::extract::State;

use super::visible::{self, EntryItem};
use crate::accesses::{Endpoint, Look, Purpose};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// One entry, with its body if the reader may see it.
#[utoipa::path(get, path = "/v1/registers/{register}/entries/{index}", operation_id = "getEntry", tag = "Registers",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("index" = u64, Path, description = "Index of the entry in its register"),
        Purpose,
    ),
    responses(
        (status = 200, description = "The entry", body = EntryItem),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_entry(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path((register, index)): Path<(String, u64)>,
) -> Result<Json<EntryItem>, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let found = state.store().entry(&in_force.definition.slug, index).await;
    let entry = found?.ok_or_else(Problem::not_found)?;
    let reader = AppState::reader(caller.as_ref(), &in_force);
    let look = Look::new(caller.as_ref(), &purpose, Endpoint::Entry);
    let mut items = visible::items(&state, &knowledge, reader, &look, vec![entry]).await?;
    items.pop().map(Json).ok_or_else(Problem::not_found)
}
