//! A write that was sent without a lock, and of which nobody knows what became: its connection ended, or was silent. Under the lock
//! of the journal it is found out.

use super::decide::Decided;
use super::lock::Head;
use crate::args;
use crate::error::StoreError;
use crate::shards::FIRST;
use crate::sql::Tx;

/// What was written, perhaps.
pub(super) struct Lost {
    pub decided: Decided,
    /// What is said as long as it is not found out: [`StoreError::OutcomeUnknown`].
    pub error: StoreError,
}

/// What was lost, taken out, when it was committed. It is forgotten when the journal has gone on without it, as it then changes
/// nothing any more; and kept while the journal is where it was: should it still arrive, it changes nothing once that has gone on.
pub(super) async fn found(
    lost: &mut Option<Lost>,
    tx: &mut Tx,
    head: Head,
) -> Result<Option<Lost>, StoreError> {
    let Some(Lost { decided, .. }) = lost.as_ref().filter(|lost| head.position != lost.decided.before) else {
        return Ok(None);
    };
    let sql =
        "SELECT leaf_hash FROM entry WHERE shard = $1 AND position > $2 AND position <= $3 ORDER BY position";
    let rows = tx.fetch_all(sql, args![FIRST, decided.before, decided.position]).await?;
    let found = rows.iter().map(|row| row.hash("leaf_hash")).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| error.at("entry", String::new))?;
    let stands = found.iter().eq(decided.entries.iter().map(|entry| &entry.leaf_hash));
    Ok(lost.take().filter(|_| stands))
}
