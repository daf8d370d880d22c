//! What an operator does about an entry at which a projector stands: leave it out, for a reason that stays on record
//! (`docs/decisions/0018-poison-entries.md`).

use domain::platform::{INTERVENTIONS, PLATFORM};
use eventstore::Appended;
use projections::{Pause, ProjectionError};
use proofs::slug::{EntryType, Slug};
use serde_json::json;

use crate::problem::{self, Problem, sentence};
use crate::registry::{Actor, AppendRequest, EntryRequest, Reason, Refusal, Registry};
use crate::routes::v1::registers::entries::refused;

/// The entry that leaves another out of a projection.
const SKIPPED: &str = "skipped";

/// Why nothing was left out.
#[derive(Debug, thiserror::Error)]
pub enum InterventionError {
    /// The projection stands elsewhere, or goes on.
    #[error("{projection} does not stand at the entry at position {position}: {}", stands(*.found))]
    NotThere {
        /// The projection.
        projection: String,
        /// The position that was named.
        position: u64,
        /// Where it stands.
        found: Option<u64>,
    },
    /// It is left out already.
    #[error("{projection} leaves the entry at position {position} out already")]
    Already {
        /// The projection.
        projection: String,
        /// The position that was named.
        position: u64,
    },
    /// What it withholds would stay in the projection.
    #[error(
        "the entry at position {position} withholds bodies and cannot be left out: replay the projection instead"
    )]
    Order {
        /// The position that was named.
        position: u64,
    },
    /// The entry that says so was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The projections could not be asked, or none has the name.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

fn stands(found: Option<u64>) -> String {
    found.map_or_else(|| "it goes on".to_owned(), |found| format!("it stands at position {found}"))
}

impl From<InterventionError> for Problem {
    fn from(error: InterventionError) -> Self {
        match error {
            InterventionError::NotThere { .. }
            | InterventionError::Already { .. }
            | InterventionError::Order { .. } => {
                Self::new(problem::STATE_CONFLICT, sentence(&error.to_string()))
            }
            InterventionError::Refused(refusal) => refused::problem(&refusal, false),
            InterventionError::Projection(ProjectionError::Unknown { .. }) => Self::not_found(),
            InterventionError::Projection(error) => error.into(),
        }
    }
}

/// Where a projection stands; nothing while it goes on.
pub async fn pauses(registry: &Registry, projection: &str) -> Result<Vec<Pause>, ProjectionError> {
    let statuses = projections::statuses(registry.store()).await?;
    let found = statuses.into_iter().find(|status| status.name == projection);
    let unknown = || ProjectionError::Unknown { name: projection.to_owned() };
    found.map(|status| status.pauses).ok_or_else(unknown)
}

/// Leaves the entry at which a projection stands out of it, for ever and in every build: the entry that says so is public, and
/// every server reads it. `reason` and `by` hold nothing of a person.
pub async fn skip(
    registry: &Registry,
    projection: &str,
    position: u64,
    reason: &str,
    by: &str,
) -> Result<Appended, InterventionError> {
    let pauses = pauses(registry, projection).await?;
    let Some(pause) = pauses.iter().find(|pause| pause.position == position) else {
        let found = pauses.first().map(|pause| pause.position);
        return Err(InterventionError::NotThere { projection: projection.to_owned(), position, found });
    };
    if is_order(registry, position).await? {
        return Err(InterventionError::Order { position });
    }
    let mut body = json!({
        "key": format!("{projection}/{position}"),
        "projection": projection,
        "position": position,
        // The register of an entry whose row cannot be read is not known.
        "register": pause.register.as_ref().map_or("unknown", Slug::as_str),
        "reason": reason,
        "by": by,
    });
    if let Some(index) = pause.index {
        body["index"] = json!(index);
    }
    let entry = EntryRequest::Platform {
        record: None,
        version: None,
        entry_type: name::<EntryType>(SKIPPED)?,
        effective_at: None,
        body,
    };
    let by = Actor::local(name(PLATFORM)?);
    let request = AppendRequest::new(name(INTERVENTIONS)?, by, vec![entry]);
    let outcomes = registry.append(request).await.map_err(|refusal| match refusal.reason {
        Reason::Number => InterventionError::Already { projection: projection.to_owned(), position },
        _ => refusal.into(),
    })?;
    let appended = outcomes.into_iter().next().map(|outcome| outcome.appended);
    appended.ok_or_else(|| Refusal::from(Reason::Corrupt("an append made no entry".to_owned())).into())
}

/// Is it an order that bodies be withheld? What cannot be read is none that was carried out.
async fn is_order(registry: &Registry, position: u64) -> Result<bool, InterventionError> {
    let ordered = registry.store().withheld_after(position.saturating_sub(1)).await.map_err(Refusal::from)?;
    Ok(ordered.iter().any(|one| one.by_position == position))
}

fn name<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Reason::Corrupt(format!("{text} is no name")).into())
}
