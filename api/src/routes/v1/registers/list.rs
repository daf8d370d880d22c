//! `GET /v1/registers`: all registers.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::definitions::InForce;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::AppState;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::words::Title;

/// A register, in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterItem {
    /// Its name in URLs and statements.
    pub slug: String,
    /// What it is called.
    pub title: Title,
    /// The department that owns it.
    pub owner: String,
    /// What its records are: permit, licence, certificate, notice, civil-status, right, membership, platform.
    pub kind: &'static str,
    /// Who may read bodies: public, status-public, restricted.
    pub visibility: &'static str,
    /// Where an account shows its records.
    pub group: &'static str,
    /// Entries in it.
    pub size: u64,
    /// Takes it no more entries?
    pub closed: bool,
    /// How its official numbers look; null when it has none.
    pub number: Option<NumberItem>,
}

/// How official numbers look.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberItem {
    /// What the number is called.
    pub title: Title,
    /// Regular expression of the whole number.
    pub pattern: String,
    /// A number that matches it.
    pub example: String,
}

impl RegisterItem {
    /// From what is in force, and how many entries the log has.
    pub fn of(in_force: &InForce, size: u64) -> Self {
        let definition = &in_force.definition;
        Self {
            slug: definition.slug.to_string(),
            title: (&definition.title).into(),
            owner: definition.owner.to_string(),
            kind: definition.kind.as_str(),
            visibility: definition.visibility.as_str(),
            group: definition.group.as_str(),
            size,
            closed: in_force.closed,
            number: definition.number.as_ref().map(|number| NumberItem {
                title: (&number.title).into(),
                pattern: number.pattern.clone(),
                example: number.example.clone(),
            }),
        }
    }
}

/// All registers.
#[derive(Debug, Serialize, ToSchema)]
pub struct RegisterList {
    /// The registers.
    pub items: Vec<RegisterItem>,
    /// Always null: all of them are here.
    pub next: Option<String>,
    /// On a mirror, what it mirrors; null on the installation itself.
    pub mirror: Option<MirrorItem>,
}

/// What a mirror holds. It says so itself: an audit of the whole server takes what it lacks for hidden.
#[derive(Debug, Serialize, ToSchema)]
pub struct MirrorItem {
    /// The name of the log that it is a copy of.
    pub of: String,
    /// Registers that are defined there, and of which it has no copy.
    pub lacks: Vec<String>,
}

/// All registers, at once.
#[utoipa::path(get, path = "/v1/registers", operation_id = "listRegisters", tag = "Registers",
    responses(
        (status = 200, description = "All registers; `next` is always null", body = RegisterList),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list_registers(State(state): State<AppState>) -> Result<Json<RegisterList>, Problem> {
    let knowledge = state.registry().refresh().await?;
    let logs = state.store().logs().await?;
    let sizes: HashMap<_, _> = logs.iter().map(|log| (&log.register, log.size)).collect();
    let size = |in_force: &InForce| sizes.get(&in_force.definition.slug).copied();
    let is_mirror = state.store().is_mirror();
    let (here, lacking): (Vec<_>, Vec<_>) =
        knowledge.definitions.iter().partition(|in_force| !is_mirror || size(in_force).is_some());
    let mirror = is_mirror.then(|| MirrorItem {
        of: state.store().log_name().to_owned(),
        lacks: lacking.iter().map(|in_force| in_force.definition.slug.to_string()).collect(),
    });
    let item = |in_force: &&Arc<InForce>| RegisterItem::of(in_force, size(in_force).unwrap_or_default());
    Ok(Json(RegisterList { items: here.iter().map(item).collect(), next: None, mirror }))
}
