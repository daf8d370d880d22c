//! Orders outlive the store (`docs/decisions/0023-withholding.md`).
//!
//! **In scope.** The ledger of orders beside the store; finding, when a store is opened, what was withheld and is there again;
//! removing it again, and carrying out orders that the store has lost; seeing to it that nothing stays in the files.
//! **Not in scope**: whether an order is lawful, which the department answers for; the removal itself, which is the appender's.
//!
//! **Invariant.** An order that was acknowledged by this server is in its ledger; one that another server took is there a moment
//! later.

mod again;
mod ledger;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::failpoint::{self, Step};
use eventstore::{Leaf, Store, StoreError, Withheld};
use proofs::slug::Slug;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

pub use again::Signer;
pub use ledger::{Ledger, Noted, Place};

use crate::registry::{Refusal, Registry, parse_body};

/// How often orders that other servers took are looked for: it is one look-up in an index.
const LOOK: Duration = Duration::from_secs(1);
/// Places of entries looked up in one query.
const PLACES: usize = 1_000;

/// Why the ledger and the store could not be held against each other.
#[derive(Debug, thiserror::Error)]
pub enum WithholdingError {
    /// The ledger cannot be read or written.
    #[error("the ledger of orders {place} cannot be used")]
    Ledger {
        /// Where it is.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An order could not be carried out again.
    #[error("the order at index {index} of {register} cannot be carried out again")]
    Refused {
        /// The register.
        register: Slug,
        /// Index of the order as it was.
        index: u64,
        /// Why.
        #[source]
        source: Box<Refusal>,
    },
}

/// An order that the ledger has and the store has not, though it has what the order withholds.
#[derive(Debug, Clone)]
pub struct Missing {
    /// The order.
    pub noted: Noted,
    /// The entries whose bodies it withholds and that no order of the store does.
    pub leaves: Vec<Leaf>,
}

/// The store and its ledger. Cheap to clone.
#[derive(Clone)]
pub struct Withholding(Arc<Inner>);

struct Inner {
    registry: Registry,
    ledger: Arc<dyn Ledger>,
    /// Position of the last order that is in the ledger; nothing until it was read.
    noted: Mutex<Option<u64>>,
    removed_again: AtomicU64,
}

impl Withholding {
    /// Of a store, with its ledger.
    pub fn new(registry: Registry, ledger: Arc<dyn Ledger>) -> Self {
        let inner = Inner { registry, ledger, noted: Mutex::new(None), removed_again: AtomicU64::new(0) };
        Self(Arc::new(inner))
    }

    fn store(&self) -> &Store {
        self.0.registry.store()
    }

    /// Where the ledger is.
    pub fn place(&self) -> String {
        self.0.ledger.place()
    }

    /// Bodies that were there though an order withholds them, and were removed again by this process.
    pub fn removed_again(&self) -> u64 {
        self.0.removed_again.load(Ordering::Relaxed)
    }

    /// Orders that the ledger has and the store lacks: the store was restored from before them.
    pub async fn missing(&self) -> Result<Vec<Missing>, WithholdingError> {
        let noted = self.read().await?;
        let places: Vec<(Slug, u64)> = noted
            .iter()
            .flat_map(|order| order.withheld.iter().map(|place| (order.register.clone(), place.index)))
            .collect();
        let mut found: HashMap<(Slug, u64), Leaf> = HashMap::new();
        for some in places.chunks(PLACES) {
            let leaves = self.store().leaves(some).await?;
            found.extend(leaves.into_iter().map(|leaf| ((leaf.register.clone(), leaf.index), leaf)));
        }
        let missing = noted.into_iter().map(|noted| {
            let lacks = |place: &Place| {
                let leaf = found.get(&(noted.register.clone(), place.index))?;
                // Another entry at the same index is of a log that went another way: nothing of what was withheld is in it.
                (leaf.hash == place.leaf && !leaf.withheld).then(|| leaf.clone())
            };
            let leaves: Vec<Leaf> = noted.withheld.iter().filter_map(lacks).collect();
            Missing { noted, leaves }
        });
        Ok(missing.filter(|missing| !missing.leaves.is_empty()).collect())
    }

    /// Removes bodies again that are there though an order of the store withholds them, and writes down that they were.
    pub async fn remove_again(&self) -> Result<u64, WithholdingError> {
        let mut removed = 0;
        loop {
            let back = self.store().served_though_withheld().await?;
            if back.is_empty() {
                return Ok(removed);
            }
            removed += self.store().remove_again(&back).await?;
            self.0.removed_again.fetch_add(back.len() as u64, Ordering::Relaxed);
            for one in &back {
                let Withheld { register, index, by_index, .. } = one;
                tracing::error!(%register, index, by_index, "a body was there that an order withholds; it is removed again");
            }
            again::write_down(&self.0.registry, &back).await;
            self.store().scrub_journal().await?;
        }
    }

