//! The journal as of a time. Times of recording never go back along the positions, nor along a register's leaves: whoever
//! appends holds the journal's head, and takes the later of its own clock and the last entry's time. So the entries recorded by
//! some moment are the first so many, which are found by halving, without an index of times.

use proofs::hash::Hash;
use proofs::merkle::Frontier;
use proofs::slug::Slug;
use proofs::time::Timestamp;

use crate::args;
use crate::error::StoreError;
use crate::shards;
use crate::sql::Row;
use crate::store::Store;

/// Where an entry stands, as its row says without its statement being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its register.
    pub register: Slug,
    /// Its index there.
    pub index: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Store {
    /// Where the entry at a position stands, also when the entry itself cannot be read.
    pub async fn placed(&self, position: u64) -> Result<Option<Placed>, StoreError> {
        let of_any = shards::any(self.db().dialect());
        let sql = format!(
            "SELECT register, leaf_index, recorded_at FROM entry WHERE shard {of_any} AND position = $1"
        );
        let row = self.db().fetch_optional(&sql, args![position]).await?;
        let of = |row: &Row| {
            Ok(Placed {
                register: row.parse("register")?,
                index: row.uint("leaf_index")?,
                recorded_at: row.time("recorded_at")?,
            })
        };
        let named = |error: StoreError| error.at("entry", || position.to_string());
        row.as_ref().map(|row| of(row).map_err(named)).transpose()
    }

    /// The position of the last entry recorded by a moment; 0 when there was none.
    pub async fn position_at(&self, recorded: Timestamp) -> Result<u64, StoreError> {
        let (mut known, mut last) = (0, self.position().await?);
        let of_any = shards::any(self.db().dialect());
        let sql = format!("SELECT recorded_at FROM entry WHERE shard {of_any} AND position = $1");
        // At most 63 look-ups by the primary key.
        while known < last {
            let middle = known + (last - known).div_ceil(2);
            let row = self.db().fetch_optional(&sql, args![middle]).await?;
            let row = row.ok_or_else(|| {
                StoreError::corrupt("entry", "position", middle, "no entry, but later ones")
            })?;
            let at = row.time("recorded_at").map_err(|error| error.at("entry", || middle.to_string()))?;
            if at <= recorded { known = middle } else { last = middle - 1 }
        }
        Ok(known)
    }

    /// How many entries a register had at a moment; nothing when there is no such register.
    pub async fn size_at(&self, register: &Slug, recorded: Timestamp) -> Result<Option<u64>, StoreError> {
        let Some(log) = self.log(register).await? else { return Ok(None) };
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let (mut size, mut most) = (0, log.size);
        while size < most {
            let middle = size + (most - size).div_ceil(2);
            let sql = "SELECT recorded_at FROM entry WHERE shard = $1 AND register = $2 AND leaf_index = $3";
            let row = self.db().fetch_optional(sql, args![shard, register, middle - 1]).await?;
            let key = || format!("{register}/{}", middle - 1);
            let row = row.ok_or_else(|| {
                StoreError::corrupt("entry", "leaf_index", key(), "no entry, but later ones")
            })?;
            let at = row.time("recorded_at").map_err(|error| error.at("entry", key))?;
            if at <= recorded { size = middle } else { most = middle - 1 }
        }
        Ok(Some(size))
    }

    /// The root of a register's tree when it had `size` leaves; nothing when it has not so many.
    pub async fn root_at(&self, register: &Slug, size: u64) -> Result<Option<Hash>, StoreError> {
        let corrupt = |error| StoreError::corrupt("log", "size", register, error);
        let nodes = Frontier::nodes(size).map_err(corrupt)?;
        let Some(hashes) = self.nodes(register, size, &nodes).await? else { return Ok(None) };
        let peaks: Vec<Hash> = nodes.iter().filter_map(|node| hashes.get(node).copied()).collect();
        Ok(Some(Frontier::from_parts(size, peaks).map_err(corrupt)?.root()))
    }
}
