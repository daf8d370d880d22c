//! Messages to webhooks, as those who look at them see them.

use eventstore::sql::Row;
use eventstore::{Store, StoreError, args};
use proofs::time::Timestamp;
use uuid::Uuid;

use super::rows::words;
use crate::registry::new_uuid;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was delivered or dropped is forgotten after a week; what is parked stays until it is replayed.
const KEPT_MILLIS: i64 = 7 * 24 * 3_600_000;

words! {
    /// What became of a message.
    DeliveryState {
        /// It is to be sent, or sent again.
        Waiting = "waiting",
        /// Its receiver has taken it.
        Delivered = "delivered",
        /// Every attempt has failed. It can be replayed.
        Parked = "parked",
        /// It was not to be sent any more: the person wants no such notification now.
        Dropped = "dropped",
    }
}

/// A message.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its name, the same for each attempt.
    pub id: Uuid,
    /// What it tells of: `entry`, `test` or `notification`.
    pub event: String,
    /// The entry's position.
    pub position: u64,
    /// Who is notified.
    pub person: Option<Uuid>,
    /// Of what.
    pub kind: Option<String>,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: u64,
    /// When it is sent next.
    pub next_at: Option<Timestamp>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The status that the last attempt was answered with.
    pub last_status: Option<i64>,
    /// What went wrong with it.
    pub last_fault: Option<String>,
    /// Is it written down that its body was shown?
    pub disclosed: bool,
}

pub(super) const COLUMNS: &str = "id, event, position, person, kind, state, attempts, next_at, created_at, ended_at, last_status, last_fault, disclosed";

pub(super) fn read(row: &Row) -> Result<Delivery, StoreError> {
    let id = row.uuid("id")?;
    let at = |error: StoreError| error.at("webhook_delivery", || id.to_string());
    Ok(Delivery {
        id,
        event: row.text("event").map_err(at)?,
        position: row.uint("position").map_err(at)?,
        person: row.opt_uuid("person").map_err(at)?,
        kind: row.opt_text("kind").map_err(at)?,
        state: row.parse("state").map_err(at)?,
        attempts: row.uint("attempts").map_err(at)?,
        next_at: row.opt_time("next_at").map_err(at)?,
        created_at: row.time("created_at").map_err(at)?,
        ended_at: row.opt_time("ended_at").map_err(at)?,
        last_status: row.opt_int("last_status").map_err(at)?,
        last_fault: row.opt_text("last_fault").map_err(at)?,
        disclosed: row.int("disclosed").map_err(at)? == 1,
    })
}

/// Which messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListFilter {
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Before this one in the list: older.
    pub before: Option<Uuid>,
}

/// Messages to a webhook, the newest first.
pub async fn list(
    store: &Store,
    webhook: Uuid,
    filter: ListFilter,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_delivery
         WHERE webhook = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) AND id < $3 ORDER BY id DESC LIMIT $4"
    );
    let before = filter.before.unwrap_or(Uuid::max());
    let arguments = args![webhook, filter.state.map(DeliveryState::as_str), before, limit];
    store.db().fetch_all(&sql, arguments).await?.iter().map(read).collect()
}

/// What came of asking for a message to be sent again.
#[derive(Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is sent again.
    Again,
    /// It is to be sent anyway.
    Waiting,
    /// There is none.
    Unknown,
}

/// Sends a message again, that was parked or delivered.
pub async fn replay(store: &Store, webhook: Uuid, delivery: Uuid) -> Result<Replayed, StoreError> {
    // It is another access, whose body it shows once more.
    let sql = "UPDATE webhook_delivery SET state = 'waiting', attempts = 0, next_at = $3, ended_at = NULL, disclosed = 0
        WHERE webhook = $1 AND id = $2 AND state <> 'waiting'";
    let mut tx = store.db().begin().await?;
    let again = tx.execute(sql, args![webhook, delivery, store.clock().now()]).await?;
    if again > 0 {
        tx.execute("UPDATE webhook SET revision = revision + 1 WHERE id = $1", args![webhook]).await?;
        tx.commit().await?;
        return Ok(Replayed::Again);
    }
    let sql = "SELECT id FROM webhook_delivery WHERE webhook = $1 AND id = $2";
    let there = tx.fetch_optional(sql, args![webhook, delivery]).await?.is_some();
    tx.rollback().await?;
    Ok(if there { Replayed::Waiting } else { Replayed::Unknown })
}

/// Queues a test, before all else.
pub async fn test(store: &Store, webhook: Uuid) -> Result<Uuid, StoreError> {
    let id = new_uuid(store);
    let sql = "INSERT INTO webhook_delivery (webhook, id, event, position, state, attempts, next_at, created_at, disclosed)
        VALUES ($1, $2, 'test', 0, 'waiting', 0, 0, $3, 0)";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![webhook, id, store.clock().now()]).await?;
    tx.execute("UPDATE webhook SET revision = revision + 1 WHERE id = $1", args![webhook]).await?;
    tx.commit().await?;
    Ok(id)
}

/// Messages of all webhooks, by what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// To be sent.
    pub waiting: u64,
    /// Given up.
    pub parked: u64,
}

/// How many wait and how many are parked.
pub async fn counts(store: &Store) -> Result<Counts, StoreError> {
    let count = async |sql: &str| -> Result<u64, StoreError> {
        let row = store.db().fetch_optional(sql, args![]).await?;
        Ok(row.map(|row| row.uint("n")).transpose()?.unwrap_or_default())
    };
    let waiting = "SELECT count(*) AS n FROM webhook_delivery WHERE next_at IS NOT NULL";
    let parked = "SELECT count(*) AS n FROM webhook_delivery WHERE state = 'parked'";
    Ok(Counts { waiting: count(waiting).await?, parked: count(parked).await? })
}

/// Forgets what ended long ago.
pub(super) async fn sweep(store: &Store) -> Result<(), StoreError> {
    let before = store.clock().now().plus_millis(-KEPT_MILLIS);
    let sql =
        "DELETE FROM webhook_delivery WHERE ended_at IS NOT NULL AND ended_at < $1 AND state <> 'parked'";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![before]).await?;
    tx.commit().await
}
