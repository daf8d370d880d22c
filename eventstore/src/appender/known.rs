//! What a server knows of the journal from its own last batch: while nobody else appends, that is how it still is. A batch then needs
//! no lock: it reads what it rests on in one statement, unless all that it makes is new, and is written by another, which changes nothing
//! when the journal does not end any more where it did.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use proofs::hash::Hash;
use proofs::merkle::Frontier;
use proofs::note::NoteSigner;
use proofs::slug::Slug;
use proofs::tile::TILE_WIDTH;

use super::decide::{Decided, Touched};
use super::lock::Head;
use super::lookup::{LogFacts, Records};
use super::tiles::{self, Older};
use crate::model::Submission;
use crate::shards::registers;

/// Logs remembered at most: each is about 2 kB, and as much again per hundred leaves of its last tile, 12 MB in all.
const LOGS_MAX: usize = 1_024;
/// After another server was first, so many batches take the lock: it will be there again.
const SHY_BATCHES: u32 = 16;
/// Records remembered at most, of some 100 bytes.
const RECORDS_MAX: usize = 4 * LOGS_MAX;
/// After something was there that was taken to be new, so many batches look first: who repeats himself may go on to.
const WARY_BATCHES: u32 = 16;

/// The journal as the last batch left it.
#[derive(Default)]
pub(super) struct Known {
    head: Option<Head>,
    logs: HashMap<Slug, KnownLog>,
    /// In the order in which they were first remembered.
    order: VecDeque<Slug>,
    shy: u32,
    wary: u32,
    /// Versions of records that submissions rested on: definitions and departments, mostly.
    records: Records,
}

struct KnownLog {
    frontier: Frontier,
    signers: Vec<Arc<NoteSigner>>,
    /// The leaves of the last tile, which is not full; none where they are not known.
    edge: Option<Vec<Hash>>,
}

impl Known {
    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        (self.head, self.shy) = (None, 0);
        self.logs.clear();
        self.order.clear();
        self.records.clear();
    }

    /// Someone else has appended.
    pub(super) fn overtaken(&mut self) {
        self.forget();
        self.shy = SHY_BATCHES;
    }

    /// The head that a batch can be decided on, if all that it touches is known and signed here.
    pub(super) fn head(&self, batch: &[Submission]) -> Option<Head> {
        let plain = |one: &Submission| {
            one.opens.is_empty()
                && one.rekeys.is_empty()
                && one.withholds.is_empty()
                && !one.entries.is_empty()
        };
        let known = |register: &Slug| {
            self.logs.get(register).is_some_and(|log| log.signers.iter().all(|signer| signer.is_local()))
        };
        let fits = batch.iter().all(plain) && batch.iter().flat_map(registers).all(known);
        self.head.filter(|_| fits)
    }

    /// What a batch rests on, if it can be decided without a look. What it rests on is known, and it makes nothing but new records,
    /// each step by its version: should one of them be there, or a number or a key of a request be used, a unique key refuses the
    /// batch whole.
    pub(super) fn presumes(&mut self, batch: &[Submission]) -> Option<Records> {
        if self.wary > 0 {
            self.wary -= 1;
            return None;
        }
        let mut begun = HashSet::new();
        let new = batch.iter().flat_map(|one| &one.entries).all(|new| {
            let said = new.statement.statement();
            if said.version == 1 { begun.insert(said.record) } else { begun.contains(&said.record) }
        });
        if !new {
            return None;
        }
        let guards = batch.iter().flat_map(|one| &one.guards);
        guards.map(|guard| Some((guard.record, self.records.get(&guard.record)?.clone()))).collect()
    }

    /// Remembers what a look found of the records that submissions rest on, before what the batch itself makes of them.
    pub(super) fn found(&mut self, guards: Records) {
        if self.records.len() + guards.len() > RECORDS_MAX {
            self.records.clear();
        }
        self.records.extend(guards);
    }

    /// What was taken to be new was there.
    pub(super) fn mistaken(&mut self) {
        self.wary = WARY_BATCHES;
    }

    pub(super) fn logs(&self, batch: &[Submission]) -> HashMap<Slug, LogFacts> {
        let fact = |register: &Slug| {
            let log = self.logs.get(register)?;
            Some((
                register.clone(),
                LogFacts { frontier: log.frontier.clone(), signers: log.signers.clone() },
            ))
        };
        batch.iter().flat_map(registers).filter_map(fact).collect()
    }

    /// Hashes from before a batch that the tiles it fills need; none when they are not all known.
    pub(super) fn older(&self, logs: &[Touched]) -> Option<Older> {
        let mut older = Older::new();
        for log in logs.iter().filter(|log| tiles::fills(log, 0)) {
            if tiles::fills(log, 1) {
                return None;
            }
            older.insert((log.register.clone(), 0), self.logs.get(&log.register)?.edge.clone()?);
        }
        Some(older)
    }

    /// Remembers what a batch left, that was decided on a head.
    pub(super) fn remember(&mut self, before: Head, decided: &Decided) {
        if self.head.is_some_and(|head| head.position != before.position) {
            self.forget();
        }
        self.shy = self.shy.saturating_sub(1);
        if self.shy > 0 {
            return;
        }
        for entry in &decided.entries {
            let said = entry.statement.statement();
            if let Some((_, version)) = self.records.get_mut(&said.record) {
                *version = said.version;
            }
        }
        let (position, recorded_at, shards) = (decided.position, decided.recorded_at, decided.shards);
        self.head = Some(Head { position, recorded_at, shards });
        for log in &decided.logs {
            let edge = edge(self.logs.get(&log.register).and_then(|known| known.edge.as_deref()), log);
            let known = KnownLog { frontier: log.frontier.clone(), signers: log.signers.clone(), edge };
            if self.logs.insert(log.register.clone(), known).is_none() {
                self.order.push_back(log.register.clone());
            }
        }
        while self.order.len() > LOGS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.logs.remove(&oldest);
            }
        }
    }
}

