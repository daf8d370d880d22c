//! One batch, from the first look to the last answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proofs::slug::Slug;
use tokio::sync::{oneshot, watch};

use super::decide::{self, Decided, Undecided};
use super::known::Known;
use super::lock::{self, Head};
use super::lookup::{self, Facts, Records, Signers, Unlocked};
use super::lost::{self, Lost};
use super::skew::Skew;
use super::tiles::FullTile;
use super::{Start, Waiting, tiles, write};
use crate::clock::Clock;
use crate::error::{AppendError, StoreError};
use crate::failpoint::{self, Step};
use crate::keys::Keyring;
use crate::listen;
use crate::metrics::AppendMetrics;
use crate::model::{Appended, Submission};
use crate::shards::{Places, Shards, registers};
use crate::sql::{Db, Dialect, Target, Tx};

/// From this many entries on, a batch is hashed and signed off the async threads: at about 5 µs an entry, a millisecond. So is one
/// of which a checkpoint is signed elsewhere.
const BLOCKING_ENTRIES: usize = 200;

/// Attempts of a batch at most. One is lost when the number of shards has grown, which it does a few times in a store's life.
const ATTEMPTS: usize = 8;

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
    shards: Arc<Shards>,
    /// Each is checked against the log's row.
    signers: Signers,
    known: Known,
    skew: Skew,
}

impl Batches {
    pub(super) fn new(start: &Start) -> Result<Self, StoreError> {
        Ok(Self {
            db: start.db.for_appender(&start.target)?,
            base: start.db.clone(),
            target: start.target.clone(),
            timeout: start.batch_timeout,
            log_name: start.log_name.as_str().into(),
            keyring: start.keyring.clone(),
            clock: start.clock.clone(),
            metrics: start.metrics.clone(),
            publish: start.publish.clone(),
            shards: start.shards.clone(),
            signers: Signers::new(),
            known: Known::default(),
            skew: Skew::new(start.clock_ahead_max),
        })
    }

