//! The registry: the application service under HTTP and the command line alike.
//!
//! **In scope.** What is in force now (definitions and departments, folded from their registers), the root of trust of a new
//! store, and appending: checking statements, letting aggregates decide, signing for departments, submitting, and trying
//! again when something moved meanwhile. **Not in scope**: who may ask (`auth`, `routes`), reading (`projections`).
//!
//! **Invariant.** Every decision rests on records at versions that the append transaction checks again (guards): a key
//! revoked, or a register redefined, between decision and commit makes the decision be made again.

mod append;
mod bootstrap;
mod decide;
mod digest;
mod entries;
mod keys;
mod knowledge;
mod persons;
mod refusal;
mod request;
mod sign;
mod triggers;

pub use domain::definitions::InForce;
pub use entries::{Folded, FoldedStep, parse_body, view};
pub use knowledge::{Knowledge, KnowledgeError};
pub use refusal::{Reason, Refusal};
pub use request::{
    Actor, AppendRequest, BODY_BYTES_MAX, Bootstrap, Change, ENTRIES_MAX, EntryRequest,
    IDEMPOTENCY_KEY_BYTES_MAX, Outcome,
};
pub(crate) use sign::new_salt;
pub use sign::new_uuid;

use std::sync::{Arc, PoisonError, RwLock};

use eventstore::Store;
use proofs::slug::Slug;
use tokio::sync::Mutex;

/// The registry of one store. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    store: Store,
    /// What was known last; replaced whole.
    knowledge: RwLock<Arc<Knowledge>>,
    /// Held while knowledge is read from the journal, so that a crowd of readers makes one reading.
    reading: Mutex<()>,
}

impl Registry {
    /// The registry of a store: reads every definition and department that there is.
    pub async fn open(store: Store) -> Result<Self, KnowledgeError> {
        let inner = Inner { store, knowledge: RwLock::default(), reading: Mutex::new(()) };
        let registry = Self(Arc::new(inner));
        registry.refresh().await?;
        Ok(registry)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What is known: at most as old as the last [`Self::refresh`].
    pub fn knowledge(&self) -> Arc<Knowledge> {
        Arc::clone(&self.0.knowledge.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what the journal has since the last reading; answers with what is known now.
    pub async fn refresh(&self) -> Result<Arc<Knowledge>, KnowledgeError> {
        let _reading = self.0.reading.lock().await;
        let known = self.knowledge();
        let Some(newer) = known.read_on(&self.0.store).await? else { return Ok(known) };
        let newer = Arc::new(newer);
        *self.0.knowledge.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&newer);
        Ok(newer)
    }

    /// The definition of a register, looked for in the journal too when it is not known yet.
    pub async fn find(
        &self,
        register: &Slug,
    ) -> Result<(Arc<Knowledge>, Option<Arc<InForce>>), KnowledgeError> {
        let mut knowledge = self.knowledge();
        let mut found = knowledge.definitions.current(register);
        if found.is_none() {
            knowledge = self.refresh().await?;
            found = knowledge.definitions.current(register);
        }
        Ok((knowledge, found))
    }
}
