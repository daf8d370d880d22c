//! The appender: tasks that take what has arrived and commit it together. On PostgreSQL there is one for each shard, with a connection
//! of its own; on SQLite, which has one writer, one for all.

mod batch;
mod check;
mod decide;
mod known;
mod lock;
mod lookup;
mod lost;
mod skew;
mod tiles;
mod write;

pub(crate) use decide::{Accepted, Decided, Touched};
pub(crate) use lock::{Head, journal as lock_journal};
pub(crate) use skew::check as check_clock;
pub(crate) use tiles::filled;
pub(crate) use write::write;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::error::{AppendError, StoreError};
use crate::keys::Keyring;
use crate::metrics::AppendMetrics;
use crate::model::{Appended, Submission};
use crate::shards::Shards;
use crate::sql::{Db, Target};

/// What a caller is told to wait when the queue is full. It holds about a second's work.
const RETRY_AFTER_SECONDS: u32 = 1;
/// Bytes of bodies that count as one entry: a full batch then has 64 MiB of them, a full queue 1 GiB.
const ENTRY_BYTES: usize = 64 * 1024;

/// What the tasks need.
pub(crate) struct Start {
    pub db: Db,
    pub target: Target,
    pub log_name: String,
    pub keyring: Keyring,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<AppendMetrics>,
    pub publish: Arc<watch::Sender<u64>>,
    pub shards: Arc<Shards>,
    pub batch_entries_max: usize,
    pub queue_entries_max: usize,
    pub batch_timeout: Duration,
    pub clock_ahead_max: Option<Duration>,
}

/// The callers' side of the tasks.
pub(crate) struct Appender {
    /// One a task; taken when the store closes. Unbounded, since the permits bound what is in them.
    queues: Mutex<Option<Vec<mpsc::UnboundedSender<Waiting>>>>,
    tasks: i64,
    shards: Arc<Shards>,
    /// One for each entry that may wait.
    permits: Arc<Semaphore>,
    queue_entries_max: usize,
    metrics: Arc<AppendMetrics>,
}

/// A submission whose caller waits.
struct Waiting {
    submission: Submission,
    reply: oneshot::Sender<Result<Vec<Appended>, AppendError>>,
    since: Instant,
    weight: usize,
    permit: OwnedSemaphorePermit,
}

pub(crate) fn start(start: &Start) -> Result<(Appender, Vec<JoinHandle<()>>), StoreError> {
    let tasks = match start.target {
        Target::Sqlite(_) => 1,
        Target::Postgres(_) => start.shards.count(),
    };
    let (mut queues, mut running) = (Vec::new(), Vec::new());
    for _ in 0..tasks {
        let (queue, arrived) = mpsc::unbounded_channel();
        let batches = batch::Batches::new(start)?;
        queues.push(queue);
        running.push(tokio::spawn(run(batches, start.batch_entries_max, start.metrics.clone(), arrived)));
    }
    let appender = Appender {
        queues: Mutex::new(Some(queues)),
        tasks,
        shards: start.shards.clone(),
        permits: Arc::new(Semaphore::new(start.queue_entries_max)),
        queue_entries_max: start.queue_entries_max,
        metrics: start.metrics.clone(),
    };
    Ok((appender, running))
}

impl Appender {
    pub(crate) async fn submit(&self, submission: Submission) -> Result<Vec<Appended>, AppendError> {
        check::submission(&submission)?;
        // What touches several shards goes to the lowest's task. Any task may do it: it is the database's locks that keep shards
        // apart, so that shards that another process made since, and registers that it opened, need not be known here.
        let shard = if self.tasks == 1 { 0 } else { self.shards.lowest(&submission) };
        let task = usize::try_from(shard % self.tasks).unwrap_or_default();
        // A list may be larger than a small queue; it then needs the whole of it.
        let weight = weight(&submission).clamp(1, self.queue_entries_max);
        let permits = u32::try_from(weight).unwrap_or(u32::MAX);
        let permit = self.permits.clone().try_acquire_many_owned(permits).map_err(|_| {
            self.metrics.overloaded.fetch_add(1, Ordering::Relaxed);
            AppendError::Overloaded { retry_after_seconds: RETRY_AFTER_SECONDS }
        })?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { submission, reply, since: Instant::now(), weight, permit };
        {
            let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queues.as_ref().and_then(|queues| queues.get(task)).ok_or(AppendError::Closed)?;
            self.metrics.waiting.fetch_add(weight as u64, Ordering::Relaxed);
            queue.send(waiting).map_err(|_| AppendError::Closed)?;
        }
        // No answer means that the task died with the submission in its hands.
        let lost = || StoreError::OutcomeUnknown("the appender ended".to_owned());
        answer.await.map_err(|_| lost())?
    }

