//! Secrets at rest: sealed under a data key, which is itself sealed under what the operator keeps elsewhere.
//!
//! Every secret is sealed with AES-256-GCM and bound to its place (whose it is, what for, under which name), so that one that was
//! moved to another row does not open. The data key is made once. A change of the passphrase, or a move from a passphrase to a
//! key file, seals the data key anew and touches nothing else; to start costs one derivation however many keys there are.

mod data_key;
mod lost;
mod master;
mod passphrase;
mod row;
mod upgrade;

use std::sync::Arc;

use zeroize::Zeroizing;

pub(crate) use data_key::DataKey;
pub use lost::forget_secrets;
pub use master::{MASTER_KEY_BYTES, MasterKey, MasterKeySource, SealError};
pub use passphrase::PassphraseSealed;
pub(crate) use row::open;

use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// Seals a secret for its row of a table.
    pub fn seal(&self, table: &str, row: &str, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.keyring().data_key.seal(&[table, row], secret, self.entropy())?)
    }

    /// Opens what [`Store::seal`] sealed for the same row.
    pub fn unseal(&self, table: &str, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        Ok(self.keyring().data_key.open(&[table, row], sealed)?)
    }

    /// From now on the store opens with this master key, and not with the one before. Servers that run go on.
    pub async fn reseal(&self, master: &MasterKey) -> Result<(), StoreError> {
        row::rewrap(self.db(), &self.keyring().data_key, master, self.entropy()).await
    }
}

/// Derives and reads off the async threads: a derivation takes a good part of a second, and a disk may hang.
async fn off_async<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SealError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| StoreError::Internal("a task that opens the seal has ended".to_owned()))??)
}

/// The source, shared with the thread that asks it.
pub(crate) type Source = Arc<dyn MasterKeySource>;
