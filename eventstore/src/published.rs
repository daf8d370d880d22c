//! The checkpoint of a register that is shown outside. Without witnesses it is the log's head; with them it is the newest that
//! enough of them cosigned, kept in `published`.

use std::collections::BTreeMap;

use proofs::checkpoint::Checkpoint;
use proofs::hash::Hash;
use proofs::note::SignedNote;
use proofs::slug::Slug;

use crate::args;
use crate::error::StoreError;
use crate::sql::Row;
use crate::store::Store;

/// The columns that [`read`] wants, of what [`shown`] names.
pub(crate) const COLUMNS: &str =
    "shown.size AS shown_size, shown.root AS shown_root, shown.note AS shown_note";

/// Where the checkpoints are that are shown.
pub(crate) fn shown(witnessed: bool) -> &'static str {
    if witnessed {
        "published AS shown"
    } else {
        "(SELECT shard, register, size, root, checkpoint AS note FROM log) AS shown"
    }
}

/// A checkpoint that is shown outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The register.
    pub register: Slug,
    /// How many entries it covers.
    pub size: u64,
    /// The root of the tree of so many.
    pub root: Hash,
    /// The signed note, with the cosignatures.
    pub note: String,
}

impl Store {
    /// The checkpoint that a register shows; none where there is no such register, or nothing of it was published yet.
    pub async fn published(&self, register: &Slug) -> Result<Option<Published>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM {} WHERE shown.shard = $1 AND shown.register = $2",
            shown(self.witnessed())
        );
        let row = self.db().fetch_optional(&sql, args![shard, register]).await?;
        row.map(|row| read(&row, register.clone())).transpose()
    }

    /// What was published through witnesses, by register.
    pub async fn all_published(&self) -> Result<BTreeMap<Slug, Published>, StoreError> {
        let sql = format!("SELECT shown.register, {COLUMNS} FROM published AS shown");
        let rows = self.db().fetch_all(&sql, vec![]).await?;
        let named = |row: &Row| row.parse("register").map_err(|error| error.at("published", String::new));
        let read = |row: &Row| read(row, named(row)?).map(|shown| (shown.register.clone(), shown));
        rows.iter().map(read).collect()
    }

    /// Publishes a checkpoint with its cosignatures, of which it has so many. It never takes the place of a larger one, nor of one
    /// of the same size that has more cosignatures; false where it would. However many servers publish at once.
    pub async fn publish(
        &self,
        register: &Slug,
        note: &SignedNote,
        cosignatures: u64,
    ) -> Result<bool, StoreError> {
        let checkpoint = Checkpoint::parse(note.text())
            .map_err(|error| StoreError::corrupt("log", "checkpoint", register, error))?;
        let sql = "INSERT INTO published (shard, register, size, root, note, cosignatures, published_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (shard, register) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note,
                cosignatures = excluded.cosignatures, published_at = excluded.published_at
            WHERE published.size < excluded.size
                OR (published.size = excluded.size AND published.root = excluded.root
                    AND published.cosignatures <= excluded.cosignatures)";
        let Some(shard) = self.shard_of(register).await? else { return Ok(false) };
        let mut tx = self.db().begin().await?;
        let arguments = args![
            shard,
            register,
            checkpoint.size,
            checkpoint.root,
            note.to_string(),
            cosignatures,
            self.clock().now(),
        ];
        let changed = tx.execute(sql, arguments).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }
}

/// A row whose note is of the size and root beside it: what is handed out as published is looked at first.
pub(crate) fn read(row: &Row, register: Slug) -> Result<Published, StoreError> {
    let at = |error: StoreError| error.at("published", || register.to_string());
    let (size, root) = (row.uint("shown_size").map_err(at)?, row.hash("shown_root").map_err(at)?);
    let note = row.text("shown_note").map_err(at)?;
    let stated = SignedNote::parse(&note).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    if stated.is_none_or(|stated| stated.size != size || stated.root != root) {
        let why = "is not of the size and root beside it";
        return Err(StoreError::corrupt("published", "note", &register, why));
    }
    Ok(Published { register, size, root, note })
}
