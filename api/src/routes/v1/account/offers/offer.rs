//! `GET /v1/account/offers/{offer}`: one offer, and why it was made.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chrono::NaiveDate;
use domain::platform::OFFERS;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{disclosed, read};
use crate::http::extract::Path;
use crate::http::{Acting, AppState};
use crate::proactive::offer::Offer;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Knowledge;
use crate::routes::words::{Title, department_title, register_title, status_title, type_title};

/// An offer, whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferDocument {
    /// The offer's record.
    pub offer: Uuid,
    /// Its version, for `If-Match`.
    pub version: u64,
    /// What became of it.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// What is proposed, in a line.
    #[schema(value_type = Title)]
    pub title: Value,
    /// What is proposed, in a few sentences.
    #[schema(value_type = Option<Title>)]
    pub text: Option<Value>,
    /// Of which kind it is.
    pub kind: Option<Value>,
    /// The life situation that it belongs to.
    pub situation: Option<Value>,
    /// The department that answers for it.
    pub department: Option<String>,
    /// What that is called.
    pub department_title: Option<Title>,
    /// What it does: `kind`, the `services` with the values that they are filled with, or the `outcome`.
    #[schema(value_type = Object)]
    pub effect: Value,
    /// The last day on which it can be accepted.
    pub expires_on: Option<NaiveDate>,
    /// The services that were accepted.
    pub accepted: Option<Vec<String>>,
    /// The record that was made for it without being asked.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<Value>,
    /// What an official decided.
    pub decision: Option<Value>,
    /// Why it was made.
    pub why: Why,
}

/// Why an offer was made: all that is needed to make it again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Why {
    /// The rule: its record in the public register `triggers`, name, and the version that held.
    #[schema(value_type = Object)]
    pub rule: Value,
    /// The laws that the rule names.
    #[schema(value_type = Vec<Object>)]
    pub legal_basis: Value,
    /// The entry or the date that made the rule look at the person.
    #[schema(value_type = Object)]
    pub cause: Value,
    /// The cause in words.
    pub cause_title: Title,
    /// The position up to which the account was looked at, and the day that was taken for today.
    #[schema(value_type = Object)]
    pub evaluated: Value,
    /// What the rule computed.
    #[schema(value_type = Object)]
    pub values: Value,
}

impl OfferDocument {
    /// With the words for it.
    pub fn of(offer: &Offer, knowledge: &Knowledge) -> Self {
        let member = |name: &str| offer.member(name).cloned();
        let department = offer.department();
        let accepted = offer.member("services").is_some();
        Self {
            offer: offer.record,
            version: offer.version,
            status: offer.status.clone(),
            status_title: status_title(knowledge, OFFERS, &offer.status),
            title: member("title").unwrap_or_default(),
            text: member("text"),
            kind: member("kind"),
            situation: member("situation"),
            department_title: department.as_ref().map(|slug| department_title(knowledge, slug.as_str())),
            department: department.map(|slug| slug.to_string()),
            effect: member("effect").unwrap_or_default(),
            expires_on: offer.expires_on(),
            accepted: accepted.then(|| offer.accepted().into_iter().map(str::to_owned).collect()),
            outcome: member("outcome"),
            decision: member("decision"),
            why: Why {
                rule: member("rule").unwrap_or_default(),
                legal_basis: member("legal_basis").unwrap_or_default(),
                cause_title: cause_title(knowledge, &member("cause").unwrap_or_default()),
                cause: member("cause").unwrap_or_default(),
                evaluated: member("evaluated").unwrap_or_default(),
                values: member("values").unwrap_or_else(|| json!({})),
            },
        }
    }
}

/// The register, and what happened in it or which of its dates came.
fn cause_title(knowledge: &Knowledge, cause: &Value) -> Title {
    let text = |name: &str| cause[name].as_str().unwrap_or_default();
    let register = register_title(knowledge, text("register"));
    if text("kind") == "date" {
        let (member, due) = (text("member"), text("due"));
        return Title {
            ru: format!("{}: наступила дата {due} ({member})", register.ru).into(),
            en: format!("{}: the date {due} came ({member})", register.en).into(),
        };
    }
    let entry = type_title(knowledge, text("register"), text("type"));
    Title {
        ru: format!("{}: {}", register.ru, entry.ru).into(),
        en: format!("{}: {}", register.en, entry.en).into(),
    }
}

/// One offer, and why it was made: the rule and its version, the laws, the cause, and the values. One to another person is
/// answered as one that does not exist.
#[utoipa::path(get, path = "/v1/account/offers/{offer}", operation_id = "getAccountOffer", tag = "Account",
    security(("bearer" = [])),
    params(
        ("offer" = Uuid, Path, description = "The offer's record"),
        ("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for"),
    ),
    responses(
        (status = 200, description = "The offer", body = OfferDocument, headers(("ETag" = String, description = "Its version"))),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_account_offer(
    State(state): State<AppState>,
    acting: Acting,
    Path(offer): Path<Uuid>,
) -> Result<Response, Problem> {
    let offer = read(&state, &acting, offer).await?;
    disclosed(&state, &acting, &[offer.record]).await?;
    let document = OfferDocument::of(&offer, &state.registry().knowledge());
    let mut response = Json(document).into_response();
    let etag = HeaderValue::from_str(&format!("\"{}\"", offer.version));
    response.headers_mut().extend(etag.map(|value| (header::ETAG, value)));
    Ok(response)
}
