//! Bodies that an order withheld: which they are, whether any came back, and that nothing of them stays in the files.
//!
//! The appender removes them in the transaction that appends the order, and writes the table `withheld` in it. The table says
//! nothing that the entries do not: it is how an order is found without reading them all.

use proofs::hash::Hash;
use proofs::slug::Slug;
use uuid::Uuid;

use crate::args;
use crate::error::StoreError;
use crate::model::Withhold;
use crate::shards;
use crate::sql::{Col, Row, RowSet, Tx, rows};
use crate::store::Store;

/// Rows of one read at most: a few hundred bytes each.
pub const WITHHELD_ROWS_MAX: u32 = 10_000;

/// A body that an order withheld.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Position of the entry whose body it was.
    pub position: u64,
    /// Its register.
    pub register: Slug,
    /// Its index there.
    pub index: u64,
    /// Position of the order, an entry of the same record.
    pub by_position: u64,
    /// Its index in the same register.
    pub by_index: u64,
}

/// An entry as the log has it, and whether an order withholds its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its register.
    pub register: Slug,
    /// Its index there.
    pub index: u64,
    /// Its record.
    pub record: Uuid,
    /// The version that it made.
    pub version: u64,
    /// Its hash in the tree: by it the same entry is known in another copy of the log.
    pub hash: Hash,
    /// Does an order withhold its body?
    pub withheld: bool,
}

const COLUMNS: &str = "w.position, w.register, w.leaf_index, w.by_position, w.by_index";

