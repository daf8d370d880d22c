//! The definitions in force, and what projections leave out, advanced along with the batches.

use std::{collections::BTreeSet, sync::Arc};

use domain::{definitions::Definitions, platform::REGISTERS};
use eventstore::{Store, sql::Dialect};
use proofs::slug::Slug;
use tokio::sync::Mutex;

use crate::{
    Batch, ProjectionError,
    batch::{self, Range, fault},
    builds::Build,
    shared::Shared,
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
    /// Nothing where one projector goes its own way.
    shared: Option<Shared>,
}

#[derive(Debug, Default)]
struct Read {
    definitions: Arc<Definitions>,
    next_index: u64,
    /// Whatever was committed up to here is in it.
    known_to: u64,
}

#[derive(Debug, Default)]
struct LeftOut {
    positions: Positions,
    next_index: u64,
    known_to: u64,
}

impl Catalogue {
    /// The catalogue of so many projectors that go side by side with batches of so many entries.
    pub(crate) fn shared(projectors: usize, entries_max: u32) -> Self {
        Self { shared: Some(Shared::new(projectors, entries_max)), ..Self::default() }
    }

    /// Reads a batch for a build; nothing when the range is empty.
    pub(crate) async fn batch(
        &self,
        store: &Store,
        range: Range<'_>,
        build: Build,
    ) -> Result<Option<Arc<Batch>>, ProjectionError> {
        match &self.shared {
            Some(shared) if shared.fits(range) => shared.read(store, self, range, build.begun).await,
            _ => Ok(batch::read(store, self, range).await?.map(Arc::new)),
        }
    }

    /// Entries from one position to another were read, and none of them was of `registers`: what is known of them goes so far.
    pub(crate) async fn passed(&self, after: u64, to: u64) {
        let mut read = self.read.lock().await;
        if read.known_to >= after {
            read.known_to = read.known_to.max(to);
        }
    }

    /// The definitions, with at least every entry up to a position that was read already.
    pub(crate) async fn fresh(&self, store: &Store, to: u64) -> Result<Arc<Definitions>, ProjectionError> {
        let registers: Slug = REGISTERS.parse().map_err(|why| fault(0, why))?;
        let mut read = self.read.lock().await;
        if read.known_to >= to {
            return Ok(Arc::clone(&read.definitions));
        }
        let known_to = to.max(*store.watch().borrow());
        loop {
            let entries = store.read_register(&registers, read.next_index, READ_ENTRIES).await?;
            if entries.is_empty() {
                read.known_to = known_to;
                return Ok(Arc::clone(&read.definitions));
            }
            let mut definitions = (*read.definitions).clone();
            let mut next_index = read.next_index;
            for entry in &entries {
                batch::define(&mut definitions, entry)?;
                next_index = entry.index + 1;
            }
            (read.definitions, read.next_index) = (Arc::new(definitions), next_index);
        }
    }

    /// The positions that a projection leaves out, with every one that was said before the last commit that this process knows of.
    pub(crate) async fn skips(
        &self,
        store: &Store,
        projection: &str,
    ) -> Result<BTreeSet<u64>, ProjectionError> {
        let head = *store.watch().borrow();
        // Nobody tells of what another process appends to an SQLite file.
        let told = store.db().dialect() == Dialect::Postgres;
        let mut left_out = self.left_out.lock().await;
        // All projectors ask after each commit.
        while !told || head == 0 || left_out.known_to < head {
            let Some((skips, next_index)) = skips::read_from(store, left_out.next_index).await? else {
                left_out.known_to = head;
                break;
            };
            for skip in skips {
                left_out.positions.entry(skip.projection).or_default().insert(skip.position);
            }
            left_out.next_index = next_index;
        }
        Ok(left_out.positions.get(projection).cloned().unwrap_or_default())
    }
}
