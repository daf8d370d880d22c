//! `POST /v1/webhooks/{id}/deliveries/{delivery}/replay`: sends a message again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use super::own;
use super::test::Queued;
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{self, Problem, ProblemDocument};
use crate::webhooks::{self, Replayed};

/// Sends a message again that was parked, or delivered, under the same id. What it says is read from the journal again.
#[utoipa::path(post, path = "/v1/webhooks/{id}/deliveries/{delivery}/replay", operation_id = "replayWebhookDelivery", tag = "Feeds",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The webhook"), ("delivery" = Uuid, Path, description = "The message")),
    responses(
        (status = 202, description = "It will be sent", body = Queued),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn replay_webhook_delivery(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, delivery)): Path<(Uuid, Uuid)>,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let webhook = own(&state, &caller, id).await?;
    match webhooks::replay(state.store(), webhook.id, delivery).await? {
        Replayed::Again => Ok((StatusCode::ACCEPTED, Json(Queued { delivery }))),
        Replayed::Waiting => Err(Problem::new(
            problem::STATE_CONFLICT,
            "The message is to be sent anyway; it waits for its time.",
        )),
        Replayed::Unknown => Err(Problem::not_found()),
    }
}
