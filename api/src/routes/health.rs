//! `GET /health/live` and `GET /health/ready`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use eventstore::RECORDED_AHEAD_SECONDS;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::AppState;
use crate::witnesses::Faulty;

/// A projector that failed so often in a row is stuck: it tries again with growing pauses, and someone should look.
const FAILURES_STUCK: u32 = 5;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is the matter.
    pub status: &'static str,
    /// Projections that make no progress, and `proposals` when the engine of proposals makes none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<&'static str>,
    /// Projections that stand at an entry which cannot be applied. Everything else goes on, so that the server is ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<PausedItem>,
    /// Registers of which nothing is published, since a witness cosigned what the store has not. Everything else goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<ContradictedItem>,
}

/// A register that was rolled back or forked, by the word of a witness.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContradictedItem {
    /// The register.
    pub register: String,
    /// The witness, by its name in the policy.
    pub witness: String,
    /// `ahead`: it cosigned more entries than there are; `forked`: other entries.
    pub fault: &'static str,
    /// How many entries it cosigned.
    pub size: u64,
}

impl Health {
    fn of(status: &'static str) -> Self {
        Self { status, stuck: Vec::new(), paused: Vec::new(), contradicted: Vec::new() }
    }
}

/// A projection that stands at an entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct PausedItem {
    /// The projection.
    pub projection: &'static str,
    /// Position of the entry.
    pub position: u64,
}

/// Is the process there?
#[utoipa::path(get, path = "/health/live", operation_id = "getLive", tag = "Service",
    responses((status = 200, description = "It is", body = Health)))]
pub async fn get_live() -> Json<Health> {
    Json(Health::of("ok"))
}

/// Can it serve: does the database answer, and do the projections make progress?
#[utoipa::path(get, path = "/health/ready", operation_id = "getReady", tag = "Service",
    responses((status = 200, description = "It can", body = Health), (status = 503, description = "It cannot", body = Health)))]
pub async fn get_ready(State(state): State<AppState>) -> (StatusCode, Json<Health>) {
    if state.ending() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Health::of("the server is ending")));
    }
    if let Err(error) = state.store().position().await {
        tracing::warn!(error = %error, "the database does not answer");
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Health::of("the database does not answer")));
    }
    if let Err(error) = state.store().db().check_place() {
        tracing::warn!(error = %error, "the database is not where it was");
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Health::of("the database is not where it was")));
    }
    // Another server, whose clock is right, takes what is appended.
    if let Err(error) = state.store().check_clock().await {
        tracing::warn!(error = %error, "nothing is appended");
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Health::of("the clock is ahead of the database's")));
    }
    let states = state.projections().states();
    let stuck = states.iter().filter(|state| state.failures >= FAILURES_STUCK && state.paused.is_none());
    let mut stuck: Vec<_> = stuck.map(|state| state.name).collect();
    // One projection that stands at an entry is no reason to take the server from all its users.
    let paused = states
        .iter()
        .filter_map(|state| state.paused.map(|position| PausedItem { projection: state.name, position }));
    let paused: Vec<_> = paused.collect();
    let (code, words) = match (stuck.is_empty(), paused.is_empty()) {
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "a projection stands at an entry"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "a projection is stuck"),
    };
    // Nor is an engine that makes no proposals for a while: it makes them later.
    let unproposed = state.proactive().is_some_and(|engine| engine.state().failures >= FAILURES_STUCK);
    let words = if unproposed && words == "ok" { "no proposals are made" } else { words };
    stuck.extend(unproposed.then_some("proposals"));
    let pinned = state.store().metrics().recorded_ahead_seconds() > RECORDED_AHEAD_SECONDS;
    let words = if pinned && words == "ok" { "the last entry was recorded later than now" } else { words };
    let contradicted = contradicted(&state).await;
    let words = if contradicted.is_empty() { words } else { "a register was rolled back or forked" };
    (code, Json(Health { status: words, stuck, paused, contradicted }))
}

/// What witnesses hold against the store. Its answer was read a moment ago: where it fails now, the next look will say.
async fn contradicted(state: &AppState) -> Vec<ContradictedItem> {
    let Some(witnesses) = state.witnesses() else { return Vec::new() };
    let faulty = witnesses.faulty(state.store()).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "what witnesses said cannot be read");
        Vec::new()
    });
    let item = |found: Faulty| ContradictedItem {
        register: found.register.to_string(),
        witness: found.witness,
        fault: found.fault.as_str(),
        size: found.size,
    };
    faulty.into_iter().map(item).collect()
}
