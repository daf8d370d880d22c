//! What a store is checked for when it is opened.

use proofs::checkpoint;
use proofs::merkle::Frontier;

use crate::error::StoreError;
use crate::heads::{self, Head};
use crate::sql::Db;

/// Checks that each log's stored frontier gives its stored root, and that its checkpoint, under each of its keys, says the same. A store
/// that fails here must not sign anything more: it would fork a log. Gives the heads.
pub(crate) async fn heads(db: &Db, log_name: &str) -> Result<Vec<Head>, StoreError> {
    let heads = heads::all(db).await?;
    for head in &heads {
        check(head, log_name)?;
    }
    // They come by register. The appender sees to it; no index does, since one over all shards could not be spread over a cluster.
    let next = heads.iter().skip(1);
    if let Some((one, _)) = heads.iter().zip(next).find(|(one, next)| one.log.register == next.log.register) {
        return Err(StoreError::corrupt("log", "register", &one.log.register, "is in two shards"));
    }
    Ok(heads)
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
