//! What is left to do when the master key is lost.

use super::data_key::DataKey;
use super::{MasterKey, SealError, row};
use crate::args;
use crate::error::StoreError;
use crate::sql::{Db, Dialect, Tx};
use crate::store::{Options, Store};

/// Throws away every secret of a store that its own options do not open any more, and seals it anew: entries, trees and
/// checkpoints stay as they are and can be read, and keys on devices sign as before. Registers whose keys are gone take no entry.
pub async fn forget_secrets(options: &Options, master: &MasterKey) -> Result<(), StoreError> {
    match Store::open(options.clone()).await {
        Ok(store) => {
            store.close().await;
            return Err(SealError::NotLost.into());
        }
        Err(StoreError::Seal(SealError::Missing(_) | SealError::Wrong(_) | SealError::Method { .. })) => {}
        Err(error) => return Err(error),
    }
    let db = Db::open(&options.target).await?;
    let forgotten = forget(&db, options, master).await;
    db.close().await;
    forgotten
}

async fn forget(db: &Db, options: &Options, master: &MasterKey) -> Result<(), StoreError> {
    let entropy = &*options.entropy;
    let data_key = DataKey::random(entropy)?;
    let wrapped = row::wrap(&data_key, master, entropy).await?;
    let mut tx: Tx = db.begin().await?;
    if tx.dialect() == Dialect::Postgres {
        tx.execute("LOCK TABLE signing_key, webhook IN SHARE ROW EXCLUSIVE MODE", args![]).await?;
    }
    let keys = tx.execute("DELETE FROM signing_key WHERE reference IS NULL", args![]).await?;
    tx.execute("DELETE FROM webhook_delivery", args![]).await?;
    let webhooks = tx.execute("DELETE FROM webhook", args![]).await?;
    wrapped.replace(&mut tx).await?;
    tx.commit().await?;
    tracing::warn!(keys, webhooks, "threw away secrets that nobody can open");
    Ok(())
}