impl Store {
    /// Bodies withheld by orders after a position, in the order of orders; at most [`WITHHELD_ROWS_MAX`], and of the last order
    /// all, or more than one read would be needed to know it.
    pub async fn withheld_after(&self, position: u64) -> Result<Vec<Withheld>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM withheld w WHERE w.by_position > $1
             AND w.by_position <= COALESCE((SELECT MAX(f.by_position) FROM (
                SELECT by_position FROM withheld WHERE by_position > $1 ORDER BY by_position LIMIT $2
             ) AS f), 0)
             ORDER BY w.by_position, w.position"
        );
        read_all(&self.db().fetch_all(&sql, args![position, WITHHELD_ROWS_MAX]).await?)
    }

    /// Bodies that are there though an order withholds them: somebody put them back, or restored part of a backup.
    pub async fn served_though_withheld(&self) -> Result<Vec<Withheld>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM withheld w CROSS JOIN entry e WHERE e.shard = w.shard
             AND e.position = w.position AND e.body IS NOT NULL ORDER BY w.position LIMIT $1"
        );
        read_all(&self.db().fetch_all(&sql, args![WITHHELD_ROWS_MAX]).await?)
    }

    /// Of these places in registers, those that have an entry.
    pub async fn leaves(&self, places: &[(Slug, u64)]) -> Result<Vec<Leaf>, StoreError> {
        let mut wanted = RowSet::new();
        for (register, index) in places {
            if let Some(shard) = self.shard_of(register).await? {
                wanted.push(args![shard, register, *index]);
            }
        }
        let sql = format!(
            "SELECT e.register, e.leaf_index, e.record, e.version, e.leaf_hash,
                CASE WHEN EXISTS (SELECT 1 FROM withheld w WHERE w.shard = e.shard AND w.position = e.position)
                THEN 1 ELSE 0 END AS withheld
             FROM {} AS r CROSS JOIN entry e WHERE e.shard = r.place AND e.register = r.slug AND e.leaf_index = r.n",
            rows(self.db().dialect(), "$1", &[("place", Col::Int), ("slug", Col::Text), ("n", Col::Int)])
        );
        let of = |row: &Row| {
            Ok(Leaf {
                register: row.parse("register")?,
                index: row.uint("leaf_index")?,
                record: row.uuid("record")?,
                version: row.uint("version")?,
                hash: row.hash("leaf_hash")?,
                withheld: row.int("withheld")? == 1,
            })
        };
        let found = self.db().fetch_all(&sql, args![wanted]).await?;
        found.iter().map(|row| of(row).map_err(|error: StoreError| error.at("entry", String::new))).collect()
    }

    /// Position of the last order; 0 when there is none.
    pub async fn last_order(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COALESCE(MAX(by_position), 0) AS position FROM withheld";
        let row = self.db().fetch_optional(sql, vec![]).await?;
        row.map_or(Ok(0), |row| row.uint("position").map_err(|error| error.at("withheld", String::new)))
    }

    /// How many bodies are withheld of each register's entries up to a position.
    pub async fn withheld_until(&self, position: u64) -> Result<Vec<(Slug, u64)>, StoreError> {
        let sql = "SELECT register, COUNT(*) AS bodies FROM withheld WHERE by_position <= $1
             GROUP BY register ORDER BY register";
        let of = |row: &Row| Ok((row.parse("register")?, row.uint("bodies")?));
        let found = self.db().fetch_all(sql, args![position]).await?;
        found
            .iter()
            .map(|row| of(row).map_err(|error: StoreError| error.at("withheld", String::new)))
            .collect()
    }

    /// Removes bodies again that came back. Gives how many there were.
    pub async fn remove_again(&self, bodies: &[Withheld]) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        let removed = remove(&mut tx, bodies.iter().map(|one| one.position)).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// Takes what was removed by orders up to `order` out of the files of these tables too. `false` when somebody still reads
    /// from before, so that it is to be tried again; `name` is what it is noted under.
    pub async fn scrub(&self, name: &str, tables: &[&str], order: u64) -> Result<bool, StoreError> {
        if self.scrubbed(name).await? >= order {
            return Ok(true);
        }
        if !self.db().scrub(tables).await? {
            return Ok(false);
        }
        let sql = "INSERT INTO scrubbed (name, position) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET position = excluded.position";
        let mut tx = self.db().begin().await?;
        tx.execute(sql, args![name, order]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The same of the journal, up to its last order.
    pub async fn scrub_journal(&self) -> Result<bool, StoreError> {
        self.scrub("journal", &["entry", "idempotency"], self.last_order().await?).await
    }

    /// Up to which order that is done.
    pub async fn scrubbed(&self, name: &str) -> Result<u64, StoreError> {
        let sql = "SELECT position FROM scrubbed WHERE name = $1";
        let row = self.db().fetch_optional(sql, args![name]).await?;
        row.map_or(Ok(0), |row| {
            row.uint("position").map_err(|error| error.at("scrubbed", || name.to_owned()))
        })
    }
}

/// Removes the bodies that orders after `before` name, which were appended in this transaction.
pub(crate) async fn withhold(tx: &mut Tx, orders: &[Withhold], before: u64) -> Result<(), StoreError> {
    let mut named = RowSet::new();
    let mut expected = 0;
    for order in orders {
        for version in &order.versions {
            named.push(args![order.record, *version, order.by]);
            expected += 1;
        }
    }
    let columns = [("record", Col::Blob), ("version", Col::Int), ("ordered", Col::Int)];
    let of_any = shards::any(tx.dialect());
    let sql = format!(
        "INSERT INTO withheld (shard, position, register, leaf_index, by_position, by_index)
         SELECT e.shard, e.position, e.register, e.leaf_index, o.position, o.leaf_index
         FROM {} AS r CROSS JOIN entry e CROSS JOIN entry o
         WHERE e.shard {of_any} AND e.record = r.record AND e.version = r.version
         AND o.shard = e.shard AND o.record = r.record AND o.version = r.ordered",
        rows(tx.dialect(), "$1", &columns)
    );
    let noted = tx.execute(&sql, args![named]).await?;
    if noted != expected {
        let why = format!("{noted} entries found where orders name {expected}");
        return Err(StoreError::corrupt("withheld", "position", before, why));
    }
    let sql = "SELECT position FROM withheld WHERE by_position > $1";
    let found = tx.fetch_all(sql, args![before]).await?;
    let read = |row: &Row| row.uint("position").map_err(|error| error.at("withheld", String::new));
    let positions = found.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    remove(tx, positions.into_iter()).await?;
    Ok(())
}

/// What stands for a content that nobody may guess at any more: no digest is so.
const FORGOTTEN: [u8; 32] = [0; 32];

/// Removes bodies and salts, and the digests without a salt that idempotency keys stand for.
async fn remove(tx: &mut Tx, positions: impl Iterator<Item = u64>) -> Result<u64, StoreError> {
    let mut named = RowSet::new();
    for position in positions {
        named.push(args![position]);
    }
    let from = rows(tx.dialect(), "$1", &[("position", Col::Int)]);
    let of_any = shards::any(tx.dialect());
    // A key is in a shard of its submission, which need not be that of each of its entries. By ranges SQLite goes by the index of
    // positions, and not through all keys of a shard.
    let sql = format!(
        "SELECT DISTINCT k.shard, k.first_position FROM {from} AS r CROSS JOIN shard s CROSS JOIN idempotency k
         WHERE k.shard = s.shard AND k.first_position <= r.position AND k.first_position >= (
            SELECT MAX(i.first_position) FROM idempotency i
            WHERE i.shard = s.shard AND i.first_position <= r.position AND i.entries > 0)
         AND r.position < k.first_position + k.entries"
    );
    for key in tx.fetch_all(&sql, args![named.clone()]).await? {
        let sql = "UPDATE idempotency SET digest = $3
            WHERE shard = $1 AND first_position >= $2 AND first_position <= $2 AND entries > 0";
        tx.execute(sql, args![key.int("shard")?, key.int("first_position")?, FORGOTTEN.to_vec()]).await?;
    }
    let sql = format!(
        "UPDATE entry SET body = NULL, salt = NULL
         WHERE shard {of_any} AND body IS NOT NULL AND position IN (SELECT r.position FROM {from} AS r)"
    );
    tx.execute(&sql, args![named]).await
}

fn read_all(rows: &[Row]) -> Result<Vec<Withheld>, StoreError> {
    let of = |row: &Row| {
        Ok(Withheld {
            position: row.uint("position")?,
            register: row.parse("register")?,
            index: row.uint("leaf_index")?,
            by_position: row.uint("by_position")?,
            by_index: row.uint("by_index")?,
        })
    };
    rows.iter().map(|row| of(row).map_err(|error: StoreError| error.at("withheld", String::new))).collect()
}
