//! Who may append, and the head of the journal.
//!
//! While there is one shard, and always on SQLite, whoever appends has the journal to itself from the start. With several, a batch
//! first locks the rows of its shards, the lowest first, and the journal last, when there is nothing left to do but to write: so
//! batches of other shards go on meanwhile, and no two wait for each other.

use std::collections::BTreeSet;

use proofs::time::Timestamp;

use crate::args;
use crate::error::StoreError;
use crate::shards::Places;
use crate::sql::{Dialect, Row, Tx};

/// The journal's last entry, and how many shards there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub position: u64,
    pub recorded_at: Timestamp,
    pub shards: i64,
}

/// Does whoever appends have the journal to itself from the start?
pub(super) fn alone(dialect: Dialect, count: i64) -> bool {
    dialect == Dialect::Sqlite || count == 1
}

/// Locks the shards of these registers, of `count`, and gives the head: as it is and stays, or, of several shards, as it was
/// at some moment before the lock.
pub(super) async fn shards(tx: &mut Tx, places: &Places, count: i64) -> Result<Head, StoreError> {
    if alone(tx.dialect(), count) {
        return journal(tx).await;
    }
    let mut head = None;
    for shard in places.values().collect::<BTreeSet<_>>() {
        // One statement a shard: a cluster that is distributed by shard asks one of its servers, not several.
        let sql = "SELECT j.position, j.recorded_at, j.shards FROM shard s CROSS JOIN journal j
             WHERE s.shard = $1 AND j.id = 1 FOR UPDATE OF s";
        let row = tx.fetch_optional(sql, args![*shard]).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("shard", "shard", shard, "no row"))?;
        head.get_or_insert(read(&row)?);
    }
    head.ok_or_else(|| StoreError::Internal("a batch names no register".to_owned()))
}

/// Locks the journal, so that nobody else appends until the transaction ends, and gives its head.
pub(crate) async fn journal(tx: &mut Tx) -> Result<Head, StoreError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT position, recorded_at, shards FROM journal WHERE id = 1",
        Dialect::Postgres => "SELECT position, recorded_at, shards FROM journal WHERE id = 1 FOR UPDATE",
    };
    let row = tx.fetch_optional(sql, vec![]).await?;
    read(&row.ok_or_else(|| StoreError::corrupt("journal", "id", 1, "no row"))?)
}

fn read(row: &Row) -> Result<Head, StoreError> {
    let named = |error: StoreError| error.at("journal", String::new);
    Ok(Head {
        position: row.uint("position").map_err(named)?,
        recorded_at: row.time("recorded_at").map_err(named)?,
        shards: row.int("shards").map_err(named)?,
    })
}
