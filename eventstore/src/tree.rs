//! Tiles, bundles and proofs. Only full tiles are stored; a partial one is made from the leaf hashes, or from the roots of the tiles
//! below. What an answer needs is asked in one statement, and each tile's hashes come as one value.

use std::collections::{BTreeMap, HashMap};

use proofs::hash::Hash;
use proofs::leaf::Leaf;
use proofs::merkle::{ConsistencyPlan, InclusionPlan, Node, SIZE_MAX};
use proofs::slug::Slug;
use proofs::statement::SignedStatement;
use proofs::tile::{self, LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH};

use crate::args;
use crate::error::StoreError;
use crate::sql::{Col, Dialect, Row, RowSet, few_rows};
use crate::store::Store;

const WIDTH: u64 = TILE_WIDTH as u64;

/// SQL that gives the first hashes of the tile `r` (level, tile_index, width) of the log `l`: of the stored tile, or else of what
/// it is made from, as far as that is there.
fn hashes(dialect: Dialect) -> String {
    let joined = |hash: &str, order: &str| match dialect {
        // SQLite joins text.
        Dialect::Sqlite => format!("unhex(group_concat(hex({hash}), '' ORDER BY {order}))"),
        Dialect::Postgres => format!("string_agg({hash}, CAST('' AS BYTEA) ORDER BY {order})"),
    };
    format!(
        "COALESCE(
            (SELECT substr(t.hashes, 1, CAST(r.width * 32 AS INTEGER)) FROM tile t
             WHERE t.shard = l.shard AND t.register = l.register AND t.level = r.level AND t.tile_index = r.tile_index),
            CASE WHEN r.level = 0 THEN
                (SELECT {} FROM entry e WHERE e.shard = l.shard AND e.register = l.register
                 AND e.leaf_index >= r.tile_index * {WIDTH} AND e.leaf_index < r.tile_index * {WIDTH} + r.width)
            ELSE
                (SELECT {} FROM tile b WHERE b.shard = l.shard AND b.register = l.register AND b.level = r.level - 1
                 AND b.tile_index >= r.tile_index * {WIDTH} AND b.tile_index < r.tile_index * {WIDTH} + r.width)
            END) AS hashes",
        joined("e.leaf_hash", "e.leaf_index"),
        joined("b.root", "b.tile_index"),
    )
}

/// The first `width` hashes of a tile that the tree has.
fn hashes_of(row: &Row, register: &Slug, level: u8, index: u64, width: u16) -> Result<Vec<Hash>, StoreError> {
    let key = || format!("{register}/{level}/{index}");
    let table = if level == 0 { "entry" } else { "tile" };
    let bytes = row.opt_bytes("hashes").map_err(|error| error.at(table, key))?.unwrap_or_default();
    if bytes.len() != usize::from(width) * 32 {
        return Err(StoreError::corrupt(table, "shard", key(), "hashes of the tree are missing"));
    }
    tile::tile_decode(bytes).map_err(|error| StoreError::corrupt(table, "hashes", key(), error))
}

