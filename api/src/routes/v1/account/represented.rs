//! `GET /v1/account/represented`: for whom the person who asks may act.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use domain::representation::{Mandate, Whom};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::http::AppState;
use crate::http::acting::citizen;
use crate::http::wait::WaitFor;
use crate::problem::{Problem, ProblemDocument};
use crate::representation::{self, Represented};

/// For whom one may act.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepresentedDocument {
    /// By each record that lets one; whom several let one act for stands there several times.
    pub items: Vec<RepresentedItem>,
    /// Are there more than are looked at? Those that are not shown may be acted for all the same.
    pub more: bool,
}

/// Someone for whom one may act.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepresentedItem {
    /// What `On-Behalf-Of` says for them.
    pub on_behalf_of: String,
    /// The person: their record in `persons`; null for an organisation.
    pub person: Option<Uuid>,
    /// The organisation's number in the register of legal entities; null for a person.
    pub organisation: Option<String>,
    /// What they are called, where it is known.
    pub name: Option<String>,
    /// As what: `parent`, `guardian`, `trustee`, `attorney`, `head`, `officer`.
    #[serde(rename = "as")]
    pub capacity: &'static str,
    /// The register of the record that lets one.
    pub register: String,
    /// That record.
    pub record: Uuid,
    /// The last day, where one is known.
    pub until: Option<NaiveDate>,
    /// What for: `everything`, or `registers` and `groups`; and `actions`, `read` or `act`.
    #[schema(value_type = Object)]
    pub scope: Value,
}

/// For whom the person who asks may act: minor children, wards, those who gave them a power, organisations.
#[utoipa::path(get, path = "/v1/account/represented", operation_id = "listRepresented", tag = "Account",
    security(("bearer" = [])),
    params(("Wait-For" = Option<u64>, Header, description = "Position that must be included; `?wait_for=` says the same")),
    responses(
        (status = 200, description = "For whom, as what, by which record, until when", body = RepresentedDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_represented(
    State(state): State<AppState>,
    caller: Caller,
    wait: WaitFor,
) -> Result<Json<RepresentedDocument>, Problem> {
    let actor = citizen(&caller)?;
    wait.hold(&state, "account").await?;
    let found = representation::represented(&state, actor).await?;
    let items = found.mandates.iter().map(|mandate| item(mandate, &found)).collect();
    Ok(Json(RepresentedDocument { items, more: found.more }))
}

fn item(mandate: &Mandate, found: &Represented) -> RepresentedItem {
    let (person, organisation, name) = match &mandate.whom {
        Whom::Person(person) => (Some(*person), None, representation::name_of(&found.facts, *person)),
        Whom::Organisation { ogrn } => {
            let subjects = found.facts.get(mandate.record).map(|fact| fact.subjects.as_slice());
            let named = subjects.unwrap_or_default().iter().find_map(domain::subject::Subject::organisation);
            (None, Some(ogrn.clone()), named.map(|organisation| organisation.name.clone()))
        }
    };
    RepresentedItem {
        on_behalf_of: mandate.whom.to_string(),
        person,
        organisation,
        name,
        capacity: mandate.capacity.as_str(),
        register: mandate.register.to_string(),
        record: mandate.record,
        until: mandate.until,
        scope: mandate.scope.to_json(),
    }
}
