//! The queue of one webhook, as its one sender changes it: each change only while the sender holds the lease.

use eventstore::sql::{Col, RowSet, Tx, rows};
use eventstore::{Store, StoreError, args};
use proofs::time::Timestamp;
use uuid::Uuid;

use super::deliveries::{COLUMNS, Delivery, read};
use super::schedule::HELD_ATTEMPTS;
use crate::registry::new_uuid;

/// Messages that failed and are to be sent again. With more the queue does not grow: the journal keeps the rest.
pub const AGAIN_MAX: u64 = 100;

/// The queue of a webhook, in the hands of its sender.
pub struct Queue {
    store: Store,
    webhook: Uuid,
    holder: Uuid,
}

/// Another server sends to the webhook now, or nobody any more.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The lease is lost.
    #[error("the webhook is another server's now")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to send to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// `entry` or `notification`.
    pub event: &'static str,
    /// The entry.
    pub position: u64,
    /// Who is notified.
    pub person: Option<Uuid>,
    /// Of what.
    pub kind: Option<&'static str>,
    /// When to send it.
    pub next_at: Timestamp,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was received.
    Delivered {
        /// With this status.
        status: u16,
    },
    /// It was not, and is sent again then.
    Again {
        /// When.
        next_at: Timestamp,
        /// What went wrong.
        fault: Fault,
    },
    /// It was not, and is not sent again by itself.
    Parked {
        /// What went wrong.
        fault: Fault,
    },
    /// It was not to be sent any more.
    Dropped,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The status, when there was one.
    pub status: Option<u16>,
    /// In a word.
    pub word: &'static str,
}

impl Queue {
    /// The queue of a webhook whose lease this holder has.
    pub fn new(store: &Store, webhook: Uuid, holder: Uuid) -> Self {
        Self { store: store.clone(), webhook, holder }
    }

    /// What is to be sent next: what failed a few times before all that came after it, else what is due, in order. When nothing is,
    /// when to look again; nothing when there is nothing to wait for. The last says whether the queue may grow.
    pub async fn next(
        &self,
        now: Timestamp,
    ) -> Result<(Option<Delivery>, Option<Timestamp>, bool), StoreError> {
        let db = self.store.db();
        let sql = format!(
            "SELECT {COLUMNS} FROM webhook_delivery WHERE webhook = $1 AND next_at IS NOT NULL AND attempts > 0 ORDER BY position LIMIT $2"
        );
        let again = db.fetch_all(&sql, args![self.webhook, AGAIN_MAX + 1]).await?;
        let again = again.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let held = again.iter().find(|delivery| delivery.attempts <= HELD_ATTEMPTS);
        // A test is asked for by someone who waits, and stands at time 0.
        let until = if held.is_some() { Timestamp::from_millis(0) } else { now };
        let sql = format!(
            "SELECT {COLUMNS} FROM webhook_delivery WHERE webhook = $1 AND next_at <= $2 ORDER BY next_at, position, id LIMIT 1"
        );
        let due =
            db.fetch_optional(&sql, args![self.webhook, until]).await?.as_ref().map(read).transpose()?;
        if due.is_some() {
            return Ok((due, None, false));
        }
        if let Some(held) = held {
            let due = held.next_at.is_some_and(|next_at| next_at <= now);
            return Ok(if due { (Some(held.clone()), None, false) } else { (None, held.next_at, false) });
        }
        let sql =
            "SELECT min(next_at) AS next_at FROM webhook_delivery WHERE webhook = $1 AND next_at IS NOT NULL";
        let row = db.fetch_optional(sql, args![self.webhook]).await?;
        let next_at = row.map(|row| row.opt_time("next_at")).transpose()?.flatten();
        Ok((None, next_at, (again.len() as u64) < AGAIN_MAX))
    }

