//! The entries of some registers, in the order of the journal: each register is read from its own log, and the logs are
//! merged by position, so that what a rule does not read costs nothing.

use std::collections::{BTreeSet, VecDeque};

use eventstore::{Store, StoreError, StoredEntry};
use proofs::slug::Slug;

/// Entries read at once from a register: at some 2 KiB each, two megabytes.
const READ_ENTRIES: u32 = 1_000;

/// Entries not yet read.
pub(super) struct Stream {
    store: Store,
    lanes: Vec<Lane>,
    last: u64,
}

struct Lane {
    register: Slug,
    next: u64,
    read: VecDeque<StoredEntry>,
    ended: bool,
}

impl Stream {
    /// The entries of these registers after a position, up to another.
    pub(super) async fn open(
        store: &Store,
        registers: BTreeSet<Slug>,
        after: u64,
        last: u64,
    ) -> Result<Self, StoreError> {
        let mut lanes = Vec::with_capacity(registers.len());
        for register in registers {
            if let Some(next) = store.index_after(&register, after).await? {
                lanes.push(Lane { register, next, read: VecDeque::new(), ended: false });
            }
        }
        Ok(Self { store: store.clone(), lanes, last })
    }

    /// Up to `limit` more entries; none when there are no more.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<StoredEntry>, StoreError> {
        let mut entries = Vec::with_capacity(limit);
        while entries.len() < limit {
            for lane in &mut self.lanes {
                lane.fill(&self.store, self.last).await?;
            }
            let nearest = self
                .lanes
                .iter_mut()
                .filter(|lane| !lane.read.is_empty())
                .min_by_key(|lane| lane.read.front().map(|entry| entry.position));
            match nearest.and_then(|lane| lane.read.pop_front()) {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        Ok(entries)
    }
}

impl Lane {
    async fn fill(&mut self, store: &Store, last: u64) -> Result<(), StoreError> {
        if self.ended || !self.read.is_empty() {
            return Ok(());
        }
        let entries = store.read_register(&self.register, self.next, READ_ENTRIES).await?;
        self.ended = entries.len() < READ_ENTRIES as usize
            || entries.last().is_some_and(|entry| entry.position > last);
        self.next += entries.len() as u64;
        self.read = entries.into_iter().filter(|entry| entry.position <= last).collect();
        Ok(())
    }
}
