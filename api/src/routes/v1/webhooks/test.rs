//! `POST /v1/webhooks/{id}/test`: sends something that says only that it was sent.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::own;
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{self, Problem, ProblemDocument};
use crate::webhooks::{self, WebhookState};

/// A test that was queued.
#[derive(Debug, Serialize, ToSchema)]
pub struct Queued {
    /// The message: its state says what came of it.
    pub delivery: Uuid,
}

/// Sends a test, once and before all else.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", operation_id = "testWebhook", tag = "Feeds",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The webhook")),
    responses(
        (status = 202, description = "It will be sent", body = Queued),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn test_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<Queued>), Problem> {
    let webhook = own(&state, &caller, id).await?;
    if webhook.state == WebhookState::Disabled {
        let detail = "Nothing is sent to a webhook that is disabled; enable it first.";
        return Err(Problem::new(problem::STATE_CONFLICT, detail));
    }
    let delivery = webhooks::test(state.store(), webhook.id).await?;
    Ok((StatusCode::ACCEPTED, Json(Queued { delivery })))
}
