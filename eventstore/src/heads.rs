//! Rows of `log`: the heads of registers' trees.

use proofs::hash::Hash;
use proofs::merkle::Frontier;
use proofs::note::VerifierKey;
use proofs::slug::Slug;

use crate::args;
use crate::error::StoreError;
use crate::model::LogHead;
use crate::sql::{Db, Row};
use crate::store::Store;

/// The columns that [`read`] wants.
pub(crate) const COLUMNS: &str =
    "log.shard, register, size, root, frontier, checkpoint, recorded_at, vkey, older_vkeys";

/// A head with what the appender needs beside it.
pub(crate) struct Head {
    pub log: LogHead,
    pub shard: i64,
    pub frontier: Frontier,
}

pub(crate) fn read(row: &Row) -> Result<Head, StoreError> {
    let register: Slug = row.parse("register").map_err(|error| error.at("log", String::new))?;
    let key = || register.to_string();
    let corrupt = |error: StoreError| error.at("log", key);
    let size = row.uint("size").map_err(corrupt)?;
    let peaks = row.bytes("frontier").map_err(corrupt)?;
    let peaks = peaks.chunks(32).map(Hash::from_slice).collect::<Result<Vec<_>, _>>();
    let peaks = peaks.map_err(|error| StoreError::corrupt("log", "frontier", key(), error))?;
    let frontier = Frontier::from_parts(size, peaks)
        .map_err(|error| StoreError::corrupt("log", "frontier", key(), error))?;
    let older_keys = older(row.str("older_vkeys").map_err(corrupt)?);
    let older_keys =
        older_keys.ok_or_else(|| StoreError::corrupt("log", "older_vkeys", key(), "is no list of keys"))?;
    let log = LogHead {
        size,
        root: row.hash("root").map_err(corrupt)?,
        checkpoint: row.text("checkpoint").map_err(corrupt)?,
        recorded_at: row.opt_time("recorded_at").map_err(corrupt)?,
        key: row.parse("vkey").map_err(corrupt)?,
        older_keys,
        register: register.clone(),
    };
    Ok(Head { log, shard: row.int("shard").map_err(corrupt)?, frontier })
}

/// Keys have no space in them.
fn older(text: &str) -> Option<Vec<VerifierKey>> {
    text.split_ascii_whitespace().map(|key| key.parse().ok()).collect()
}

/// The text that [`read`] reads.
pub(crate) fn older_text(keys: &[VerifierKey]) -> String {
    keys.iter().map(VerifierKey::to_string).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn all(db: &Db) -> Result<Vec<Head>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM log ORDER BY register");
    db.fetch_all(&sql, vec![]).await?.iter().map(read).collect()
}

impl Store {
    /// The head of a register's log.
    pub async fn log(&self, register: &Slug) -> Result<Option<LogHead>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM log WHERE register = $1");
        let row = self.db().fetch_optional(&sql, args![register]).await?;
        row.map(|row| Ok(read(&row)?.log)).transpose()
    }

    /// The heads of all logs, by register.
    pub async fn logs(&self) -> Result<Vec<LogHead>, StoreError> {
        Ok(all(self.db()).await?.into_iter().map(|head| head.log).collect())
    }
}
