//! `GET /v1/registers/{register}/entries`: the entries of a register, in order.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::visible::{self, EntryItem};
use crate::accesses::{Endpoint, Look, Purpose};
use crate::auth::Caller;
use crate::http::extract::{Path, Query};
use crate::http::limits::{PAGE_ENTRIES_MAX, PAGE_ROWS_DEFAULT};
use crate::http::{AppState, Page};
use crate::problem::{Problem, ProblemDocument};

/// No log has more entries: indexes are numbers of JSON (RFC 8259 section 6).
const INDEX_MAX: u64 = proofs::jcs::NUMBER_MAX;

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// Those after this index; from the first when nothing is said. `next` of the page before is such an index.
    pub after: Option<u64>,
    /// The same as `after`.
    pub cursor: Option<u64>,
    /// Entries, 1 to 256; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// Entries in order, with the bodies that the reader may see.
#[utoipa::path(get, path = "/v1/registers/{register}/entries", operation_id = "listEntries", tag = "Registers",
    security((), ("bearer" = [])),
    params(("register" = String, Path, description = "Slug of the register"), EntriesQuery, Purpose),
    responses(
        (status = 200, description = "A page of entries", body = Page<EntryItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_entries(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path(register): Path<String>,
    Query(query): Query<EntriesQuery>,
) -> Result<Json<Page<EntryItem>>, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let limit = query.limit.unwrap_or(PAGE_ROWS_DEFAULT);
    if limit == 0 || limit > PAGE_ENTRIES_MAX {
        return Err(Problem::invalid(format!("`limit` is 1 to {PAGE_ENTRIES_MAX}.")));
    }
    let from = query.after.or(query.cursor).map_or(0, |after| after.min(INDEX_MAX) + 1);
    let register = &in_force.definition.slug;
    let read = state.store().read_register(register, from, limit + 1).await;
    let mut entries = read?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more).map(|last| last.index.to_string());
    let reader = AppState::reader(caller.as_ref(), &in_force);
    let look = Look::new(caller.as_ref(), &purpose, Endpoint::Entries);
    let items = visible::items(&state, &knowledge, reader, &look, entries).await?;
    Ok(Json(Page { items, next }))
}