    /// Notes the orders that the store has and the ledger lacks.
    pub async fn catch_up(&self) -> Result<(), WithholdingError> {
        let mut noted = self.0.noted.lock().await;
        let mut after = if let Some(position) = *noted { position } else { self.first_unnoted().await? };
        loop {
            let page = self.store().withheld_after(after).await?;
            let Some(last) = page.last() else { break };
            after = last.by_position;
            let mut orders = Vec::new();
            for of_order in page.chunk_by(|one, next| one.by_position == next.by_position) {
                orders.extend(self.noted(of_order).await?);
            }
            failpoint::pass(Step::Ordered);
            self.note(orders).await?;
            failpoint::pass(Step::Noted);
        }
        *noted = Some(after);
        Ok(())
    }

    /// Until where the orders of the store are in the ledger. Those that came by way of another server may be anywhere, so that
    /// all are looked at; there are few.
    async fn first_unnoted(&self) -> Result<u64, WithholdingError> {
        let known: HashMap<(Slug, u64), proofs::hash::Hash> =
            self.read().await?.into_iter().map(|noted| ((noted.register, noted.index), noted.leaf)).collect();
        let mut after = 0;
        loop {
            let page = self.store().withheld_after(after).await?;
            let places: Vec<(Slug, u64)> =
                page.iter().map(|one| (one.register.clone(), one.by_index)).collect();
            let mut hashes = HashMap::new();
            for some in places.chunks(PLACES) {
                let leaves = self.store().leaves(some).await?;
                hashes.extend(leaves.into_iter().map(|leaf| ((leaf.register, leaf.index), leaf.hash)));
            }
            let is_known = |one: &&Withheld| {
                let place = (one.register.clone(), one.by_index);
                known.get(&place).is_some_and(|leaf| hashes.get(&place) == Some(leaf))
            };
            match page.iter().find(|one| !is_known(one)) {
                Some(first) => return Ok(first.by_position - 1),
                None => match page.last() {
                    Some(last) => after = last.by_position,
                    None => return Ok(after),
                },
            }
        }
    }

    /// What is noted of an order.
    async fn noted(&self, withheld: &[Withheld]) -> Result<Option<Noted>, WithholdingError> {
        let Some(first) = withheld.first() else { return Ok(None) };
        let mut places: Vec<(Slug, u64)> =
            withheld.iter().map(|one| (one.register.clone(), one.index)).collect();
        places.push((first.register.clone(), first.by_index));
        let leaves = self.store().leaves(&places).await?;
        let hash = |index: u64| leaves.iter().find(|leaf| leaf.index == index).map(|leaf| leaf.hash);
        let place = |one: &Withheld| Some(Place { index: one.index, leaf: hash(one.index)? });
        let entry = self.store().entry(&first.register, first.by_index).await?;
        let body = entry.as_ref().map(parse_body).transpose()?.flatten();
        let Some(leaf) = hash(first.by_index) else { return Ok(None) };
        Ok(Some(Noted {
            register: first.register.clone(),
            index: first.by_index,
            leaf,
            order: body.as_ref().map(ledger::identity).unwrap_or_default(),
            withheld: withheld.iter().filter_map(place).collect(),
        }))
    }

    async fn read(&self) -> Result<Vec<Noted>, WithholdingError> {
        let ledger = Arc::clone(&self.0.ledger);
        self.off_async(move || ledger.read()).await
    }

    async fn note(&self, orders: Vec<Noted>) -> Result<(), WithholdingError> {
        let ledger = Arc::clone(&self.0.ledger);
        self.off_async(move || ledger.note(&orders)).await
    }

    async fn off_async<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, WithholdingError> {
        let done =
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|source| WithholdingError::Ledger { place: self.place(), source })
    }

    /// Follows the store: notes orders, also those of other servers, and takes what they withhold out of the files.
    pub async fn follow(self) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tidy = 0;
        loop {
            tick.tick().await;
            if let Err(error) = self.look(&mut tidy).await {
                tracing::warn!(error = %error, "what orders withhold could not be looked after; it is tried again");
            }
        }
    }

    async fn look(&self, tidy: &mut u64) -> Result<(), WithholdingError> {
        let last = self.store().last_order().await?;
        if *self.0.noted.lock().await != Some(last) {
            self.catch_up().await?;
        }
        if *tidy < last && self.store().scrub_journal().await? {
            *tidy = last;
        }
        Ok(())
    }
}
