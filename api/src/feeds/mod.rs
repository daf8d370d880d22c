//! Feeds: entries as they come, to those who wait for them.
//!
//! **In scope.** The one reader of a process ([`Feeds`]), which follows the journal and tells everyone who listens; what an
//! entry is to those who follow ([`Fact`]); who is told of it ([`Audience`]); its CloudEvents envelope ([`event`]).
//! **Not in scope**: who is sent what where (`webhooks`), HTTP (`routes/v1/feeds`).
//!
//! **Invariants.**
//! - However many listen, an entry is read and folded once in a process ([`Feeds::reads`] counts).
//! - Nobody waits for a listener: who falls behind reads the journal alone, and who does not read at all is let go.
//! - No body is in a [`Fact`]: it would wait in memory for the slowest.

mod audience;
mod batch;
pub mod event;
mod follower;
pub mod metrics;
mod reader;
mod stream;

pub use audience::Audience;
pub use batch::{Batch, Fact, concerned, fact_at, read_facts};
pub use follower::Follower;
pub use stream::{Hangup, stream};

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinHandle;

use crate::registry::{KnowledgeError, Registry};

/// Batches that wait for a listener who is busy. One that misses some reads them from the journal.
const WAITING_BATCHES: usize = 64;
/// How many read the journal for themselves at once: SQLite has 8 connections to read with, PostgreSQL 20.
const BEHIND_MAX: usize = 3;

/// How feeds behave.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The journal is looked at so often where no notification says that it has grown.
    pub poll: Duration,
    /// A stream that has nothing to tell says so, so that whoever is between does not take it for dead.
    pub keep_alive: Duration,
    /// A client that has taken nothing for so long while there was something to take is let go.
    pub stall: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            keep_alive: Duration::from_secs(15),
            stall: Duration::from_secs(10),
        }
    }
}

/// The feeds of a process. A clone is another handle on the same ones.
#[derive(Clone)]
pub struct Feeds(Arc<Inner>);

struct Inner {
    registry: Registry,
    settings: Settings,
    shared: Arc<Shared>,
    /// The reader's task; begun when someone first listens.
    reading: Mutex<Option<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    streams: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
}

/// What the reader and its listeners share.
struct Shared {
    batches: broadcast::Sender<Arc<Batch>>,
    /// The last position that the reader knows of.
    head: watch::Sender<u64>,
    reads: AtomicU64,
    /// Held while someone who is behind reads: a crowd that comes back at once must not take every connection.
    behind: Semaphore,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.reading.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl Feeds {
    /// Feeds that nobody follows yet.
    pub fn new(registry: Registry, settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            batches: broadcast::Sender::new(WAITING_BATCHES),
            head: watch::Sender::new(0),
            reads: AtomicU64::new(0),
            behind: Semaphore::new(BEHIND_MAX),
        });
        Self(Arc::new(Inner {
            registry,
            settings,
            shared,
            reading: Mutex::new(None),
            stop: watch::Sender::new(false),
            streams: Arc::default(),
            polls: Arc::default(),
        }))
    }

    /// How they behave.
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    /// The registry whose journal is followed.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Follows the journal from after a position.
    pub fn follow(&self, after: u64) -> Follower {
        let batches = self.0.shared.batches.subscribe();
        self.begin();
        Follower::new(self.clone(), batches, after)
    }

    /// The last position that is known, as it grows.
    pub fn head(&self) -> watch::Receiver<u64> {
        let head = self.0.shared.head.subscribe();
        self.begin();
        head
    }

    /// Turns true when the server is told to end: whoever waits or streams ends then.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.0.stop.subscribe()
    }

    /// Ends every stream and every wait, so that they do not hold up the server's end.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// How often the journal was read: by the shared reader, and by those who were behind.
    pub fn reads(&self) -> u64 {
        self.0.shared.reads.load(Ordering::Relaxed)
    }

    /// Open streams of events.
    pub fn streams(&self) -> usize {
        self.0.streams.load(Ordering::Relaxed)
    }

    /// Requests that wait for entries.
    pub fn polls(&self) -> usize {
        self.0.polls.load(Ordering::Relaxed)
    }

    /// Counts a stream for as long as it is kept.
    pub fn count_stream(&self) -> Counted {
        Counted::new(&self.0.streams)
    }

    /// Counts a wait for as long as it is kept.
    pub fn count_poll(&self) -> Counted {
        Counted::new(&self.0.polls)
    }

    /// Reads for one who is behind.
    async fn read_alone(&self, after: u64) -> Result<Option<Batch>, KnowledgeError> {
        // The semaphore is never closed; were it, reading would go on unbounded, and not end.
        let _turn = self.0.shared.behind.acquire().await.ok();
        self.0.shared.reads.fetch_add(1, Ordering::Relaxed);
        read_facts(self.registry(), after).await
    }

    /// Begins to read, when nobody has before.
    fn begin(&self) {
        let mut reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.is_none() {
            let (registry, shared) = (self.0.registry.clone(), Arc::clone(&self.0.shared));
            *reading =
                Some(tokio::spawn(reader::run(registry, shared, self.0.settings.poll, self.stopped())));
        }
    }
}

/// One of those who are counted.
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
