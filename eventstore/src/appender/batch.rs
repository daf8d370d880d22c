//! One batch, from the first look to the last answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proofs::slug::Slug;
use tokio::sync::{oneshot, watch};

use super::decide::{self, Decided, Undecided};
use super::lookup::{self, Signers};
use super::{Start, Waiting, tiles, write};
use crate::clock::Clock;
use crate::error::{AppendError, StoreError};
use crate::failpoint::{self, Step};
use crate::keys::Keyring;
use crate::listen;
use crate::metrics::AppendMetrics;
use crate::model::{Appended, Submission};
use crate::sql::{Db, Dialect, Target, Tx};

/// From this many entries on, a batch is hashed and signed off the async threads: at about 5 µs an entry, a millisecond. So is one
/// of which a checkpoint is signed elsewhere.
const BLOCKING_ENTRIES: usize = 200;

type Answer = Result<Vec<Appended>, AppendError>;
type Reply = (oneshot::Sender<Result<Vec<Appended>, AppendError>>, Instant, usize);

/// Commits batches, one after the other.
pub(super) struct Batches {
    /// The appender's own.
    db: Db,
    /// What `db` is made from.
    base: Db,
    target: Target,
    timeout: Duration,
    log_name: Arc<str>,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    metrics: Arc<AppendMetrics>,
    publish: Arc<watch::Sender<u64>>,
    /// The only thing remembered between batches; each is checked against the log's row.
    signers: Signers,
}

impl Batches {
    pub(super) fn new(start: Start) -> Result<Self, StoreError> {
        Ok(Self {
            db: start.db.for_appender(&start.target)?,
            base: start.db,
            target: start.target,
            timeout: start.batch_timeout,
            log_name: start.log_name.into(),
            keyring: start.keyring,
            clock: start.clock,
            metrics: start.metrics,
            publish: start.publish,
            signers: Signers::new(),
        })
    }

    /// Forgets what is remembered between batches.
    pub(super) fn forget(&mut self) {
        self.signers.clear();
    }

