//! What an idempotency key gave before, asked for without appending anything.
//!
//! The append transaction asks the same again, and its answer is the one that counts. Asking first lets a caller answer a
//! retry whose record has moved on since, which would not pass the rules a second time.

use crate::args;
use crate::error::{AppendError, StoreError};
use crate::model::{Appended, Idempotency, Under};
use crate::shards;
use crate::sql::Row;
use crate::store::Store;

impl Store {
    /// The entries that this key made before, for this content; none when it was not used.
    pub async fn replayed(&self, idempotency: &Idempotency) -> Result<Option<Vec<Appended>>, AppendError> {
        // PostgreSQL refuses the parameter; no key has it.
        if idempotency.scope.contains('\0') || idempotency.key.contains('\0') {
            return Ok(None);
        }
        let of_any = shards::any(self.db().dialect());
        let sql = format!(
            "SELECT digest, first_position, entries FROM idempotency WHERE shard {of_any} AND scope = $1 AND key = $2"
        );
        let arguments = args![idempotency.scope.as_str(), idempotency.key.as_str()];
        let Some(used) = self.db().fetch_optional(&sql, arguments).await? else { return Ok(None) };
        let named = |error: StoreError| error.at("idempotency", String::new);
        if used.hash("digest").map_err(named)?.0 != idempotency.digest {
            return Err(AppendError::Idempotency);
        }
        let first = used.uint("first_position").map_err(named)?;
        let count = used.uint("entries").map_err(named)?;
        let sql = format!(
            "SELECT position, register, leaf_index, record, version, recorded_at FROM entry
             WHERE shard {of_any} AND position >= $1 AND position < $2 ORDER BY position"
        );
        let rows = self.db().fetch_all(&sql, args![first, first + count]).await?;
        if rows.len() as u64 != count {
            let error =
                StoreError::corrupt("idempotency", "entries", first, "the entries it stands for are missing");
            return Err(error.into());
        }
        let read = |row: &Row| appended(row).map_err(|error| error.at("entry", || first.to_string()));
        let made = rows.iter().map(read).collect::<Result<_, _>>()?;
        self.db().settle().await?;
        Ok(Some(made))
    }
}

/// An entry that an idempotency key made.
pub(crate) fn appended(row: &Row) -> Result<Appended, StoreError> {
    Ok(Appended {
        position: row.uint("position")?,
        register: row.parse("register")?,
        index: row.uint("leaf_index")?,
        record: row.uuid("record")?,
        version: row.uint("version")?,
        recorded_at: row.time("recorded_at")?,
        replayed: true,
        head: Under::default(),
    })
}
