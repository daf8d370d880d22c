//! Batches that several projectors need, read and folded once: they go over the journal side by side, and of what a batch costs
//! a projector, most is to read it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use eventstore::Store;

use crate::{
    Batch, ProjectionError,
    batch::{self, Range},
    catalogue::Catalogue,
};

/// Batches kept for those who come after the first: as far as one projector may fall behind another and still share. At 1,000 entries
/// of some 10 kB when they are folded, 40 MB at most, while projectors are behind; nothing when they are not.
pub(crate) const PLACES_MAX: usize = 4;

/// What a projector finds at a position: its next batch, once someone has read it.
type Place = Arc<tokio::sync::Mutex<Option<Read>>>;

#[derive(Debug)]
struct Read {
    batch: Arc<Batch>,
    /// Whatever was committed up to here had been when it was read. What is withheld later is in it.
    seen: u64,
}

/// The batches that the projectors of a runner share.
#[derive(Debug)]
pub(crate) struct Shared {
    projectors: usize,
    entries_max: u32,
    /// By the position that the batch comes after, with how many projectors have taken it.
    places: Mutex<BTreeMap<u64, (Place, usize)>>,
}

impl Shared {
    /// For so many projectors that take batches of so many entries.
    pub(crate) fn new(projectors: usize, entries_max: u32) -> Self {
        Self { projectors, entries_max, places: Mutex::default() }
    }

    /// May it be shared? Whoever looks for the one entry that cannot be applied, or leaves one out, reads for itself.
    pub(crate) fn fits(&self, range: Range<'_>) -> bool {
        range.until.is_none() && range.entries_max >= self.entries_max && range.skips.is_empty()
    }

    /// Reads a batch, or takes it from who has read it; nothing when there is no entry after the position. A build that was begun at
    /// `begun` must see nothing that was withheld before.
    pub(crate) async fn read(
        &self,
        store: &Store,
        catalogue: &Catalogue,
        range: Range<'_>,
        begun: u64,
    ) -> Result<Option<Arc<Batch>>, ProjectionError> {
        let (place, next) = self.place(range.after);
        let mut read = place.lock().await;
        if read.as_ref().is_none_or(|read| read.seen < begun) {
            let head = *store.watch().borrow();
            // No further than where another projector's batch begins, so that from there on it is shared again.
            let before = next.and_then(|next| u32::try_from(next - range.after).ok()).unwrap_or(u32::MAX);
            let range = Range { entries_max: range.entries_max.min(before), ..range };
            let batch = batch::read(store, catalogue, range).await?.map(Arc::new);
            *read = batch.map(|batch| Read { seen: head.max(batch.to), batch });
        }
        let batch = read.as_ref().map(|read| Arc::clone(&read.batch));
        drop(read);
        self.taken(range.after, batch.is_some());
        Ok(batch)
    }

    /// The place at a position, and the next position that has one.
    fn place(&self, after: u64) -> (Place, Option<u64>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::clone(&places.entry(after).or_default().0);
        while places.len() > PLACES_MAX {
            // Those furthest behind: whoever is there is far from the others.
            places.pop_first();
        }
        (place, places.range(after + 1..).next().map(|(next, _)| *next))
    }

    /// What nobody needs any more goes, and so does a place where nothing is yet.
    fn taken(&self, after: u64, found: bool) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, takers)) = places.get_mut(&after) {
            *takers += 1;
            if !found || *takers >= self.projectors {
                places.remove(&after);
            }
        }
    }
}
