//! The definitions in force, and what projections leave out, advanced along with the batches.

use std::{collections::BTreeSet, sync::Arc};

use domain::{definitions::Definitions, platform::REGISTERS};
use eventstore::Store;
use proofs::slug::Slug;
use tokio::sync::Mutex;

use crate::{
    ProjectionError,
    batch::{self, fault},
    skips::{self, Positions},
};

/// Entries of `registers` read at once: a definition is some 10 kB, so this is about a megabyte.
const READ_ENTRIES: u32 = 100;

/// Definitions are asked for by position, so that having read further than a batch does it no harm: all projectors
/// share one catalogue, whatever position each is at.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    read: Mutex<Read>,
    left_out: Mutex<LeftOut>,
}

#[derive(Debug, Default)]
struct Read {
    definitions: Arc<Definitions>,
    next_index: u64,
}

#[derive(Debug, Default)]
struct LeftOut {
    positions: Positions,
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

    /// The positions that a projection leaves out, with at least every one that was said before this was called.
    pub(crate) async fn skips(
        &self,
        store: &Store,
        projection: &str,
    ) -> Result<BTreeSet<u64>, ProjectionError> {
        let mut left_out = self.left_out.lock().await;
        while let Some((skips, next_index)) = skips::read_from(store, left_out.next_index).await? {
            for skip in skips {
                left_out.positions.entry(skip.projection).or_default().insert(skip.position);
            }
            left_out.next_index = next_index;
        }
        Ok(left_out.positions.get(projection).cloned().unwrap_or_default())
    }
}
