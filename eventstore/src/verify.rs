//! What a store is checked for when it is opened.

use proofs::checkpoint;
use proofs::merkle::Frontier;

use crate::error::StoreError;
use crate::heads::{self, Head};
use crate::sql::Db;

/// Checks that each log's stored frontier gives its stored root, and that its checkpoint, under each of its keys, says the same. A store
/// that fails here must not sign anything more: it would fork a log.
pub(crate) async fn heads(db: &Db, log_name: &str) -> Result<(), StoreError> {
    for head in heads::all(db).await? {
        check(&head, log_name)?;
    }
    Ok(())
}

fn check(head: &Head, log_name: &str) -> Result<(), StoreError> {
    let register = &head.log.register;
    let frontier: &Frontier = &head.frontier;
    if frontier.root() != head.log.root {
        return Err(StoreError::corrupt("log", "frontier", register, "does not give the root"));
    }
    for key in head.log.keys() {
        let signed = checkpoint::open(&head.log.checkpoint, key)
            .map_err(|error| StoreError::corrupt("log", "checkpoint", register, error))?;
        if signed.origin != checkpoint::origin(log_name, register) {
            return Err(StoreError::corrupt("log", "checkpoint", register, "names another origin"));
        }
        if signed.size != head.log.size || signed.root != head.log.root {
            let why = "is not of the stored size and root";
            return Err(StoreError::corrupt("log", "checkpoint", register, why));
        }
    }
    Ok(())
}
