//! `POST /v1/account/offers/{offer}/seen` and `…/decline`: the person has seen an offer, or does not want it.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::platform::OFFERS;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{open, read, register};
use crate::http::conditions::Conditions;
use crate::http::extract::{self, Path, typed};
use crate::http::{Acting, AppState};
use crate::proactive::offer::{Offer, Stage};
use crate::proactive::platform_entry;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Outcome;
use crate::routes::v1::registers::entries::refused;

/// What became of an offer.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferState {
    /// The offer's record.
    pub offer: Uuid,
    /// Its status now.
    pub status: String,
    /// Its version now.
    pub version: u64,
    /// The position of the entry that was made: what `Wait-For` takes. Null when nothing had to be.
    pub position: Option<u64>,
}

impl OfferState {
    /// As it was.
    pub(super) fn unchanged(offer: &Offer) -> Self {
        Self { offer: offer.record, status: offer.status.clone(), version: offer.version, position: None }
    }

    /// As an entry made it.
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self {
            offer: outcome.appended.record,
            status: outcome.status.clone(),
            version: outcome.appended.version,
            position: Some(outcome.appended.position),
        }
    }
}

/// Appends an answer to an offer.
pub(super) async fn append(
    state: &AppState,
    offer: &Offer,
    entry_type: &str,
    body: Value,
    conditions: &Conditions,
) -> Result<Outcome, Problem> {
    let entry = platform_entry(OFFERS, Some(offer.record), entry_type, body);
    conditions.append(state, entry).await.map_err(|refusal| refused::problem(&refusal, false))
}

/// Says that the person has seen an offer. Of one that they have seen, or that is over, nothing changes.
#[utoipa::path(post, path = "/v1/account/offers/{offer}/seen", operation_id = "seeOffer", tag = "Account",
    security(("bearer" = [])),
    params(
        ("offer" = Uuid, Path, description = "The offer's record"),
        ("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for"),
    ),
    responses(
        (status = 200, description = "What became of it", body = OfferState),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn see_offer(
    State(state): State<AppState>,
    acting: Acting,
    Path(offer): Path<Uuid>,
) -> Result<Json<OfferState>, Problem> {
    let offer = read(&state, &acting, offer).await?;
    acting.acts(&register()?)?;
    if offer.status != "proposed" {
        return Ok(Json(OfferState::unchanged(&offer)));
    }
    match append(&state, &offer, "seen", acting.by(), &Conditions::default()).await {
        Ok(outcome) => Ok(Json(OfferState::of(&outcome))),
        Err(problem) => {
            // Another request, or the engine, may have been first: then nothing is left to say.
            let now = read(&state, &acting, offer.record).await?;
            if now.version == offer.version { Err(problem) } else { Ok(Json(OfferState::unchanged(&now))) }
        }
    }
}

/// Why an offer is declined.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Declining {
    /// Why, in words, if the person wants to say.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Declines an offer. Declining it again changes nothing.
#[utoipa::path(post, path = "/v1/account/offers/{offer}/decline", operation_id = "declineOffer", tag = "Account",
    security(("bearer" = [])),
    params(
        ("offer" = Uuid, Path, description = "The offer's record"),
        ("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same content gives the same answer"),
        ("If-Match" = Option<String>, Header, description = "The version that the offer must be at, in quotes"),
    ),
    request_body = Declining,
    responses(
        (status = 200, description = "What became of it", body = OfferState),
        (status = 409, description = "The offer is no longer open", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn decline_offer(
    State(state): State<AppState>,
    acting: Acting,
    Path(offer): Path<Uuid>,
    headers: HeaderMap,
    extract::Json(body): extract::Json,
) -> Result<Json<OfferState>, Problem> {
    let conditions = Conditions::read(&headers)?;
    let declining: Declining = typed(body)?;
    let offer = read(&state, &acting, offer).await?;
    acting.acts(&register()?)?;
    if offer.stage() == Stage::Over && offer.status == "declined" {
        return Ok(Json(OfferState::unchanged(&offer)));
    }
    conditions.check(offer.version)?;
    open(&state, &offer)?;
    let mut body = acting.by();
    if let Some(reason) = declining.reason {
        body["reason"] = json!(reason);
    }
    let outcome = append(&state, &offer, "declined", body, &conditions).await?;
    Ok(Json(OfferState::of(&outcome)))
}
