//! `GET /v1/account/offers`: what is proposed to the person whose account it is.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use domain::platform::OFFERS;
use projections::offers;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{disclosed, register};
use crate::http::extract::Query;
use crate::http::wait::WaitFor;
use crate::http::{Acting, AppState, Page, PageQuery};
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::{Title, department_title, status_title};

/// An offer, in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferItem {
    /// The offer's record.
    pub offer: Uuid,
    /// What is proposed.
    pub title: Title,
    /// Of which kind it is: what a person may switch off.
    pub kind: String,
    /// The rule that made it.
    pub rule: String,
    /// `inform`, `offer`, `set` or `provide`.
    pub effect: String,
    /// The department that answers for it.
    pub department: String,
    /// What that is called.
    pub department_title: Title,
    /// `proposed`, `seen`, `accepted`, `declined`, `expired`, `provided`, `withdrawn`, `referred` or `decided`.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// The last day on which it can be accepted; null when it stays.
    pub expires_on: Option<NaiveDate>,
    /// The record's version, for `If-Match`.
    pub version: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub proposed_at: Timestamp,
    /// When something last became of it.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// The position of that entry.
    pub position: u64,
}

impl OfferItem {
    /// With the words for it.
    pub fn of(offer: offers::Offer, knowledge: &Knowledge) -> Self {
        Self {
            offer: offer.record,
            title: (&offer.title).into(),
            kind: offer.kind,
            rule: offer.rule_slug,
            effect: offer.effect,
            department_title: department_title(knowledge, offer.department.as_str()),
            department: offer.department.to_string(),
            status_title: status_title(knowledge, OFFERS, &offer.status),
            status: offer.status,
            expires_on: offer.expires_on,
            version: offer.version,
            proposed_at: offer.opened.recorded_at,
            changed_at: offer.changed_at,
            position: offer.changed_position,
        }
    }
}

/// Which offers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OffersQuery {
    /// In this status.
    pub status: Option<String>,
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

/// What is proposed to the person whose account it is, the newest first.
#[utoipa::path(get, path = "/v1/account/offers", operation_id = "listAccountOffers", tag = "Account",
    security(("bearer" = [])),
    params(OffersQuery,
        ("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for"),
        ("Wait-For" = Option<u64>, Header, description = "Position that must be included, with what rules make of it; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "A page of offers", body = Page<OfferItem>),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_account_offers(
    State(state): State<AppState>,
    acting: Acting,
    Query(query): Query<OffersQuery>,
    wait: WaitFor,
) -> Result<Json<Page<OfferItem>>, Problem> {
    let person = acting.person()?;
    if !acting.sees(&register()?) {
        return Err(Problem::not_found());
    }
    wait.hold_consequences(&state, "offers").await?;
    let knowledge = state.registry().knowledge();
    let page = PageQuery { cursor: query.cursor, limit: query.limit }.request()?;
    let filter = offers::Filter { status: query.status };
    let found = offers::list(state.store().db(), person, &filter, &page).await?;
    let records: Vec<Uuid> = found.items.iter().map(|offer| offer.record).collect();
    disclosed(&state, &acting, &records).await?;
    Ok(Json(Page::of(found, |offer| OfferItem::of(offer, &knowledge))))
}
