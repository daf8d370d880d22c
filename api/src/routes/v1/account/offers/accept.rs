//! `POST /v1/account/offers/{offer}/accept`: the person wants what is offered, and it is asked for in their name.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{OfferState, append};
use super::{open, read, register};
use crate::http::conditions::Conditions;
use crate::http::extract::{self, Path, typed};
use crate::http::{Acting, AppState};
use crate::proactive::handover;
use crate::proactive::offer::{Offer, Stage};
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::routes::v1::registers::entries::refused;

/// What of an offer is accepted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepting {
    /// The services that are wanted, of those offered; all of them when nothing is said.
    #[serde(default)]
    pub services: Option<Vec<String>>,
}

/// An accepted offer, and what was asked for by it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// The offer.
    #[serde(flatten)]
    pub offer: OfferState,
    /// The requests that were made, in the order in which the offer has the services.
    pub requests: Vec<RequestMade>,
}

/// A request that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestMade {
    /// The request's record.
    pub request: Uuid,
    /// The service asked for.
    pub service: String,
    /// What became of it since.
    pub status: String,
    /// The position of its first entry.
    pub position: u64,
}

/// Accepts an offer: for each service chosen a request is submitted, with the values that the offer has. Accepting it again
/// with the same services gives the same requests.
#[utoipa::path(post, path = "/v1/account/offers/{offer}/accept", operation_id = "acceptOffer", tag = "Account",
    security(("bearer" = [])),
    params(
        ("offer" = Uuid, Path, description = "The offer's record"),
        ("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same content gives the same answer"),
        ("If-Match" = Option<String>, Header, description = "The version that the offer must be at, in quotes"),
    ),
    request_body = Accepting,
    responses(
        (status = 200, description = "The offer and the requests", body = Accepted),
        (status = 409, description = "The offer is no longer open", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "A service that is not offered", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn accept_offer(
    State(state): State<AppState>,
    acting: Acting,
    Path(offer): Path<Uuid>,
    headers: HeaderMap,
    extract::Json(body): extract::Json,
) -> Result<Json<Accepted>, Problem> {
    let conditions = Conditions::read(&headers)?;
    let accepting: Accepting = typed(body)?;
    let offer = read(&state, &acting, offer).await?;
    acting.acts(&register()?)?;
    let services = chosen(&offer, accepting.services)?;
    let again = offer.stage() == Stage::Accepted && offer.accepted() == services;
    let now = if again {
        OfferState::unchanged(&offer)
    } else {
        conditions.check(offer.version)?;
        open(&state, &offer)?;
        let mut body = acting.by();
        body["services"] = json!(services);
        OfferState::of(&append(&state, &offer, "accepted", body, &conditions).await?)
    };
    // Read again: what is handed over is what the entries say was accepted, by whom, and for whom.
    let offer = read(&state, &acting, offer.record).await?;
    if offer.stage() == Stage::Over {
        // Its cause fell away in between: there is nothing left to ask for.
        open(&state, &offer)?;
    }
    let made = handover::hand_over(state.registry(), &offer).await;
    let made = made.map_err(|refusal| refused::problem(&refusal, false))?;
    let requests = made.iter().zip(&services).map(|(outcome, service)| RequestMade {
        request: outcome.appended.record,
        service: service.clone(),
        status: outcome.status.clone(),
        position: outcome.appended.position,
    });
    Ok(Json(Accepted { requests: requests.collect(), offer: now }))
}

/// The services that are wanted, in the order in which they are offered.
fn chosen(offer: &Offer, wanted: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let offered: Vec<&str> =
        offer.services().iter().filter_map(|service| service["service"].as_str()).collect();
    if offered.is_empty() {
        let words = match offer.effect() {
            "provide" => {
                "What this offer is about is provided without being asked for: there is nothing to accept."
            }
            _ => "This offer only informs: there is nothing to accept.",
        };
        return Err(Problem::new(problem::STATE_CONFLICT, words));
    }
    let Some(wanted) = wanted else { return Ok(offered.into_iter().map(str::to_owned).collect()) };
    let fault = |pointer: String, detail: &str| {
        let pointed = vec![Pointed { pointer, detail: detail.to_owned() }];
        Err(Problem::new(problem::INVALID_ENTRY, "What is accepted is not what is offered.")
            .with_errors(pointed))
    };
    if wanted.is_empty() {
        return fault(
            "/services".to_owned(),
            "names no service; leave it out to accept all, or decline the offer",
        );
    }
    if let Some(at) = wanted.iter().position(|name| !offered.contains(&name.as_str())) {
        return fault(format!("/services/{at}"), "is none of the services offered");
    }
    let chosen = offered.into_iter().filter(|name| wanted.iter().any(|wanted| wanted == name));
    Ok(chosen.map(str::to_owned).collect())
}
