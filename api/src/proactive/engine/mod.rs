//! The engine: follows the journal and the calendar, and makes offers of what rules find.
//!
//! Any number of servers may run one on a store. They do the same work, each entry of which can be made once; whoever is
//! second finds it done. Nothing is lost by a crash at any point: the place in the journal moves on last.

mod book;
mod calendar;
mod error;
mod journal;
mod judge;
mod library;
mod place;
mod propose;
mod runner;
mod standing;
mod state;
mod withdraw;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::trigger::Rules;
use eventstore::Store;
use tokio::sync::watch;

pub use calendar::Ran;
pub use error::EngineError;
pub(super) use library::Library;
pub use runner::{Options, Proactive, Runner};
pub use state::{Counts, Handle, State};

use crate::registry::Registry;

/// The engine waits so long for a projection, and then tries again later: a projection that stands still is seen as such.
const WAIT: Duration = Duration::from_secs(30);

/// The engine, which its runner drives; tests drive it step by step.
pub struct Engine {
    registry: Registry,
    projections: projections::Handle,
    book: book::Book,
    state: watch::Sender<State>,
    /// Set when whoever drives it wants it to end.
    stopping: Arc<AtomicBool>,
}

impl Engine {
    /// On a registry, whose projections this server runs or another does.
    pub fn new(registry: Registry, projections: projections::Handle) -> Self {
        let (state, _) = watch::channel(State::default());
        Self { registry, projections, book: book::Book::default(), state, stopping: Arc::default() }
    }

    /// Takes one batch of the journal; false when there is nothing to take.
    pub async fn step(&mut self) -> Result<bool, EngineError> {
        self.take_batch().await
    }

    /// Runs what is due by the store's clock.
    pub async fn run_due(&mut self) -> Result<Ran, EngineError> {
        self.run_calendar().await
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.state.borrow().counts
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn store(&self) -> &Store {
        self.registry.store()
    }

    fn projections(&self) -> &projections::Handle {
        &self.projections
    }

    async fn rules(&mut self) -> Result<Arc<Rules>, EngineError> {
        let store = self.registry.store();
        self.book.refresh(store).await
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.state.send_modify(|state| change(&mut state.counts));
    }

    fn reached(&self, position: u64) {
        self.state.send_if_modified(|state| {
            let moved = position > state.position;
            state.position = position.max(state.position);
            moved
        });
    }
}