    /// Takes no more; what waits is still appended.
    pub(crate) fn close(&self) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// What a submission counts for in the queue and in a batch: its entries, or more when its bodies are large, so that bounds in
/// entries bound memory too, and no batch grows beyond what PostgreSQL takes in one message.
fn weight(submission: &Submission) -> usize {
    let bytes: usize = submission.entries.iter().map(|new| new.body.len()).sum();
    submission.entries.len().max(bytes / ENTRY_BYTES)
}

/// Commits batch after batch until the queue is closed and empty.
async fn run(
    mut batches: batch::Batches,
    bound: usize,
    metrics: Arc<AppendMetrics>,
    mut arrived: mpsc::UnboundedReceiver<Waiting>,
) {
    let mut waiting = VecDeque::new();
    let mut buffer = Vec::new();
    loop {
        if waiting.is_empty() {
            if arrived.recv_many(&mut buffer, bound).await == 0 {
                return batches.close().await;
            }
            waiting.extend(buffer.drain(..));
            // Lets those whom the last commit woke come along; costs nothing when there are none.
            tokio::task::yield_now().await;
        }
        while let Ok(more) = arrived.try_recv() {
            waiting.push_back(more);
        }
        let taken = take(&mut waiting, bound);
        let weight: usize = taken.iter().map(|one| one.weight).sum();
        let batch = AssertUnwindSafe(batches.run(taken));
        if batch.catch_unwind().await.is_err() {
            // Whoever was in it is told that the outcome is unknown, as their channels closed. The next batch reads everything
            // anew; without it this server would take no entry until it is restarted.
            tracing::error!("a batch ended by a panic");
            batches.forget();
            metrics.failed_batches.fetch_add(1, Ordering::Relaxed);
            metrics.waiting.fetch_sub(weight as u64, Ordering::Relaxed);
        }
    }
}

/// The first of those who wait, up to the bound in entries, and at least one.
fn take(waiting: &mut VecDeque<Waiting>, bound: usize) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let mut entries = 0;
    while let Some(next) = waiting.front() {
        entries += next.weight;
        if entries > bound && !batch.is_empty() {
            break;
        }
        batch.extend(waiting.pop_front());
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::{lookup, tiles};
    use crate::args;
    use crate::shards;
    use crate::sql::{Db, Target};

    /// A query that scans a table costs each batch more as the log grows, and nothing else would show it before production.
    #[tokio::test]
    async fn sqlite_looks_everything_up_by_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(&Target::Sqlite(directory.path().join("reestr.db"))).await.unwrap();
        let mut queries = tiles::queries(db.dialect());
        queries.push(shards::find_sql(db.dialect()));
        queries.extend([1, 4].into_iter().flat_map(|count| lookup::queries(db.dialect(), count)));
        assert_eq!(queries.len(), 15);
        for query in queries {
            let arguments = if query.contains("$2") { args!["[]", 0_i64] } else { args!["[]"] };
            let plan = db.fetch_all(&format!("EXPLAIN QUERY PLAN {query}"), arguments).await.unwrap();
            let steps: Vec<_> = plan.iter().map(|step| step.text("detail").unwrap()).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH")), "{query}\n{steps:#?}");
            // To search by the shard alone is to scan: everything is in one. The list of shards is short.
            let scans = |step: &&String| {
                let listed = ["json_each", "SCAN CONSTANT ROW", "SCAN s"];
                let scan = step.starts_with("SCAN") && !listed.iter().any(|one| step.contains(one));
                scan || step.contains("(shard=?)")
            };
            assert_eq!(steps.iter().find(scans), None, "{query}\n{steps:#?}");
        }
        db.close().await;
    }
}