/// The leaves of a log's last tile after a batch, from those before it.
fn edge(before: Option<&[Hash]>, log: &Touched) -> Option<Vec<Hash>> {
    let width = u64::from(TILE_WIDTH);
    let count = usize::try_from(log.frontier.size() % width).ok()?;
    let new = &log.new_hashes;
    if let Some(from) = new.len().checked_sub(count) {
        return Some(new[from..].to_vec());
    }
    let before = if log.size_before.is_multiple_of(width) { &[] } else { before? };
    (before.len() + new.len() == count).then(|| [before, new].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofs::hash::leaf_hash;

    fn leaves(range: std::ops::Range<u64>) -> Vec<Hash> {
        range.map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// Batches of any sizes: the edge is always the leaves of the last tile.
    #[test]
    fn the_edge_follows_the_log() {
        let signer =
            proofs::note::NoteSigner::new("x/y", proofs::key::PrivateKey::from_seed(&[7; 32])).unwrap();
        let (mut frontier, mut known, mut size) = (Frontier::new(), None, 0);
        for count in [1, 3, 252, 1, 255, 256, 1, 600, 5, 0, 250, 700] {
            let new_hashes = leaves(size..size + count);
            frontier.extend(new_hashes.iter().copied());
            let log = Touched {
                shard: 0,
                register: "fishing-permits".parse().unwrap(),
                opened: false,
                size_before: size,
                new_hashes,
                frontier: frontier.clone(),
                key: signer.verifier(),
                older_keys: vec![],
                signers: vec![],
                root: frontier.root(),
                checkpoint: String::new(),
            };
            size += count;
            known = edge(known.as_deref(), &log);
            assert_eq!(known, Some(leaves(size / 256 * 256..size)), "of {size}");
            if count == 1 {
                assert_eq!(edge(None, &log).is_some(), size % 256 <= 1, "of {size}, with nothing known");
            }
        }
    }
}
