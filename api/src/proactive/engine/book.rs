//! The rules, read on from the register `triggers`.

use std::sync::Arc;

use domain::platform::TRIGGERS;
use domain::trigger::Rules;
use eventstore::{Store, StoreError};
use proofs::slug::Slug;

use super::EngineError;
use crate::registry::{parse_body, view};

/// Entries read at once: a rule is some 6 kB.
const READ_ENTRIES: u32 = 200;

/// The rules as of the last reading.
#[derive(Default)]
pub struct Book {
    rules: Arc<Rules>,
    read: u64,
}

impl Book {
    /// The rules, with every entry that was committed before this was called.
    pub async fn refresh(&mut self, store: &Store) -> Result<Arc<Rules>, EngineError> {
        let register = register()?;
        loop {
            let entries = store.read_register(&register, self.read, READ_ENTRIES).await?;
            if entries.is_empty() {
                return Ok(Arc::clone(&self.rules));
            }
            let mut rules = (*self.rules).clone();
            for entry in &entries {
                let body = parse_body(entry)?;
                // What was published was checked; should a later version of this program take it no more, the rule stays
                // as it was, and the others go on.
                if let Err(error) = rules.apply(&view(entry, body.as_ref())) {
                    tracing::error!(%error, position = entry.position, "a rule cannot be read");
                }
                self.read = entry.index + 1;
            }
            self.rules = Arc::new(rules);
        }
    }
}

/// The position of the first entry that any rule was published by; nothing when there is none.
pub async fn first_position(store: &Store) -> Result<Option<u64>, EngineError> {
    Ok(store.entry(&register()?, 0).await?.map(|entry| entry.position))
}

fn register() -> Result<Slug, StoreError> {
    TRIGGERS.parse().map_err(|error| StoreError::Internal(format!("{TRIGGERS}: {error}")))
}
