//! The tiles that a batch fills: at most one query for each of the two places where their older hashes are.

use std::collections::HashMap;

use proofs::hash::Hash;
use proofs::slug::Slug;
use proofs::tile::{LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH, tile_encode, tile_root};

use super::decide::Touched;
use crate::args;
use crate::error::StoreError;
use crate::sql::{Col, Dialect, RowSet, Tx, rows};

const WIDTH: u64 = TILE_WIDTH as u64;

/// A tile that became full.
pub(crate) struct FullTile {
    pub shard: i64,
    pub register: Slug,
    pub level: u8,
    pub index: u64,
    pub hashes: Vec<u8>,
    pub root: Hash,
}

/// Hashes that a level's first new tile has from before the batch, by register and level.
pub(super) type Older = HashMap<(Slug, u8), Vec<Hash>>;

/// What a level of a tree had, and has now.
fn counts(log: &Touched, level: u8) -> (u64, u64) {
    let height = u32::from(TILE_HEIGHT) * u32::from(level);
    (log.size_before >> height, log.frontier.size() >> height)
}

pub(super) fn fills(log: &Touched, level: u8) -> bool {
    let (before, after) = counts(log, level);
    after / WIDTH > before / WIDTH
}

pub(crate) async fn filled(tx: &mut Tx, logs: &[Touched]) -> Result<Vec<FullTile>, StoreError> {
    if !logs.iter().any(|log| fills(log, 0)) {
        return Ok(Vec::new());
    }
    let mut older = leaf_hashes(tx, logs).await?;
    older.extend(tile_roots(tx, logs).await?);
    made(logs, older)
}

/// The tiles that a batch fills, with the hashes that they have from before it.
pub(super) fn made(logs: &[Touched], mut older: Older) -> Result<Vec<FullTile>, StoreError> {
    let mut tiles = Vec::new();
    for log in logs {
        let mut new_hashes = log.new_hashes.clone();
        for level in 0..=LEVEL_MAX {
            if !fills(log, level) {
                break;
            }
            let (before, _) = counts(log, level);
            let mut hashes = older.remove(&(log.register.clone(), level)).unwrap_or_default();
            if hashes.len() as u64 != before % WIDTH {
                let key = format!("{}/{level}/{}", log.register, before / WIDTH);
                return Err(StoreError::corrupt(
                    "tile",
                    "hashes",
                    key,
                    "hashes before the batch are missing",
                ));
            }
            hashes.append(&mut new_hashes);
            for (full, index) in hashes.chunks_exact(usize::from(TILE_WIDTH)).zip(before / WIDTH..) {
                let root = tile_root(full);
                new_hashes.push(root);
                let hashes = tile_encode(full);
                tiles.push(FullTile {
                    shard: log.shard,
                    register: log.register.clone(),
                    level,
                    index,
                    hashes,
                    root,
                });
            }
        }
    }
    Ok(tiles)
}

async fn leaf_hashes(tx: &mut Tx, logs: &[Touched]) -> Result<Older, StoreError> {
    let mut ranges = RowSet::new();
    for log in logs.iter().filter(|log| fills(log, 0) && log.size_before % WIDTH > 0) {
        ranges.push(args![log.shard, &log.register, log.size_before / WIDTH * WIDTH, log.size_before]);
    }
    let sql = leaf_hashes_sql(tx.dialect());
    collect(tx, ranges, &sql, "entry", |_| Ok(0)).await
}

async fn tile_roots(tx: &mut Tx, logs: &[Touched]) -> Result<Older, StoreError> {
    let mut ranges = RowSet::new();
    for log in logs {
        for level in (1..=LEVEL_MAX).take_while(|level| fills(log, *level)) {
            let (before, _) = counts(log, level);
            if before % WIDTH > 0 {
                ranges.push(args![log.shard, &log.register, level - 1, before / WIDTH * WIDTH, before]);
            }
        }
    }
    let sql = tile_roots_sql(tx.dialect());
    let above = |row: &crate::sql::Row| Ok(row.uint("level")? + 1);
    collect(tx, ranges, &sql, "tile", above).await
}

async fn collect(
    tx: &mut Tx,
    ranges: RowSet,
    sql: &str,
    table: &'static str,
    level: impl Fn(&crate::sql::Row) -> Result<u64, StoreError>,
) -> Result<Older, StoreError> {
    let mut older = Older::new();
    if ranges.is_empty() {
        return Ok(older);
    }
    for row in tx.fetch_all(sql, args![ranges]).await? {
        let named = |error: StoreError| error.at(table, String::new);
        let level = u8::try_from(level(&row).map_err(named)?).unwrap_or(u8::MAX);
        let register = row.parse("register").map_err(named)?;
        older.entry((register, level)).or_default().push(row.hash("hash").map_err(named)?);
    }
    Ok(older)
}

fn leaf_hashes_sql(dialect: Dialect) -> String {
    format!(
        "SELECT e.register, e.leaf_hash AS hash FROM {} AS r CROSS JOIN entry e
         WHERE e.shard = r.place AND e.register = r.slug AND e.leaf_index >= r.low AND e.leaf_index < r.high
         ORDER BY e.register, e.leaf_index",
        rows(
            dialect,
            "$1",
            &[("place", Col::Int), ("slug", Col::Text), ("low", Col::Int), ("high", Col::Int)]
        )
    )
}

fn tile_roots_sql(dialect: Dialect) -> String {
    format!(
        "SELECT t.register, t.level, t.root AS hash FROM {} AS r CROSS JOIN tile t
         WHERE t.shard = r.place AND t.register = r.slug AND t.level = r.level AND t.tile_index >= r.low AND t.tile_index < r.high
         ORDER BY t.register, t.level, t.tile_index",
        rows(
            dialect,
            "$1",
            &[("place", Col::Int), ("slug", Col::Text), ("level", Col::Int), ("low", Col::Int), ("high", Col::Int)]
        )
    )
}

/// All queries that look things up by a set of parameters.
#[cfg(test)]
pub(super) fn queries(dialect: Dialect) -> Vec<String> {
    vec![leaf_hashes_sql(dialect), tile_roots_sql(dialect)]
}
