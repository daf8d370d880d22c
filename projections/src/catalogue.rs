//! The definitions in force, advanced along with the batches.

use std::sync::Arc;

use domain::{definitions::Definitions, platform::REGISTERS};
use eventstore::Store;
use proofs::slug::Slug;
use tokio::sync::Mutex;

use crate::{
    ProjectionError,
    batch::{self, fault},
};

/// Entries of `registers` read at once: a definition is some 10 kB, so this is about a megabyte.
const READ_ENTRIES: u32 = 100;

/// Definitions are asked for by position, so that having read further than a batch does it no harm: all projectors
/// share one catalogue, whatever position each is at.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    definitions: Arc<Definitions>,
    next_index: u64,
}

impl Catalogue {
    /// The definitions, with at least every entry that was committed before this was called.
    pub(crate) async fn fresh(&self, store: &Store) -> Result<Arc<Definitions>, ProjectionError> {
        let registers: Slug = REGISTERS.parse().map_err(|why| fault(0, why))?;
        let mut read = self.read.lock().await;
        loop {
            let entries = store.read_register(&registers, read.next_index, READ_ENTRIES).await?;
            if entries.is_empty() {
                return Ok(Arc::clone(&read.definitions));
            }
            let mut definitions = (*read.definitions).clone();
            let mut next_index = read.next_index;
            for entry in &entries {
                batch::define(&mut definitions, entry)?;
                next_index = entry.index + 1;
            }
            *read = Read { definitions: Arc::new(definitions), next_index };
        }
    }
}