    /// Queues what entries up to a position give, and moves the webhook's position there.
    pub async fn extend(&self, from: u64, to: u64, queued: &[Queued]) -> Result<(), QueueError> {
        let mut tx = self.store.db().begin().await?;
        let sql = "UPDATE webhook SET position = $3 WHERE id = $1 AND lease_holder = $2 AND position = $4 AND state = 'active'";
        if tx.execute(sql, args![self.webhook, self.holder, to, from]).await? == 0 {
            return Err(QueueError::Lost);
        }
        if !queued.is_empty() {
            self.insert(&mut tx, queued).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn insert(&self, tx: &mut Tx, queued: &[Queued]) -> Result<(), StoreError> {
        let mut values = RowSet::new();
        // Those of one millisecond differ by chance: sorted, they list in the order of their entries.
        let mut ids: Vec<Uuid> = queued.iter().map(|_| new_uuid(&self.store)).collect();
        ids.sort_unstable();
        for (id, one) in ids.into_iter().zip(queued) {
            values.push(args![id, one.event, one.position, one.person, one.kind, one.next_at]);
        }
        let columns = [
            ("id", Col::Blob),
            ("event", Col::Text),
            ("position", Col::Int),
            ("person", Col::Blob),
            ("kind", Col::Text),
            ("next_at", Col::Int),
        ];
        let sql = format!(
            "INSERT INTO webhook_delivery (webhook, id, event, position, person, kind, state, attempts, next_at, created_at, disclosed)
             SELECT $2, q.id, q.event, q.position, q.person, q.kind, 'waiting', 0, q.next_at, $3, 0 FROM {} AS q",
            rows(tx.dialect(), "$1", &columns)
        );
        tx.execute(&sql, args![values, self.webhook, self.store.clock().now()]).await?;
        Ok(())
    }

    /// Writes down that the body of a message was disclosed, so that sending it again is no other access.
    pub async fn disclosed(&self, delivery: Uuid) -> Result<(), QueueError> {
        self.update("disclosed = 1", delivery, vec![]).await
    }

    /// Puts a message off, without having tried.
    pub async fn put_off(&self, delivery: Uuid, next_at: Timestamp) -> Result<(), QueueError> {
        self.update("next_at = $4", delivery, args![next_at]).await
    }

    /// Writes down what became of an attempt.
    pub async fn ended(&self, delivery: Uuid, outcome: &Outcome) -> Result<(), QueueError> {
        let now = self.store.clock().now();
        match outcome {
            Outcome::Delivered { status } => {
                let set = "state = 'delivered', attempts = attempts + 1, next_at = NULL, ended_at = $4, last_status = $5, last_fault = NULL";
                self.update(set, delivery, args![now, u32::from(*status)]).await
            }
            Outcome::Again { next_at, fault } => {
                let set = "attempts = attempts + 1, next_at = $4, last_status = $5, last_fault = $6";
                self.update(set, delivery, args![*next_at, fault.status.map(i64::from), fault.word]).await
            }
            Outcome::Parked { fault } => {
                let set = "state = 'parked', attempts = attempts + 1, next_at = NULL, ended_at = $4, last_status = $5, last_fault = $6";
                self.update(set, delivery, args![now, fault.status.map(i64::from), fault.word]).await
            }
            Outcome::Dropped => {
                self.update("state = 'dropped', next_at = NULL, ended_at = $4", delivery, args![now]).await
            }
        }
    }

    async fn update(
        &self,
        set: &str,
        delivery: Uuid,
        more: Vec<eventstore::sql::Arg>,
    ) -> Result<(), QueueError> {
        let sql = format!(
            "UPDATE webhook_delivery SET {set} WHERE webhook = $1 AND id = $2
             AND EXISTS (SELECT 1 FROM webhook w WHERE w.id = $1 AND w.lease_holder = $3)"
        );
        let mut arguments = args![self.webhook, delivery, self.holder];
        arguments.extend(more);
        let mut tx = self.store.db().begin().await?;
        if tx.execute(&sql, arguments).await? == 0 {
            return Err(QueueError::Lost);
        }
        Ok(tx.commit().await?)
    }

    /// The receiver has said that it is gone: nothing more is sent to it.
    pub async fn disable(&self, why: &str) -> Result<(), QueueError> {
        let sql = "UPDATE webhook SET state = 'disabled', disabled_why = $3, revision = revision + 1, lease_holder = NULL, lease_until = 0
            WHERE id = $1 AND lease_holder = $2";
        let mut tx = self.store.db().begin().await?;
        tx.execute(sql, args![self.webhook, self.holder, why]).await?;
        Ok(tx.commit().await?)
    }
}
