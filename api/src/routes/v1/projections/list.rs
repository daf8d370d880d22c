//! `GET /v1/projections`: where each projection stands.

use axum::Json;
use axum::extract::State;
use eventstore::Store;
use projections::{Pause, Status};
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::operator;
use crate::auth::Caller;
use crate::http::{AppState, Page};
use crate::problem::{Problem, ProblemDocument};

/// A projection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectionItem {
    /// Its name.
    pub projection: &'static str,
    /// The version of the projector that made what is read.
    pub version: i64,
    /// The last position applied.
    pub position: u64,
    /// Entries committed and not applied yet.
    pub lag: u64,
    /// How long the oldest of them has waited.
    pub lag_seconds: u64,
    /// When a batch was last applied.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Timestamp>,
    /// New rows that are being made beside those that are read.
    pub building: Option<BuildingItem>,
    /// Entries at which it stands: of what is read first, then of what is being made.
    pub pauses: Vec<PauseItem>,
    /// How many entries it leaves out; the register `interventions` has each, with the reason.
    pub skips: u64,
    /// How many bodies it was made without, because orders withheld them.
    pub withheld: u64,
    /// Position of an order whose bodies its rows still count, until they are made again beside them; null where none do.
    pub stale_since: Option<u64>,
}

/// New rows of a projection.
#[derive(Debug, Serialize, ToSchema)]
pub struct BuildingItem {
    /// The version of the projector that makes them.
    pub version: i64,
    /// The last position applied to them.
    pub position: u64,
}

/// An entry at which a projection stands. Nothing of its body is here.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseItem {
    /// Is it what is read that goes no further?
    pub live: bool,
    /// Position of the entry.
    pub position: u64,
    /// Its register; null when even that cannot be read.
    pub register: Option<String>,
    /// Its index there.
    pub index: Option<u64>,
    /// Its type; null when the entry cannot be read.
    #[serde(rename = "type")]
    pub entry_type: Option<String>,
    /// Its record.
    pub record: Option<Uuid>,
    /// What does not go.
    pub why: String,
    /// When it first failed.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it was last tried.
    #[schema(value_type = String, format = DateTime)]
    pub tried_at: Timestamp,
    /// How often it was tried.
    pub tries: u64,
}

impl PauseItem {
    /// With what the entry says of itself, where it can be read.
    pub async fn of(store: &Store, pause: &Pause) -> Self {
        // What cannot be read is told of without: that it cannot be is why it stands.
        let read = store.read_after(pause.position - 1, 1).await.unwrap_or_default();
        let statement = read.first().map(|entry| entry.statement.statement());
        Self {
            live: pause.live,
            position: pause.position,
            register: pause.register.as_ref().map(ToString::to_string),
            index: pause.index,
            entry_type: statement.map(|statement| statement.entry_type.to_string()),
            record: statement.map(|statement| statement.record),
            why: pause.why.clone(),
            since: pause.since,
            tried_at: pause.tried_at,
            tries: pause.tries,
        }
    }
}

impl ProjectionItem {
    /// As every server sees it.
    pub async fn of(store: &Store, status: &Status) -> Self {
        let mut pauses = Vec::with_capacity(status.pauses.len());
        for pause in &status.pauses {
            pauses.push(PauseItem::of(store, pause).await);
        }
        let building = status.building;
        Self {
            projection: status.name,
            version: status.version,
            position: status.position,
            lag: status.lag,
            lag_seconds: status.lag_seconds(store.clock().now()),
            updated_at: status.updated_at,
            building: building.map(|new| BuildingItem { version: new.version, position: new.position }),
            pauses,
            skips: status.skips,
            withheld: status.withheld,
            stale_since: status.stale_since,
        }
    }
}

/// Where each projection stands. For operators.
#[utoipa::path(get, path = "/v1/projections", operation_id = "listProjections", tag = "Service",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "All projections; `next` is always null", body = Page<ProjectionItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_projections(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Page<ProjectionItem>>, Problem> {
    operator(&caller)?;
    let mut items = Vec::new();
    for status in projections::statuses(state.store()).await? {
        items.push(ProjectionItem::of(state.store(), &status).await);
    }
    Ok(Json(Page::all(items)))
}
