//! A mirror serves what another installation signed. It takes nothing: no entries, and no settings of people that would be
//! true here alone.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::AppState;
use crate::problem::{self, Problem};

/// Requests that only read, though what they ask is in a body; and one that sets a projection of this store going again.
const READS: [&str; 4] = [
    "/v1/search",
    "/v1/account/search",
    "/v1/registers/{register}/lookup",
    "/v1/projections/{projection}/retry",
];

/// Refuses, on a mirror, every request that would write.
pub async fn refuse_writes(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let reads = request.method().is_safe() || path.is_none_or(|path| READS.contains(&path));
    if reads || !state.store().is_mirror() {
        return next.run(request).await;
    }
    let of = state.store().log_name();
    Problem::new(problem::MIRROR, format!("This server mirrors {of} and takes nothing itself."))
        .into_response()
}