    /// Commits what can be, and tells everyone. A conflict is its own submission's; any other error is everyone's.
    pub(super) async fn run(&mut self, waiting: Vec<Waiting>) {
        let mut batch = Vec::with_capacity(waiting.len());
        let mut replies: Vec<Reply> = Vec::with_capacity(waiting.len());
        let mut permits = Vec::with_capacity(waiting.len());
        for one in waiting {
            batch.push(one.submission);
            replies.push((one.reply, one.since, one.weight));
            permits.push(one.permit);
        }
        let in_time = tokio::time::timeout(self.timeout, self.commit_signed(batch)).await;
        let outcome = in_time.unwrap_or_else(|_| {
            self.reconnect();
            Err(StoreError::OutcomeUnknown("the database did not answer in time".to_owned()))
        });
        let answers = match outcome {
            Ok(answers) => answers,
            Err(error) => {
                self.forget();
                self.metrics.failed_batches.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, submissions = replies.len(), "a batch failed");
                replies.iter().map(|_| Err(AppendError::Store(error.clone()))).collect()
            }
        };
        drop(permits);
        for ((reply, since, weight), answer) in replies.into_iter().zip(answers) {
            if matches!(&answer, Err(error) if !matches!(error, AppendError::Store(_))) {
                self.metrics.refused.fetch_add(1, Ordering::Relaxed);
            }
            self.metrics.answered(since.elapsed(), weight as u64);
            // Whoever does not wait any more is not told; the entries stand.
            let _ = reply.send(answer);
        }
        failpoint::pass(Step::Told);
    }

    /// Commits what can be signed: a device that is away stops the registers that it signs, and no other.
    async fn commit_signed(&mut self, batch: Vec<Submission>) -> Result<Vec<Answer>, StoreError> {
        let mut answers: Vec<Option<Answer>> = batch.iter().map(|_| None).collect();
        let mut places: Vec<usize> = (0..batch.len()).collect();
        let mut batch = batch;
        // Each round but the last takes out at least one register.
        loop {
            match self.commit(batch).await? {
                Outcome::Committed(committed) => {
                    for (place, answer) in places.into_iter().zip(committed) {
                        answers[place] = Some(answer);
                    }
                    let lost = || StoreError::Internal("a submission has no answer".to_owned());
                    return answers.into_iter().map(|answer| answer.ok_or_else(lost)).collect();
                }
                Outcome::Unsigned { register, error, whole } => {
                    tracing::error!(%error, "entries are refused until it can");
                    let (refused, rest): (Vec<_>, Vec<_>) =
                        places.into_iter().zip(whole).partition(|(_, one)| names(one, &register));
                    if refused.is_empty() {
                        return Err(error);
                    }
                    for (place, _) in refused {
                        answers[place] = Some(Err(AppendError::Store(error.clone())));
                    }
                    (places, batch) = rest.into_iter().unzip();
                }
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Submission>) -> Result<Outcome, StoreError> {
        failpoint::pass(Step::Begin);
        let mut tx = self.begin().await?;
        let facts = lookup::read(&mut tx, &batch, &self.log_name, &self.keyring, &mut self.signers).await?;
        failpoint::pass(Step::LookedUp);
        let now = self.clock.now();
        let whole = if facts.signs_locally() { Vec::new() } else { batch.clone() };
        let decided = match self.decide(batch, facts, now).await {
            Ok(decided) => decided,
            Err(Undecided::Unsigned { register, error }) => {
                tx.rollback().await?;
                return Ok(Outcome::Unsigned { register, error, whole });
            }
            Err(Undecided::Store(error)) => return Err(error),
        };
        if decided.logs.is_empty() {
            tx.rollback().await?;
            return Ok(Outcome::Committed(decided.answers));
        }
        failpoint::pass(Step::Decided);
        let tiles = tiles::filled(&mut tx, &decided.logs).await?;
        failpoint::pass(Step::Tiled);
        write::write(&mut tx, &decided, &tiles).await?;
        failpoint::pass(Step::Written);
        tx.commit().await?;
        failpoint::pass(Step::Committed);
        listen::raise(&self.publish, decided.position);
        let entries = decided.entries.len() as u64;
        self.metrics.entries.fetch_add(entries, Ordering::Relaxed);
        self.metrics.batch_entries.observe(entries);
        Ok(Outcome::Committed(decided.answers))
    }

    /// Leaves a connection behind that nothing came from: it may never be given back, and the pool has no other. What it had begun
    /// is ended by the server, or was committed; the next batch waits for the head until either has happened.
    fn reconnect(&mut self) {
        match self.base.for_appender(&self.target) {
            Ok(db) => self.db = db,
            Err(error) => tracing::error!(%error, "could not make a new connection for appending"),
        }
    }

    /// Closes the appender's own connection. On SQLite it is the one writer, which closes with the store.
    pub(super) async fn close(self) {
        if self.db.dialect() == Dialect::Postgres {
            // What does not end is left behind.
            let _ = tokio::time::timeout(self.timeout, self.db.close()).await;
        }
    }

    /// A connection may have died since the last batch. Nothing is lost yet, so one more attempt, on a new one.
    async fn begin(&self) -> Result<Tx, StoreError> {
        match self.db.begin().await {
            Ok(tx) => Ok(tx),
            Err(error) => {
                tracing::warn!(%error, "could not begin a batch; trying once more");
                self.db.begin().await
            }
        }
    }

    async fn decide(
        &self,
        batch: Vec<Submission>,
        facts: lookup::Facts,
        now: proofs::time::Timestamp,
    ) -> Result<Decided, Undecided> {
        let entries: usize = batch.iter().map(|one| one.entries.len()).sum();
        if entries < BLOCKING_ENTRIES && facts.signs_locally() {
            return decide::decide(batch, facts, now);
        }
        tokio::task::spawn_blocking(move || decide::decide(batch, facts, now))
            .await
            .map_err(|error| Undecided::Store(StoreError::Internal(error.to_string())))?
    }
}

/// What became of a batch.
enum Outcome {
    Committed(Vec<Answer>),
    /// Nothing, since the checkpoint of a register could not be signed. The batch is given back.
    Unsigned {
        register: Slug,
        error: StoreError,
        whole: Vec<Submission>,
    },
}

/// Does a submission need a checkpoint of the register?
fn names(submission: &Submission, register: &Slug) -> bool {
    let entries = submission.entries.iter().any(|new| new.statement.statement().register == *register);
    let opens = submission.opens.iter().any(|open| open.register == *register);
    entries || opens || submission.rekeys.iter().any(|rekey| rekey.register == *register)
}
