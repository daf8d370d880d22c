//! Tiles, bundles, proofs and receipts. Only full tiles are stored; a partial one is made from the leaf hashes, or from the
//! roots of the tiles below.

use std::collections::HashMap;

use proofs::hash::{Hash, leaf_hash};
use proofs::leaf::Leaf;
use proofs::merkle::{ConsistencyPlan, Grown, InclusionPlan, Node, ProofError, verify_inclusion};
use proofs::proof::TlogProof;
use proofs::receipt::Receipt;
use proofs::slug::Slug;
use proofs::statement::SignedStatement;
use proofs::tile::{self, LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH};

use crate::args;
use crate::error::StoreError;
use crate::model::{Appended, NewEntry};
use crate::store::Store;

const WIDTH: u64 = TILE_WIDTH as u64;

impl Store {
    /// The bytes of a hash tile's first `width` hashes; none when the register's tree is not that large.
    pub async fn tile(
        &self,
        register: &Slug,
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if level > LEVEL_MAX || width == 0 || width > TILE_WIDTH {
            return Ok(None);
        }
        let Some(size) = self.size(register).await? else { return Ok(None) };
        let count = size >> (u32::from(TILE_HEIGHT) * u32::from(level));
        let Some(end) = index.checked_mul(WIDTH).and_then(|start| start.checked_add(u64::from(width))) else {
            return Ok(None);
        };
        if end > count {
            return Ok(None);
        }
        let hashes = self.tile_hashes(register, level, index, width).await?;
        Ok(Some(tile::tile_encode(&hashes)))
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
        let sql = "SELECT position, recorded_at, statement FROM entry
            WHERE shard = $1 AND register = $2 AND leaf_index >= $3 AND leaf_index < $4 ORDER BY leaf_index";
        let arguments = args![shard, register, start, start.saturating_add(u64::from(width))];
        let rows = self.db().fetch_all(sql, arguments).await?;
        if rows.len() != usize::from(width) {
            return Ok(None);
        }
        let mut leaves = Vec::with_capacity(rows.len());
        for row in &rows {
            let named = |error: StoreError| error.at("entry", || format!("{register}/{index}"));
            let packed = row.blob("statement").map_err(named)?;
            let statement = SignedStatement::from_packed(&packed).map_err(|error| {
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
        if self.size(register).await?.is_none_or(|current| size > current) {
            return Ok(None);
        }
        let nodes = self.nodes(register, plan.nodes()).await?;
        Ok(plan.assemble(|node| nodes.get(&node).copied()))
    }

    /// The proof that the register's tree of size `new` extends that of size `old`; none when there are no such sizes.
    pub async fn consistency(
        &self,
        register: &Slug,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let Ok(plan) = ConsistencyPlan::new(old, new) else { return Ok(None) };
        if self.size(register).await?.is_none_or(|current| new > current) {
            return Ok(None);
        }
        let nodes = self.nodes(register, plan.nodes()).await?;
        Ok(plan.assemble(|node| nodes.get(&node).copied()))
    }

    /// The receipt of an entry under the checkpoint that is published, if that covers it, with body and salt: the caller strips what its reader may not see.
    pub async fn receipt(&self, register: &Slug, index: u64) -> Result<Option<Receipt>, StoreError> {
        let Some(head) = self.published(register).await? else { return Ok(None) };
        let Some(entry) = self.entry(register, index).await? else { return Ok(None) };
        let Some(path) = self.inclusion(register, index, head.size).await? else { return Ok(None) };
        let leaf = entry.leaf().to_bytes();
        // What is handed out as proof is proved first: a disk or a hand that changed a hash is found here, not by a court.
        verify_inclusion(&leaf_hash(&leaf), index, head.size, &path, &head.root).map_err(|error| {
            StoreError::corrupt("entry", "leaf_hash", format!("{register}/{index}"), error)
        })?;
        let body = entry.body.as_deref().map(serde_json::from_slice).transpose();
        let body = body.map_err(|error| StoreError::corrupt("entry", "body", entry.position, error))?;
        let proof = TlogProof { index, extra: None, path, checkpoint: head.note };
        Ok(Some(Receipt { leaf, index, proof, body, salt: entry.salt }))
    }

    /// The receipt of an entry that was just appended, under the checkpoint that it was committed with, and from nothing but memory: as
    /// [`Store::receipt`] would have given it then. None when it was appended by another process, or before, or when
    /// checkpoints are shown only once they are published.
    pub fn fresh_receipt(&self, appended: &Appended, new: &NewEntry) -> Result<Option<Receipt>, StoreError> {
        let Some(head) = appended.head.0.as_ref().filter(|_| !self.witnessed()) else { return Ok(None) };
        let wrong = |error: &ProofError| StoreError::Internal(format!("the proof of a new entry: {error}"));
        let grown =
            head.grown.get_or_init(|| Grown::new(&head.before, &head.new_hashes)).as_ref().map_err(wrong)?;
        let path = grown.inclusion(appended.index).map_err(|error| wrong(&error))?;
        let leaf = Leaf { recorded_at: appended.recorded_at, statement: new.statement.clone() }.to_bytes();
        verify_inclusion(&leaf_hash(&leaf), appended.index, grown.size(), &path, &head.root)
            .map_err(|error| wrong(&error))?;
        let body =
            serde_json::from_slice(&new.body).map_err(|error| StoreError::Internal(error.to_string()))?;
        let proof =
            TlogProof { index: appended.index, extra: None, path, checkpoint: head.checkpoint.clone() };
        Ok(Some(Receipt { leaf, index: appended.index, proof, body: Some(body), salt: Some(new.salt) }))
    }

    async fn size(&self, register: &Slug) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT size FROM log WHERE register = $1";
        let row = self.db().fetch_optional(sql, args![register]).await?;
        row.map(|row| row.uint("size").map_err(|error| error.at("log", || register.to_string()))).transpose()
    }

    /// Hashes of nodes, from the few tiles that hold them.
    pub(crate) async fn nodes(
        &self,
        register: &Slug,
        nodes: &[Node],
    ) -> Result<HashMap<Node, Hash>, StoreError> {
        let mut widths: HashMap<(u8, u64), u16> = HashMap::new();
        for node in nodes {
            let span = tile::locate(*node);
            let width = widths.entry((span.level, span.index)).or_default();
            *width = (*width).max(span.offset + span.count);
        }
        let mut tiles = HashMap::new();
        for ((level, index), width) in widths {
            tiles.insert((level, index), self.tile_hashes(register, level, index, width).await?);
        }
        let hash_of = |node: &Node| {
            let span = tile::locate(*node);
            let hash = tiles.get(&(span.level, span.index)).and_then(|tile| span.hash(tile));
            hash.map(|hash| (*node, hash)).ok_or_else(|| {
                StoreError::corrupt(
                    "tile",
                    "hashes",
                    format!("{register}/{}/{}", span.level, span.index),
                    "too narrow",
                )
            })
        };
        nodes.iter().map(hash_of).collect()
    }

    /// The first `width` hashes of a tile that the tree has.
    async fn tile_hashes(
        &self,
        register: &Slug,
        level: u8,
        index: u64,
        width: u16,
    ) -> Result<Vec<Hash>, StoreError> {
        let key = || format!("{register}/{level}/{index}");
        let shard = self.shard_of(register).await?;
        let shard = shard.ok_or_else(|| StoreError::corrupt("log", "register", register, "no row"))?;
        let sql =
            "SELECT hashes FROM tile WHERE shard = $1 AND register = $2 AND level = $3 AND tile_index = $4";
        if let Some(row) = self.db().fetch_optional(sql, args![shard, register, level, index]).await? {
            let bytes = row.blob("hashes").map_err(|error| error.at("tile", key))?;
            let mut hashes = tile::tile_decode(&bytes)
                .map_err(|error| StoreError::corrupt("tile", "hashes", key(), error))?;
            hashes.truncate(usize::from(width));
            return Ok(hashes);
        }
        let start = index * WIDTH;
        let end = start + u64::from(width);
        let rows = if level == 0 {
            let sql = "SELECT leaf_hash AS hash FROM entry
                WHERE shard = $1 AND register = $2 AND leaf_index >= $3 AND leaf_index < $4 ORDER BY leaf_index";
            self.db().fetch_all(sql, args![shard, register, start, end]).await?
        } else {
            let sql = "SELECT root AS hash FROM tile
                WHERE shard = $1 AND register = $2 AND level = $3 AND tile_index >= $4 AND tile_index < $5
                ORDER BY tile_index";
            self.db().fetch_all(sql, args![shard, register, level - 1, start, end]).await?
        };
        let table = if level == 0 { "entry" } else { "tile" };
        if rows.len() != usize::from(width) {
            return Err(StoreError::corrupt(table, "shard", key(), "hashes of the tree are missing"));
        }
        rows.iter().map(|row| row.hash("hash").map_err(|error| error.at(table, key))).collect()
    }
}
