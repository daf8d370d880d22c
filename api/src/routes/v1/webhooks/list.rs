//! `GET /v1/webhooks`: the caller's webhooks.

use axum::Json;
use axum::extract::State;

use super::{WebhookDocument, owner};
use crate::auth::Caller;
use crate::http::{AppState, Page};
use crate::problem::{Problem, ProblemDocument};
use crate::webhooks;

/// The webhooks of the caller's department, or the operator's.
#[utoipa::path(get, path = "/v1/webhooks", operation_id = "listWebhooks", tag = "Feeds",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "All of them", body = Page<WebhookDocument>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_webhooks(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Page<WebhookDocument>>, Problem> {
    let found = webhooks::of_owner(state.store(), &owner(&caller)?).await?;
    Ok(Json(Page::all(found.into_iter().map(WebhookDocument::from).collect())))
}
