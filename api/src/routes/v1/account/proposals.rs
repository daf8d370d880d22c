//! `GET` and `PUT /v1/account/settings/proposals`: the kinds of proposals that a person does not want.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use domain::definition::Group;
use domain::platform::OFFERS;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::extract::{self, typed};
use crate::http::{Acting, AppState};
use crate::proactive::settings;
use crate::problem::{self, Pointed, Problem, ProblemDocument};

/// Which kinds of proposals a person does not want.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProposalSettings {
    /// The kinds that are switched off: rules of these kinds propose and provide nothing.
    pub off: Vec<&'static str>,
    /// All kinds that there are.
    pub kinds: Vec<&'static str>,
}

impl ProposalSettings {
    fn of(off: &BTreeSet<Group>) -> Self {
        Self {
            off: off.iter().map(|kind| kind.as_str()).collect(),
            kinds: Group::ALL.iter().map(|kind| kind.as_str()).collect(),
        }
    }
}

/// Which kinds to switch off; all others are switched on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalSettingsInput {
    /// The kinds.
    pub off: Vec<String>,
}

/// Whose settings they are. A representative who may see and act on offers may also stop them.
fn person(acting: &Acting, changes: bool) -> Result<Uuid, Problem> {
    let register = OFFERS.parse().map_err(|error| Problem::internal(&error))?;
    let person = acting.person()?;
    if !acting.sees(&register) {
        return Err(Problem::not_found());
    }
    if changes {
        acting.acts(&register)?;
    }
    Ok(person)
}

/// The kinds of proposals that the person does not want.
#[utoipa::path(get, path = "/v1/account/settings/proposals", operation_id = "getProposalSettings", tag = "Account",
    security(("bearer" = [])),
    params(("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for")),
    responses(
        (status = 200, description = "The settings", body = ProposalSettings),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_proposal_settings(
    State(state): State<AppState>,
    acting: Acting,
) -> Result<Json<ProposalSettings>, Problem> {
    let person = person(&acting, false)?;
    Ok(Json(ProposalSettings::of(&settings::off(state.store().db(), person).await?)))
}

/// Switches off these kinds of proposals, and all others on. Offers that were made before stay as they are.
#[utoipa::path(put, path = "/v1/account/settings/proposals", operation_id = "putProposalSettings", tag = "Account",
    security(("bearer" = [])),
    params(("On-Behalf-Of" = Option<String>, Header, description = "`person=<record>`: whom the caller acts for")),
    request_body = ProposalSettingsInput,
    responses(
        (status = 200, description = "The settings", body = ProposalSettings),
        (status = 422, description = "A kind that there is not", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn put_proposal_settings(
    State(state): State<AppState>,
    acting: Acting,
    extract::Json(body): extract::Json,
) -> Result<Json<ProposalSettings>, Problem> {
    let input: ProposalSettingsInput = typed(body)?;
    let person = person(&acting, true)?;
    let mut off = BTreeSet::new();
    for (at, kind) in input.off.iter().enumerate() {
        let kind = kind.parse::<Group>().map_err(|error| {
            let pointed = Pointed { pointer: format!("/off/{at}"), detail: format!("is {error}") };
            Problem::new(problem::INVALID_ENTRY, "There is no such kind of proposals.")
                .with_errors(vec![pointed])
        })?;
        off.insert(kind);
    }
    settings::set(state.store().db(), person, &off, state.store().clock().now()).await?;
    Ok(Json(ProposalSettings::of(&off)))
}
