//! `GET /v1/consented/records/{record}`: one record that a person's consent opens, with its content.

use axum::Json;
use axum::extract::State;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{consent, looker};
use crate::accesses::{Purpose, disclose, of_folded};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::v1::registers::records::record::fold;
use crate::routes::words::{Title, WithheldVersion};

/// A record that a consent opens, as its entries have it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentedRecord {
    /// The record.
    pub record: Uuid,
    /// Its register.
    pub register: String,
    /// What the register is called.
    pub register_title: Title,
    /// Its version.
    pub version: u64,
    /// Its status.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// Has it legal effect?
    pub in_force: bool,
    /// When its last entry was recorded.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
    /// What its entries say of it.
    #[schema(value_type = Object)]
    pub content: Value,
    /// Whose bodies are withheld by order, so that what they said is missing here; left out where none is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WithheldVersion>,
}

/// One record that the consent opens. What it does not open is answered as what does not exist.
#[utoipa::path(get, path = "/v1/consented/records/{record}", operation_id = "getConsentedRecord", tag = "Consent",
    security(("bearer" = [])), params(("record" = Uuid, Path, description = "The record")),
    responses(
        (status = 200, description = "The record", body = ConsentedRecord),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_consented_record(
    State(state): State<AppState>,
    caller: Caller,
    Path(record): Path<Uuid>,
) -> Result<Json<ConsentedRecord>, Problem> {
    let consent = consent(&state, &caller).await?;
    let knowledge = state.registry().knowledge();
    let folded = fold(&state, &knowledge, record).await?;
    let concerned = folded.steps.last().is_some_and(|step| step.persons.contains(&consent.person));
    let found = folded.record.record();
    let register =
        found.state.register.clone().filter(|register| concerned && consent.covers(register, record));
    let register = register.ok_or_else(Problem::not_found)?;
    let current = knowledge.definitions.current(&register).ok_or_else(Problem::not_found)?;
    // Whoever else is in it learns that it was read.
    let shown = [of_folded(&register, record, &folded)];
    disclose(&state, looker(&consent), &Purpose::default(), super::ENDPOINT, &shown).await?;
    let definition = &current.definition;
    let status = &found.state.status;
    let title = definition.status(status).map(|rule| Title::from(&rule.title));
    Ok(Json(ConsentedRecord {
        record,
        register: register.to_string(),
        register_title: (&definition.title).into(),
        version: found.state.version,
        status_title: title
            .unwrap_or_else(|| Title { ru: status.as_str().into(), en: status.as_str().into() }),
        in_force: definition.in_force(status),
        status: status.clone(),
        changed_at: found.state.changed.as_ref().map(|change| change.recorded_at),
        content: found.content.to_json(),
        withheld: WithheldVersion::list(found.withholding.iter()),
    }))
}
