//! Why the engine could not go on. It tries again; what it did until then, it finds done.

use domain::DomainError;
use eventstore::StoreError;
use projections::ProjectionError;

use crate::registry::{KnowledgeError, Refusal};

/// Why a step of the engine came to nothing. No text has anything of a body in it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in force cannot be known.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// A projection failed, or is so far behind that it was not waited for any longer.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// Stored entries contradict their definitions.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// An entry of the platform's own was refused.
    #[error("an entry of the engine was refused: {0}")]
    Refused(#[from] Refusal),
    /// The runner has ended.
    #[error("the engine has been stopped")]
    Stopped,
}
