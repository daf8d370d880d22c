//! `POST /v1/oauth/authorize`: a person decides.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::NaiveDate;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::authorize::last_day;
use crate::consents::{self, Given, RECORDS_MAX, may_be_opened, today};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::{Json, typed};
use crate::http::{Acting, AppState};
use crate::oauth::code;
use crate::oauth::encoding::with_parameters;
use crate::oauth::request::{Asked, Request};
use crate::problem::{self, Pointed, Problem, ProblemDocument};
use crate::routes::v1::registers::records::record::fold;

/// A person's decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// What the client asked, as it asked it.
    pub request: Asked,
    /// `allow` or `deny`.
    pub decision: Choice,
    /// Registers of which everything that concerns the person is opened, now and until the end.
    #[serde(default)]
    pub registers: BTreeSet<String>,
    /// Records that are opened one by one.
    #[serde(default)]
    pub records: BTreeSet<Uuid>,
    /// The last day: tomorrow at the earliest.
    pub valid_until: Option<NaiveDate>,
}

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The client may read what is chosen.
    Allow,
    /// It may not.
    Deny,
}

/// Where the person's browser goes now.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedDocument {
    /// The client's address, with the code or the refusal.
    pub redirect_to: String,
    /// The record in `consents`; null when nothing was given.
    pub consent: Option<Uuid>,
    /// The position of its entry, to wait for.
    pub position: Option<u64>,
}

/// Decides on a client's request, for oneself or for whom one acts for.
#[utoipa::path(post, path = "/v1/oauth/authorize", operation_id = "decideAuthorisation", tag = "Consent",
    security(("bearer" = [])), params(OnBehalfOf), request_body = DecisionBody,
    responses(
        (status = 200, description = "Where to send the person's browser", body = DecidedDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn decide_authorisation(
    State(state): State<AppState>,
    acting: Acting,
    Json(body): Json,
) -> Result<axum::Json<DecidedDocument>, Problem> {
    let decision: DecisionBody = typed(body)?;
    let request = decision.request.clone().check(&state).await?;
    if decision.decision == Choice::Deny {
        let parameters = [("error", "access_denied")];
        let redirect_to = answer(&state, &request.redirect_uri, request.state.as_deref(), &parameters);
        return Ok(axum::Json(DecidedDocument { redirect_to, consent: None, position: None }));
    }
    let chosen = chosen(&state, &acting, &decision, &request).await?;
    let given = Given {
        acting: &acting,
        client: (&request.client.id, &request.client.name),
        purpose: &request.purpose,
        registers: &chosen.registers,
        records: &decision.records,
        valid_until: chosen.valid_until,
    };
    let outcome = consents::give(&state, given).await?;
    let consent = outcome.appended.record;
    let issued =
        code::issue(state.store(), &request.client, &request.redirect_uri, &request.challenge, consent)
            .await?;
    let redirect_to = answer(&state, &request.redirect_uri, request.state.as_deref(), &[("code", &issued)]);
    let position = Some(outcome.appended.position);
    Ok(axum::Json(DecidedDocument { redirect_to, consent: Some(consent), position }))
}

/// The client's address with an answer: with its state, and with our name, so that a client of several installations is not
/// led to send one's code to another (RFC 9207).
pub(super) fn answer(
    state: &AppState,
    redirect_uri: &str,
    echoed: Option<&str>,
    parameters: &[(&str, &str)],
) -> String {
    let mut all = parameters.to_vec();
    all.extend(echoed.map(|echoed| ("state", echoed)));
    all.push(("iss", state.token_issuer().name()));
    with_parameters(redirect_uri, &all)
}

struct Chosen {
    registers: BTreeSet<Slug>,
    valid_until: NaiveDate,
}

fn unfit(at: &str, detail: &str) -> Problem {
    let place = Pointed { pointer: at.to_owned(), detail: detail.to_owned() };
    Problem::invalid("The decision is not one on what was asked.").with_errors(vec![place])
}

/// What was chosen is of what was asked, concerns the person, and is for the actor to open.
async fn chosen(
    state: &AppState,
    acting: &Acting,
    decision: &DecisionBody,
    request: &Request,
) -> Result<Chosen, Problem> {
    acting.person()?;
    let valid_until = decision.valid_until.ok_or_else(|| unfit("/valid_until", "is missing"))?;
    let today = today(state);
    // A term has two days at least, as any record's.
    if valid_until <= today || last_day(today) < valid_until {
        return Err(unfit("/valid_until", "is from tomorrow to a year from now"));
    }
    let mut registers = BTreeSet::new();
    for name in &decision.registers {
        let asked = name.parse().ok().filter(|slug| request.registers.contains(slug));
        let slug: Slug = asked.ok_or_else(|| unfit("/registers", "has one that was not asked for"))?;
        opens(acting, &slug)?;
        registers.insert(slug);
    }
    if decision.records.len() > RECORDS_MAX {
        return Err(unfit("/records", "has more than 200"));
    }
    if registers.is_empty() && decision.records.is_empty() {
        return Err(unfit("/registers", "is empty, and `records` too: nothing would be opened"));
    }
    let knowledge = state.registry().knowledge();
    for record in &decision.records {
        let folded = fold(state, &knowledge, *record).await?;
        let register = folded.record.record().state.register.clone();
        let register = register.filter(|slug| {
            let current = knowledge.definitions.current(slug);
            request.registers.contains(slug) && current.is_some_and(|current| may_be_opened(&current))
        });
        let concerned = folded.steps.last().is_some_and(|step| acting.concerned(step));
        match register.filter(|_| concerned) {
            Some(register) => opens(acting, &register)?,
            None => {
                return Err(unfit(
                    "/records",
                    "has one that is not the person's, or not of a register that was asked for",
                ));
            }
        }
    }
    Ok(Chosen { registers, valid_until })
}

/// To open a register for a third party is to act, and to let see.
fn opens(acting: &Acting, register: &Slug) -> Result<(), Problem> {
    acting.acts(register)?;
    if acting.sees(register) {
        return Ok(());
    }
    Err(Problem::new(
        problem::FORBIDDEN,
        format!("You may not see {register}, and so not open it to others."),
    ))
}
