//! Private keys at rest. They are as safe as the database is: whoever may read it may sign.

use std::sync::Arc;

use proofs::key::{Kid, PrivateKey};
use proofs::signer::Signer;

use crate::args;
use crate::error::StoreError;
use crate::sql::{Dialect, Row, Tx};
use crate::store::Store;

/// The purpose of a key that signs a register's checkpoints; its owner is the register.
pub const CHECKPOINT: &str = "checkpoint";
/// The purpose of a key that signs a department's statements; its owner is the department.
pub const STATEMENT: &str = "statement";
/// The purpose of a key that signs the installation's access tokens; its owner is `installation`.
pub const TOKEN: &str = "token";

const NEWEST: &str =
    "SELECT kid, seed FROM signing_key WHERE owner = $1 AND purpose = $2 ORDER BY ordinal DESC LIMIT 1";

impl Store {
    /// Keeps a key that was made elsewhere as the newest of its owner and purpose. One that is kept already stays where it is.
    pub async fn put_key(&self, owner: &str, purpose: &str, key: &PrivateKey) -> Result<(), StoreError> {
        let mut tx = self.begin_keys().await?;
        insert(&mut tx, owner, purpose, key).await?;
        tx.commit().await
    }

    /// Makes a key, and keeps it as the newest of its owner and purpose.
    pub async fn new_key(&self, owner: &str, purpose: &str) -> Result<Arc<dyn Signer>, StoreError> {
        let key = self.random_key();
        self.put_key(owner, purpose, &key).await?;
        Ok(Arc::new(key))
    }

    /// The newest key of an owner for a purpose; made and kept when there is none, so that no entry ever names a key that was
    /// lost. However many servers ask at once, all are given the same.
    pub async fn keep_key(&self, owner: &str, purpose: &str) -> Result<Arc<dyn Signer>, StoreError> {
        if let Some(key) = self.key(owner, purpose).await? {
            return Ok(key);
        }
        let key = self.random_key();
        let mut tx = self.begin_keys().await?;
        let newest = tx.fetch_optional(NEWEST, args![owner, purpose]).await?;
        if let Some(newest) = newest {
            tx.rollback().await?;
            return read(&newest);
        }
        insert(&mut tx, owner, purpose, &key).await?;
        tx.commit().await?;
        Ok(Arc::new(key))
    }

    fn random_key(&self) -> PrivateKey {
        let mut seed = [0; 32];
        self.entropy().fill(&mut seed);
        PrivateKey::from_seed(&seed)
    }

    /// A transaction that alone adds keys: two that took the same ordinal would fail one another.
    async fn begin_keys(&self) -> Result<Tx, StoreError> {
        let mut tx = self.db().begin().await?;
        if tx.dialect() == Dialect::Postgres {
            // Against other writers of the table, never against readers.
            tx.execute("LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE", args![]).await?;
        }
        Ok(tx)
    }

    /// The newest key of an owner for a purpose.
    pub async fn key(&self, owner: &str, purpose: &str) -> Result<Option<Arc<dyn Signer>>, StoreError> {
        let row = self.db().fetch_optional(NEWEST, args![owner, purpose]).await?;
        row.as_ref().map(read).transpose()
    }

    /// Is a key kept for this owner and purpose?
    pub async fn keeps(&self, owner: &str, purpose: &str, kid: &Kid) -> Result<bool, StoreError> {
        let sql = "SELECT kid FROM signing_key WHERE owner = $1 AND purpose = $2 AND kid = $3 LIMIT 1";
        Ok(self.db().fetch_optional(sql, args![owner, purpose, kid]).await?.is_some())
    }

    /// The key of an identifier.
    pub async fn key_by_kid(&self, kid: &Kid) -> Result<Option<Arc<dyn Signer>>, StoreError> {
        let sql = "SELECT kid, seed FROM signing_key WHERE kid = $1 LIMIT 1";
        let row = self.db().fetch_optional(sql, args![kid]).await?;
        row.as_ref().map(read).transpose()
    }
}

async fn insert(tx: &mut Tx, owner: &str, purpose: &str, key: &PrivateKey) -> Result<(), StoreError> {
    let sql = "INSERT INTO signing_key (owner, purpose, ordinal, kid, seed)
        SELECT $1, $2, (SELECT COALESCE(MAX(ordinal), 0) + 1 FROM signing_key WHERE owner = $1 AND purpose = $2), $3, $4
        WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE owner = $1 AND purpose = $2 AND kid = $3)";
    tx.execute(sql, args![owner, purpose, &key.kid(), key.seed().as_slice()]).await?;
    Ok(())
}

/// A key, checked against its identifier: a seed that was changed would sign what nobody can verify.
pub(crate) fn read(row: &Row) -> Result<Arc<dyn Signer>, StoreError> {
    let kid = row.text("kid")?;
    let seed = row.blob("seed").map_err(|error| error.at("signing_key", || kid.clone()))?;
    let seed: [u8; 32] = seed
        .try_into()
        .map_err(|_| StoreError::corrupt("signing_key", "seed", &kid, "a seed has 32 bytes"))?;
    let key = PrivateKey::from_seed(&seed);
    if key.kid().as_str() == kid {
        Ok(Arc::new(key))
    } else {
        Err(StoreError::corrupt("signing_key", "seed", &kid, "is not the key of its identifier"))
    }
}