    /// Forgets what is remembered between batches.
    pub(super) fn forget(&mut self) {
        self.signers.clear();
        self.known.forget();
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
            Err(StoreError::OutcomeUnknown("the database did not answer in time".to_owned()))
        });
        let answers = match outcome {
            Ok(answers) => answers,
            Err(error) => {
                self.forget();
                // Its connection may be one that nothing comes from any more.
                self.reconnect();
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
        while !batch.is_empty() {
            match self.commit(batch).await? {
                Outcome::Committed(committed) => {
                    for (place, answer) in places.drain(..).zip(committed) {
                        answers[place] = Some(answer);
                    }
                    batch = Vec::new();
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
        let lost = || StoreError::Internal("a submission has no answer".to_owned());
        answers.into_iter().map(|answer| answer.ok_or_else(lost)).collect()
    }

    async fn commit(&mut self, batch: Vec<Submission>) -> Result<Outcome, StoreError> {
        let mut batch = batch;
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            match self.attempt(batch, &mut lost).await {
                Ok(Attempt::Again(whole)) => batch = whole,
                Ok(Attempt::Done(outcome)) => return lost.map_or(Ok(outcome), |lost| Err(lost.error)),
                Err(error) => return Err(lost.map_or(error, |lost| lost.error)),
            }
        }
        Err(StoreError::Internal("the shards changed under each attempt to append".to_owned()))
    }

    /// `lost` is what an attempt before may have written, or this one: none once it is known what became of it.
    async fn attempt(
        &mut self,
        batch: Vec<Submission>,
        lost: &mut Option<Lost>,
    ) -> Result<Attempt, StoreError> {
        failpoint::pass(Step::Begin);
        let count = self.shards.count();
        if let Some(head) = self.known.head(&batch).filter(|_| count == 1)
            && let Some(ahead) = self.skew.recent(self.clock.now())
        {
            self.metrics.clock(Ok(ahead), head.recorded_at, self.clock.now())?;
            return self.unlocked(batch, head, lost).await;
        }
        let mut tx = self.begin().await?;
        let places = self.shards.find(&mut tx, batch.iter().flat_map(registers).collect(), count).await?;
        let head = lock::shards(&mut tx, &places, count).await?;
        if head.shards != count {
            tx.rollback().await?;
            self.shards.grown(head.shards);
            return Ok(Attempt::Again(batch));
        }
        failpoint::pass(Step::Locked);
        if let Some(written) = lost::found(lost, &mut tx, head).await? {
            return self.stands(tx, written).await;
        }
        let (log_name, keyring) = (&self.log_name, &self.keyring);
        let facts =
            lookup::read(&mut tx, &batch, (head, places), log_name, keyring, &mut self.signers).await?;
        failpoint::pass(Step::LookedUp);
        let now = self.clock.now();
        self.metrics.clock(self.skew.check(&mut tx, now).await, facts.head.recorded_at, now)?;
        let alone = lock::alone(tx.dialect(), count);
        let decided = if alone {
            let whole = if facts.signs_locally() { Vec::new() } else { batch.clone() };
            match self.decide(batch, facts).await {
                Ok(decided) => {
                    failpoint::pass(Step::Decided);
                    Ok((tiles::filled(&mut tx, &decided.logs).await?, decided))
                }
                Err(undecided) => Err((undecided, whole)),
            }
        } else {
            match self.decide_early(&mut tx, &batch, facts).await {
                Ok(Some(decided)) => Ok(decided),
                Ok(None) => {
                    tx.rollback().await?;
                    return Ok(Attempt::Again(batch));
                }
                Err(undecided) => Err((undecided, batch)),
            }
        };
        match decided {
            Ok((tiles, mut decided)) => {
                let outcome = self.write(tx, &mut decided, &tiles, lost).await?;
                // Elsewhere there is no other way than under the lock, and what is remembered would be for nothing.
                if alone && self.db.dialect() == Dialect::Postgres {
                    self.known.remember(head, &decided);
                }
                Ok(Attempt::Done(outcome))
            }
            Err((Undecided::Unsigned { register, error }, whole)) => {
                tx.rollback().await?;
                Ok(Attempt::Done(Outcome::Unsigned { register, error, whole }))
            }
            Err((Undecided::Store(error), _)) => Err(error),
        }
    }

    /// Decides a batch while others may append to other shards, then locks the journal. What does not hold any more by then is
    /// decided again, for good. Nothing when the shards are not those that it was decided for.
    async fn decide_early(
        &self,
        tx: &mut Tx,
        batch: &[Submission],
        facts: Facts,
    ) -> Result<Option<(Vec<FullTile>, Decided)>, Undecided> {
        let head = Head { position: decide::TENTATIVE, ..facts.head };
        let mut decided = self.decide(batch.to_vec(), Facts { head, ..facts.clone() }).await?;
        failpoint::pass(Step::Decided);
        let mut tiles = tiles::filled(tx, &decided.logs).await?;
        if decided.logs.is_empty() {
            return Ok(Some((tiles, decided)));
        }
        let head = lock::journal(tx).await?;
        self.shards.grown(head.shards);
        if head.shards != facts.head.shards {
            return Ok(None);
        }
        let Some((facts, hold)) = lookup::again(tx, batch, facts, head).await? else { return Ok(None) };
        if hold && head.recorded_at <= decided.recorded_at {
            decided.place(head.position);
        } else {
            self.metrics.decided_again.fetch_add(1, Ordering::Relaxed);
            decided = self.decide(batch.to_vec(), facts).await?;
            tiles = tiles::filled(tx, &decided.logs).await?;
        }
        Ok(Some((tiles, decided)))
    }

    async fn write(
        &self,
        mut tx: Tx,
        decided: &mut Decided,
        tiles: &[FullTile],
        lost: &mut Option<Lost>,
    ) -> Result<Outcome, StoreError> {
        if decided.logs.is_empty() {
            tx.rollback().await?;
            return self.nothing_new(std::mem::take(&mut decided.answers)).await;
        }
        failpoint::pass(Step::Tiled);
        write::write(&mut tx, decided, tiles).await?;
        failpoint::pass(Step::Written);
        tx.commit().await?;
        // The journal has gone on: whatever was sent before changes nothing any more.
        *lost = None;
        Ok(self.committed(decided))
    }

    /// Answers of a batch that writes nothing. What was appended before is told again only once it cannot be lost: no commit of this
    /// batch says so.
    async fn nothing_new(&self, answers: Vec<Answer>) -> Result<Outcome, StoreError> {
        if answers.iter().flatten().flatten().any(|one| one.replayed) {
            self.db.settle().await?;
        }
        Ok(Outcome::Committed(answers))
    }

    fn committed(&self, decided: &mut Decided) -> Outcome {
        failpoint::pass(Step::Committed);
        listen::raise(&self.publish, decided.position);
        let entries = decided.entries.len() as u64;
        self.metrics.entries.fetch_add(entries, Ordering::Relaxed);
        self.metrics.batch_entries.observe(entries);
        Outcome::Committed(std::mem::take(&mut decided.answers))
    }

    /// Answers of a batch that was committed, and whose answer was lost. Others may see it while it still waits for its standby.
    async fn stands(&self, tx: Tx, lost: Lost) -> Result<Attempt, StoreError> {
        let Lost { mut decided, error: unknown } = lost;
        let settled = async {
            tx.rollback().await?;
            self.db.settle().await
        };
        settled.await.map_err(|_| unknown)?;
        Ok(Attempt::Done(self.committed(&mut decided)))
    }

    fn overtaken(&mut self) {
        self.metrics.overtaken.fetch_add(1, Ordering::Relaxed);
        self.known.overtaken();
    }

    /// What a batch rests on, without a lock; nothing when it is not as it was known to be.
    async fn look(&mut self, batch: &[Submission], head: Head) -> Option<Unlocked> {
        match lookup::unlocked(&self.db, batch, head).await {
            Ok(Some(found)) => return Some(found),
            Ok(None) => self.overtaken(),
            Err(error) => {
                tracing::warn!(%error, "could not begin a batch; trying once more");
                self.known.forget();
                self.reconnect();
            }
        }
        None
    }

    fn mistaken(&mut self) {
        self.metrics.mistaken.fetch_add(1, Ordering::Relaxed);
        self.known.mistaken();
    }

    /// Commits a batch without a lock, in two round trips, or in one when all that it makes is new. Whenever anything is not as it was
    /// known to be, the batch is given back, to be tried again.
    async fn unlocked(
        &mut self,
        batch: Vec<Submission>,
        head: Head,
        lost: &mut Option<Lost>,
    ) -> Result<Attempt, StoreError> {
        let records = self.known.presumes(&batch);
        let presumed = records.is_some();
        let found = match records {
            Some(records) => Some(Unlocked { records, ..Unlocked::default() }),
            None => self.look(&batch, head).await,
        };
        let Some(found) = found else { return Ok(Attempt::Again(batch)) };
        let guards = batch.iter().flat_map(|one| &one.guards);
        let guards: Records = guards
            .filter_map(|guard| Some((guard.record, found.records.get(&guard.record)?.clone())))
            .collect();
        failpoint::pass(Step::LookedUp);
        let facts = Facts {
            head,
            // All are in the one shard.
            places: Places::new(),
            logs: self.known.logs(&batch),
            openers: Signers::new(),
            records: found.records,
            numbers: found.numbers,
            keys: HashMap::new(),
        };
        // What is signed here is; if it is not after all, the long way says why.
        let Ok(mut decided) = self.decide(batch.clone(), facts).await else {
            self.known.forget();
            return Ok(Attempt::Again(batch));
        };
        failpoint::pass(Step::Decided);
        if decided.logs.is_empty() {
            if presumed {
                // Nothing would be written that could say whether it is so.
                self.mistaken();
                return Ok(Attempt::Again(batch));
            }
            return Ok(Attempt::Done(self.nothing_new(decided.answers).await?));
        }
        let tiles = if let Some(older) = self.known.older(&decided.logs) {
            tiles::made(&decided.logs, older)?
        } else {
            let mut tx = self.begin().await?;
            let tiles = tiles::filled(&mut tx, &decided.logs).await?;
            tx.rollback().await?;
            tiles
        };
        failpoint::pass(Step::Tiled);
        match write::write_unlocked(&self.db, &decided, &tiles).await {
            Ok(true) => {}
            Ok(false) => {
                self.overtaken();
                return Ok(Attempt::Again(batch));
            }
            Err(error) if presumed && error.is_about_data() => {
                self.mistaken();
                return Ok(Attempt::Again(batch));
            }
            Err(error @ StoreError::OutcomeUnknown(_)) => {
                tracing::warn!(%error, "nobody knows what became of a batch; looking under the lock");
                *lost = Some(Lost { decided, error });
                self.known.forget();
                self.reconnect();
                return Ok(Attempt::Again(batch));
            }
            Err(error) => return Err(error),
        }
        self.metrics.unlocked.fetch_add(1, Ordering::Relaxed);
        self.known.found(guards);
        self.known.remember(head, &decided);
        Ok(Attempt::Done(self.committed(&mut decided)))
    }

    /// Leaves a connection behind that nothing came from: it may never be given back, and the pool has no other. What it had begun
    /// is ended by the server, or was committed; the next batch waits for its locks until either has happened.
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
    async fn begin(&mut self) -> Result<Tx, StoreError> {
        match self.db.begin().await {
            Ok(tx) => Ok(tx),
            Err(error) => {
                tracing::warn!(%error, "could not begin a batch; trying once more");
                self.reconnect();
                self.db.begin().await
            }
        }
    }

    async fn decide(&self, batch: Vec<Submission>, facts: Facts) -> Result<Decided, Undecided> {
        let now = self.clock.now();
        let entries: usize = batch.iter().map(|one| one.entries.len()).sum();
        if entries < BLOCKING_ENTRIES && facts.signs_locally() {
            return decide::decide(batch, facts, now);
        }
        tokio::task::spawn_blocking(move || decide::decide(batch, facts, now))
            .await
            .map_err(|error| Undecided::Store(StoreError::Internal(error.to_string())))?
    }
}

/// What became of an attempt to commit a batch.
enum Attempt {
    Done(Outcome),
    /// Nothing: there are more shards than was known, or a register is in another. The batch is given back.
    Again(Vec<Submission>),
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
    registers(submission).any(|named| named == register)
}
