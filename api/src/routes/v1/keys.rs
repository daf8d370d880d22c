//! `GET /v1/keys`: all keys of registers and departments that there ever were, with their terms.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use proofs::keyring::Keyring;

use crate::http::AppState;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;

/// As long as an old answer does no harm: a key that came since is asked for again by whoever misses it.
pub const CACHED: &str = "public, max-age=60";

/// The keys, as a receipt is verified with them. Whoever trusts nobody takes them from an audit: `reestr audit --keys-out`.
#[utoipa::path(get, path = "/v1/keys", operation_id = "getKeys", tag = "Verification",
    responses(
        (status = 200, description = "All keys with their terms, as `docs/format.md` describes them", body = Object),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_keys(State(state): State<AppState>) -> Result<impl IntoResponse, Problem> {
    let knowledge = state.registry().refresh().await?;
    Ok(([(header::CACHE_CONTROL, CACHED)], Json(keyring(&state, &knowledge))))
}

/// The keys that are known.
pub fn keyring(state: &AppState, knowledge: &Knowledge) -> Keyring {
    let policy = state.witnesses().map(|witnesses| witnesses.policy_text().to_owned());
    let log_name = state.store().log_name();
    domain::keyring::keyring(log_name, &knowledge.definitions, &knowledge.departments, policy)
}
