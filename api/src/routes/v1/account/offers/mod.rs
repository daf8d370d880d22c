//! `/v1/account/offers`: what rules propose to the person who asks, and what they do with it.

mod accept;
mod answer;
mod list;
mod offer;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accesses::{self, Disclosure, Endpoint, Purpose};
use crate::http::{Acting, AppState};
use crate::proactive::offer::{Offer, Stage};
use crate::problem::{self, Problem};

use domain::platform::OFFERS;
use proofs::slug::Slug;
use uuid::Uuid;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_account_offers))
        .routes(routes!(offer::get_account_offer))
        .routes(routes!(answer::see_offer))
        .routes(routes!(accept::accept_offer))
        .routes(routes!(answer::decline_offer))
}

/// The register, whose name is a slug.
fn register() -> Result<Slug, Problem> {
    OFFERS.parse().map_err(|error| Problem::internal(&error))
}

/// An offer to the person whose account it is; one to another is answered as one that does not exist.
async fn read(state: &AppState, acting: &Acting, record: Uuid) -> Result<Offer, Problem> {
    let person = acting.person()?;
    if !acting.sees(&register()?) {
        return Err(Problem::not_found());
    }
    let offer = Offer::read(state.registry(), record).await?;
    offer.filter(|offer| offer.person == person).ok_or_else(Problem::not_found)
}

/// Who reads for another leaves a trace.
async fn disclosed(state: &AppState, acting: &Acting, records: &[Uuid]) -> Result<(), Problem> {
    let (register, person) = (register()?, acting.person()?);
    let shown: Vec<_> =
        records.iter().map(|record| Disclosure::new(&register, *record, vec![person])).collect();
    accesses::disclose(state, acting, &Purpose::default(), Endpoint::Offer, &shown).await
}

/// Can the person still say yes or no? Otherwise, why not.
fn open(state: &AppState, offer: &Offer) -> Result<(), Problem> {
    let closed = |why: &str| Err(Problem::new(problem::OFFER_CLOSED, why));
    let over = offer.expires_on().is_some_and(|last| last < state.store().clock().now().date());
    match (offer.stage(), offer.status.as_str()) {
        // Between the offer and what it provides there is a moment in which neither yes nor no would mean anything.
        (Stage::Open, _) if offer.effect() == "provide" => {
            closed("What is offered is being provided without being asked for.")
        }
        (Stage::Open, _) if over => closed("The offer's last day has passed."),
        (Stage::Open, _) => Ok(()),
        (Stage::Accepted, _) => closed("The offer was accepted already."),
        (Stage::Provided, _) => closed("What was offered has been provided already."),
        (Stage::Referred, _) => closed("An official is to decide on the offer."),
        (Stage::Over, "declined") => closed("The offer was declined."),
        (Stage::Over, "expired") => closed("The offer's last day has passed."),
        (Stage::Over, "withdrawn") => closed("The offer was withdrawn: what caused it fell away."),
        (Stage::Over, _) => closed("An official has decided on the offer."),
    }
}