impl Store {
    /// The bytes of a hash tile's first `width` hashes; none when the register's tree is not that large.
    pub async fn tile(
        &self,
        register: &Slug,
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let end = index.checked_mul(WIDTH).and_then(|start| start.checked_add(u64::from(width)));
        let Some(end) = end.filter(|_| level <= LEVEL_MAX && (1..=TILE_WIDTH).contains(&width)) else {
            return Ok(None);
        };
        // As many leaves as it stands on; PostgreSQL could not count more.
        let leaves = end.checked_mul(1 << (u32::from(TILE_HEIGHT) * u32::from(level)));
        let Some(leaves) = leaves.filter(|leaves| *leaves <= SIZE_MAX) else { return Ok(None) };
        let sql = format!(
            "SELECT {} FROM log l CROSS JOIN
                (SELECT CAST($2 AS BIGINT) AS level, CAST($3 AS BIGINT) AS tile_index, CAST($4 AS BIGINT) AS width) AS r
             WHERE l.register = $1 AND l.size >= $5",
            hashes(self.db().dialect())
        );
        let arguments = args![register, level, index, u32::from(width), leaves];
        let rows = self.db().fetch_together(&sql, arguments).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(tile::tile_encode(&hashes_of(row, register, level, index, width)?)))
    }

    /// The bytes of an entry bundle's first `width` leaves; none when the register has not that many.
    pub async fn bundle(
        &self,
        register: &Slug,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(start) = index.checked_mul(WIDTH) else { return Ok(None) };
        if width == 0 || width > TILE_WIDTH {
            return Ok(None);
        }
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let sql = "SELECT recorded_at, statement FROM entry
            WHERE shard = $1 AND register = $2 AND leaf_index >= $3 AND leaf_index < $4 ORDER BY leaf_index";
        let arguments = args![shard, register, start, start.saturating_add(u64::from(width))];
        let rows = self.db().fetch_all(sql, arguments).await?;
        if rows.len() != usize::from(width) {
            return Ok(None);
        }
        let mut leaves = Vec::with_capacity(rows.len());
        for row in &rows {
            let named = |error: StoreError| error.at("entry", || format!("{register}/{index}"));
            let packed = row.bytes("statement").map_err(named)?;
            let statement = SignedStatement::from_packed(packed).map_err(|error| {
                StoreError::corrupt("entry", "statement", format!("{register}/{index}"), error)
            })?;
            let recorded_at = row.time("recorded_at").map_err(named)?;
            leaves.push(Leaf { recorded_at, statement }.to_bytes());
        }
        tile::bundle_encode(&leaves)
            .map(Some)
            .map_err(|error| StoreError::corrupt("entry", "statement", format!("{register}/{start}"), error))
    }

    /// The proof that the leaf at an index is in the register's tree of a size; none when there is no such leaf or size.
    pub async fn inclusion(
        &self,
        register: &Slug,
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let Ok(plan) = InclusionPlan::new(index, size) else { return Ok(None) };
        let nodes = self.nodes(register, size, plan.nodes()).await?;
        Ok(nodes.and_then(|nodes| plan.assemble(|node| nodes.get(&node).copied())))
    }

    /// The proof that the register's tree of size `new` extends that of size `old`; none when there are no such sizes.
    pub async fn consistency(
        &self,
        register: &Slug,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let Ok(plan) = ConsistencyPlan::new(old, new) else { return Ok(None) };
        let nodes = self.nodes(register, new, plan.nodes()).await?;
        Ok(nodes.and_then(|nodes| plan.assemble(|node| nodes.get(&node).copied())))
    }

    /// Hashes of nodes of the register's tree of `size` leaves, from the few tiles that hold them; none when it has not so many.
    pub(crate) async fn nodes(
        &self,
        register: &Slug,
        size: u64,
        nodes: &[Node],
    ) -> Result<Option<HashMap<Node, Hash>>, StoreError> {
        let mut widths: BTreeMap<(u8, u64), u16> = BTreeMap::new();
        for node in nodes {
            let span = tile::locate(*node);
            let width = widths.entry((span.level, span.index)).or_default();
            *width = (*width).max(span.offset + span.count);
        }
        let mut wanted = RowSet::new();
        for ((level, index), width) in &widths {
            wanted.push(args![*level, *index, u32::from(*width)]);
        }
        let columns = [("level", Col::Int), ("tile_index", Col::Int), ("width", Col::Int)];
        let dialect = self.db().dialect();
        let sql = format!(
            "SELECT r.level, r.tile_index, {} FROM log l LEFT JOIN {} AS r ON 1 = 1 WHERE l.register = $1 AND l.size >= $3",
            hashes(dialect),
            few_rows(dialect, "$2", &columns)
        );
        let found = self.db().fetch_all(&sql, args![register, wanted, size]).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut tiles = HashMap::new();
        // Of no nodes, the one row says that the tree is that large.
        for row in found.iter().take(widths.len()) {
            let place = (row.uint("level")?, row.uint("tile_index")?);
            let known = widths.iter().find(|((level, index), _)| (u64::from(*level), *index) == place);
            let known = known.ok_or_else(|| StoreError::corrupt("query", "level", register, "not asked for"));
            let ((level, index), width) = known?;
            tiles.insert((*level, *index), hashes_of(row, register, *level, *index, *width)?);
        }
        let hash_of = |node: &Node| {
            let span = tile::locate(*node);
            let hash = tiles.get(&(span.level, span.index)).and_then(|tile| span.hash(tile));
            let key = || format!("{register}/{}/{}", span.level, span.index);
            let missing = || StoreError::corrupt("tile", "hashes", key(), "too narrow");
            hash.map(|hash| (*node, hash)).ok_or_else(missing)
        };
        nodes.iter().map(hash_of).collect::<Result<_, _>>().map(Some)
    }
}
