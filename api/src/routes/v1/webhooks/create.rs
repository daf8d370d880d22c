//! `POST /v1/webhooks`: makes a webhook.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use proofs::slug::Slug;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{WebhookDocument, owner};
use crate::accesses;
use crate::auth::{Caller, Role};
use crate::http::AppState;
use crate::http::extract::{self, typed};
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::routes::v1::feeds::events::there;
use crate::webhooks::{self, Channel, Grounds, InsertError, New, Target, WebhookKind};

/// A webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookInput {
    /// Where to: an https URL.
    pub url: String,
    /// What it is sent: `entries` when nothing is said. `notifications` is for the operator.
    pub kind: Option<WebhookKind>,
    /// By which channel its receiver notifies people; only, and always, with `notifications`.
    pub channel: Option<Channel>,
    /// Of these registers, which must be the owner's; of all of them when it names none.
    #[serde(default)]
    pub registers: Vec<String>,
    /// With bodies? Then each message is an access, and `purpose` and `legal_basis` are needed.
    #[serde(default)]
    pub bodies: bool,
    /// What for.
    pub purpose: Option<String>,
    /// By which law.
    pub legal_basis: Option<String>,
    /// The position after which to begin; now when nothing is said.
    pub after: Option<u64>,
}

/// Makes a webhook, and answers with the secret that signs its messages: this once.
#[utoipa::path(post, path = "/v1/webhooks", operation_id = "createWebhook", tag = "Feeds",
    security(("bearer" = [])), request_body = WebhookInput,
    responses(
        (status = 201, description = "It was made", body = WebhookDocument,
            headers(("Location" = String, description = "Its address"))),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn create_webhook(
    State(state): State<AppState>,
    caller: Caller,
    extract::Json(body): extract::Json,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<WebhookDocument>), Problem> {
    let owner = owner(&caller)?;
    let input: WebhookInput = typed(body)?;
    let new = check(&state, &caller, owner, input).await?;
    let made = webhooks::insert(state.store(), new).await.map_err(refused)?;
    let secret = made.secret.text();
    let location = [(header::LOCATION, format!("/v1/webhooks/{}", made.id))];
    Ok((StatusCode::CREATED, location, Json(WebhookDocument { secret: Some(secret), ..made.into() })))
}

fn refused(error: InsertError) -> Problem {
    match error {
        InsertError::TooMany => Problem::new(
            problem::STATE_CONFLICT,
            "An owner has 50 webhooks at most; take one away that is not needed.",
        ),
        InsertError::Channel => {
            Problem::new(problem::STATE_CONFLICT, "The channel has its webhook; take that one away first.")
        }
        InsertError::Store(error) => error.into(),
    }
}

/// What is asked for, with every fault named.
async fn check(state: &AppState, caller: &Caller, owner: Slug, input: WebhookInput) -> Result<New, Problem> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: String| {
        faults.push(Pointed { pointer: pointer.to_owned(), detail });
    };
    // As the URL parser writes it, so that what is shown is what is sent to.
    let url = match Target::parse(&input.url, state.webhooks().allow_private) {
        Ok(target) => target.url().to_string(),
        Err(error) => {
            fault("/url", format!("The URL {error}."));
            String::new()
        }
    };
    let kind = input.kind.unwrap_or(WebhookKind::Entries);
    if kind == WebhookKind::Notifications && caller.role() != Role::Operator {
        let detail = "People are notified by the operator's webhooks.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    }
    if (kind == WebhookKind::Notifications) != input.channel.is_some() {
        fault("/channel", "A channel is named with `notifications`, and only with it.".to_owned());
    }
    if kind == WebhookKind::Notifications && (input.bodies || !input.registers.is_empty()) {
        fault("/kind", "Notifications have no bodies, and are of no register.".to_owned());
    }
    let mut registers = Vec::new();
    for (at, name) in input.registers.iter().enumerate() {
        match owned(state, &owner, name).await? {
            Some(register) if !registers.contains(&register) => registers.push(register),
            Some(_) => fault(&format!("/registers/{at}"), "It is named twice.".to_owned()),
            None => fault(&format!("/registers/{at}"), format!("{owner} has no register of this name.")),
        }
    }
    let words = |text: Option<String>| text.as_deref().and_then(accesses::words);
    let grounds = words(input.purpose).zip(words(input.legal_basis));
    if input.bodies && grounds.is_none() {
        fault("/purpose", "Bodies need `purpose` and `legal_basis`, 3 to 300 characters each.".to_owned());
    }
    if !faults.is_empty() {
        let detail = "The webhook was not made.";
        return Err(Problem::new(problem::INVALID_REQUEST, detail).with_errors(faults));
    }
    let after = match input.after {
        Some(after) => {
            there(state, after).await?;
            after
        }
        None => state.store().position().await?,
    };
    let bodies =
        grounds.filter(|_| input.bodies).map(|(purpose, legal_basis)| Grounds { purpose, legal_basis });
    // A token's subject may have characters that no text that is stored has.
    let created_by = caller.client.replace(char::is_control, "\u{fffd}");
    let channel = input.channel;
    Ok(New { owner, kind, channel, url, registers, bodies, after, created_by })
}

/// The register of this name, if it is the owner's.
async fn owned(state: &AppState, owner: &Slug, name: &str) -> Result<Option<Slug>, Problem> {
    let Ok(slug) = name.parse::<Slug>() else { return Ok(None) };
    let (_, found) = state.registry().find(&slug).await?;
    Ok(found.filter(|found| found.definition.owner == *owner).map(|found| found.definition.slug.clone()))
}
