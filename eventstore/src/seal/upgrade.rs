//! What a version before migration 11 kept in the clear: sealed when the store is opened, and its clear bytes made to go.

use zeroize::Zeroizing;

use super::data_key::DataKey;
use crate::args;
use crate::clock::Entropy;
use crate::error::StoreError;
use crate::keys;
use crate::sql::{Db, Dialect, Row, Tx};

/// Where the migration put it. Nothing can be added there.
const CLEAR: [&str; 2] = ["signing_key_clear", "webhook_secret_clear"];

/// Seals what is in the clear, and erases it. A store that was made by this version has nothing.
pub(super) async fn run(db: &Db, data_key: &DataKey, entropy: &dyn Entropy) -> Result<(), StoreError> {
    if any(db).await? {
        let mut tx = db.begin().await?;
        if tx.dialect() == Dialect::Postgres {
            tx.execute(
                "LOCK TABLE signing_key_clear, webhook_secret_clear, signing_key IN ACCESS EXCLUSIVE MODE",
                args![],
            )
            .await?;
        }
        let keys = signing_keys(&mut tx, data_key, entropy).await?;
        let secrets = webhook_secrets(&mut tx, data_key, entropy).await?;
        for table in CLEAR {
            let sql = match tx.dialect() {
                Dialect::Sqlite => format!("DELETE FROM {table}"),
                // A new, empty file takes the place of the old one at the commit: no dead row stays for a vacuum.
                Dialect::Postgres => format!("TRUNCATE {table}"),
            };
            tx.execute(&sql, args![]).await?;
        }
        tx.execute("UPDATE seal SET erased = 0 WHERE id = 1", args![]).await?;
        tx.commit().await?;
        tracing::info!(keys, secrets, "sealed what an older version had kept in the clear");
    }
    erase(db).await
}

async fn any(db: &Db) -> Result<bool, StoreError> {
    for table in CLEAR {
        if db.fetch_optional(&format!("SELECT 1 AS one FROM {table} LIMIT 1"), args![]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn signing_keys(tx: &mut Tx, data_key: &DataKey, entropy: &dyn Entropy) -> Result<usize, StoreError> {
    let sql = "SELECT owner, purpose, kid, seed FROM signing_key_clear ORDER BY owner, purpose, ordinal";
    let rows = tx.fetch_all(sql, args![]).await?;
    for row in &rows {
        let named = |error: StoreError| error.at("signing_key_clear", String::new);
        let (owner, purpose) = (row.text("owner").map_err(named)?, row.text("purpose").map_err(named)?);
        let kid = row.text("kid").map_err(named)?;
        let key = keys::from_seed(
            "signing_key_clear",
            "seed",
            &kid,
            &Zeroizing::new(row.blob("seed").map_err(named)?),
        )?;
        let kept = keys::Kept::sealed(&owner, &purpose, &key, data_key, entropy)?;
        kept.insert(tx, &owner, &purpose).await?;
    }
    Ok(rows.len())
}

async fn webhook_secrets(
    tx: &mut Tx,
    data_key: &DataKey,
    entropy: &dyn Entropy,
) -> Result<usize, StoreError> {
    let rows = tx.fetch_all("SELECT id, secret, former_secret FROM webhook_secret_clear", args![]).await?;
    for row in &rows {
        let named = |error: StoreError| error.at("webhook_secret_clear", String::new);
        let id = row.uuid("id").map_err(named)?;
        let sealed = |secret: Option<Vec<u8>>| {
            let secret = secret.map(Zeroizing::new);
            secret.map(|secret| data_key.seal(&["webhook", &id.to_string()], &secret, entropy)).transpose()
        };
        let secret = sealed(row.opt_blob("secret").map_err(named)?)?;
        let former = sealed(row.opt_blob("former_secret").map_err(named)?)?;
        let sql = "UPDATE webhook SET secret = $2, former_secret = $3 WHERE id = $1";
        tx.execute(sql, args![id, secret, former]).await?;
    }
    Ok(rows.len())
}

/// Makes the clear bytes go, which SQLite leaves in free pages, in the slack of pages that were split, and in its WAL. When
/// something hinders it, the next start tries again.
async fn erase(db: &Db) -> Result<(), StoreError> {
    let row = db.fetch_optional("SELECT erased FROM seal WHERE id = 1", args![]).await?;
    if row.as_ref().map(|row: &Row| row.int("erased")).transpose()? != Some(0) {
        return Ok(());
    }
    db.rewrite().await?;
    let mut tx = db.begin().await?;
    tx.execute("UPDATE seal SET erased = 1 WHERE id = 1", args![]).await?;
    tx.commit().await
}
