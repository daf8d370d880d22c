//! `GET /v1/webhooks/{id}/deliveries`: what was sent, and what became of it.

use axum::Json;
use axum::extract::State;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::own;
use crate::auth::Caller;
use crate::http::extract::{Path, Query};
use crate::http::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::http::{AppState, Page};
use crate::problem::{Problem, ProblemDocument};
use crate::webhooks::{self, Delivery, DeliveryState, ListFilter};

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryItem {
    /// Its name; `webhook-id` is `msg_` and this.
    pub id: Uuid,
    /// What it tells of: `entry`, `test` or `notification`.
    pub event: String,
    /// Position of the entry; null for a test.
    pub position: Option<u64>,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: u64,
    /// When it is sent next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// When it was queued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The status that the last attempt was answered with.
    pub last_status: Option<i64>,
    /// What went wrong with it: `status`, `no-connection`, `timed-out`, `broken-off` or `address-not-allowed`.
    pub last_fault: Option<String>,
}

impl From<Delivery> for DeliveryItem {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            position: (delivery.event != "test").then_some(delivery.position),
            event: delivery.event,
            state: delivery.state,
            attempts: delivery.attempts,
            next_at: delivery.next_at,
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
            last_status: delivery.last_status,
            last_fault: delivery.last_fault,
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// In this state.
    #[param(inline)]
    pub state: Option<DeliveryState>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<Uuid>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// Messages to a webhook, the newest first. What was delivered is kept for a week, what is parked until it is replayed.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", operation_id = "listWebhookDeliveries", tag = "Feeds",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The webhook"), DeliveriesQuery),
    responses(
        (status = 200, description = "A page of messages", body = Page<DeliveryItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_webhook_deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Page<DeliveryItem>>, Problem> {
    let webhook = own(&state, &caller, id).await?;
    let limit = query.limit.unwrap_or(PAGE_ROWS_DEFAULT);
    if limit == 0 || limit > PAGE_ROWS_MAX {
        return Err(Problem::invalid(format!("`limit` is 1 to {PAGE_ROWS_MAX}.")));
    }
    let filter = ListFilter { state: query.state, before: query.cursor };
    let mut found = webhooks::list(state.store(), webhook.id, filter, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(Page { items: found.into_iter().map(DeliveryItem::from).collect(), next }))
}
