//! `/v1/webhooks`: where a department, or the operator, is sent events.

mod create;
mod deliveries;
mod list;
mod replay;
mod secret;
mod test;
mod webhook;

use domain::platform::PLATFORM;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::problem::{self, Problem};
use crate::webhooks::{self, Channel, Webhook, WebhookKind, WebhookState};

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create_webhook, list::list_webhooks))
        .routes(routes!(webhook::get_webhook, webhook::delete_webhook))
        .routes(routes!(webhook::enable_webhook))
        .routes(routes!(secret::rotate_webhook_secret))
        .routes(routes!(test::test_webhook))
        .routes(routes!(deliveries::list_webhook_deliveries))
        .routes(routes!(replay::replay_webhook_delivery))
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookDocument {
    /// Its name.
    pub id: Uuid,
    /// The department that it is sent for; `platform` is the operator's.
    pub owner: String,
    /// What it is sent.
    pub kind: WebhookKind,
    /// By which channel its receiver notifies people; null for entries.
    pub channel: Option<Channel>,
    /// Where to.
    pub url: String,
    /// Of these registers; of all of its owner's when it names none.
    pub registers: Vec<String>,
    /// With bodies?
    pub bodies: bool,
    /// What for.
    pub purpose: Option<String>,
    /// By which law.
    pub legal_basis: Option<String>,
    /// Is it sent to?
    pub state: WebhookState,
    /// Why it is not: `gone` when its receiver has answered 410.
    pub disabled_why: Option<String>,
    /// The position up to which entries were queued for it, in steps.
    pub position: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The secret that signs, `whsec_…`: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl From<Webhook> for WebhookDocument {
    fn from(webhook: Webhook) -> Self {
        let (purpose, legal_basis) =
            webhook.bodies.clone().map(|grounds| (grounds.purpose, grounds.legal_basis)).unzip();
        Self {
            id: webhook.id,
            owner: webhook.owner.to_string(),
            kind: webhook.kind,
            channel: webhook.channel,
            url: webhook.url,
            registers: webhook.registers.iter().map(ToString::to_string).collect(),
            bodies: webhook.bodies.is_some(),
            purpose,
            legal_basis,
            state: webhook.state,
            disabled_why: webhook.disabled_why,
            position: webhook.position,
            created_at: webhook.created_at,
            secret: None,
        }
    }
}

/// For whom the caller has webhooks.
fn owner(caller: &Caller) -> Result<Slug, Problem> {
    match &caller.principal {
        Principal::Official { department, .. } | Principal::Department { department } => {
            Ok(department.clone())
        }
        Principal::Operator => PLATFORM.parse().map_err(|error| Problem::internal(&error)),
        _ => Err(Problem::new(
            problem::FORBIDDEN,
            "Webhooks are for departments, their officials and the operator.",
        )),
    }
}

/// A webhook of the caller's; another's is answered as one that is not there.
async fn own(state: &AppState, caller: &Caller, id: Uuid) -> Result<Webhook, Problem> {
    let owner = owner(caller)?;
    let found = webhooks::one(state.store(), id).await?;
    found.filter(|webhook| webhook.owner == owner).ok_or_else(Problem::not_found)
}
