//! `POST /v1/webhooks/{id}/secret`: a new secret.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::own;
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};
use crate::webhooks;

/// A new secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewSecret {
    /// `whsec_…`: shown this once.
    pub secret: String,
}

/// Gives a webhook a new secret. For a day messages bear the signatures of both.
#[utoipa::path(post, path = "/v1/webhooks/{id}/secret", operation_id = "rotateWebhookSecret", tag = "Feeds",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The webhook")),
    responses(
        (status = 200, description = "The secret", body = NewSecret),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn rotate_webhook_secret(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<NewSecret>, Problem> {
    let webhook = own(&state, &caller, id).await?;
    let secret = webhooks::rotate(state.store(), webhook.id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(NewSecret { secret: secret.text() }))
}
