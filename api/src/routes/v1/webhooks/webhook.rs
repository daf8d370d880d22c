//! `GET` and `DELETE /v1/webhooks/{id}`, `POST …/enable`: one webhook.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use super::{WebhookDocument, own};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};
use crate::webhooks;

/// A webhook; its secret is not shown again.
#[utoipa::path(get, path = "/v1/webhooks/{id}", operation_id = "getWebhook", tag = "Feeds",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The webhook")),
    responses(
        (status = 200, description = "The webhook", body = WebhookDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<WebhookDocument>, Problem> {
    Ok(Json(own(&state, &caller, id).await?.into()))
}

/// Takes a webhook away, with what is still to be sent to it.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", operation_id = "deleteWebhook", tag = "Feeds",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The webhook")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn delete_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let webhook = own(&state, &caller, id).await?;
    webhooks::delete(state.store(), webhook.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends again to a webhook whose receiver had said that it was gone, from where it was.
#[utoipa::path(post, path = "/v1/webhooks/{id}/enable", operation_id = "enableWebhook", tag = "Feeds",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The webhook")),
    responses(
        (status = 200, description = "The webhook", body = WebhookDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn enable_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<WebhookDocument>, Problem> {
    let webhook = own(&state, &caller, id).await?;
    webhooks::enable(state.store(), webhook.id).await?;
    Ok(Json(own(&state, &caller, id).await?.into()))
}
