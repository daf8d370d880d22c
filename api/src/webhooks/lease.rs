//! Which server sends to which webhook.

use eventstore::sql::Row;
use eventstore::{Store, StoreError, args};
use proofs::time::Timestamp;
use uuid::Uuid;

/// A webhook that is to be sent to, and who does.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// The webhook.
    pub webhook: Uuid,
    /// Its revision.
    pub revision: u64,
    /// Who sends.
    pub holder: Option<Uuid>,
    /// Until when nobody else does.
    pub until: Timestamp,
}

/// All that are active.
pub async fn active(store: &Store) -> Result<Vec<Lease>, StoreError> {
    let sql = "SELECT id, revision, lease_holder, lease_until FROM webhook WHERE state = 'active'";
    let read = |row: &Row| {
        Ok(Lease {
            webhook: row.uuid("id")?,
            revision: row.uint("revision")?,
            holder: row.opt_uuid("lease_holder")?,
            until: row.time("lease_until")?,
        })
    };
    store.db().fetch_all(sql, args![]).await?.iter().map(read).collect()
}

/// Takes those whose lease is over, and renews one's own that end before `renew`.
pub async fn take(
    store: &Store,
    holder: Uuid,
    now: Timestamp,
    renew: Timestamp,
    until: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE webhook SET lease_holder = $1, lease_until = $4
        WHERE state = 'active' AND (lease_until <= $2 OR (lease_holder = $1 AND lease_until <= $3))";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![holder, now, renew, until]).await?;
    tx.commit().await
}

/// Gives back all that one holds, so that another server need not wait for the leases to end.
pub async fn give_back(store: &Store, holder: Uuid) -> Result<(), StoreError> {
    let sql = "UPDATE webhook SET lease_holder = NULL, lease_until = 0 WHERE lease_holder = $1";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![holder]).await?;
    tx.commit().await
}
