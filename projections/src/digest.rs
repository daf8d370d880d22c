//! The digest of a projection: equal rows have equal digests, in either store.

use eventstore::Store;
use proofs::hash::Hash;
use sha2::{Digest as _, Sha256};

use crate::{ProjectionError, builds, compare, find};

/// SHA-256 over the rows of the projection that readers read, and the position they are at. All of it is read in one
/// snapshot: nobody who writes waits for it.
pub async fn digest(store: &Store, name: &str) -> Result<(u64, Hash), ProjectionError> {
    let projector = find(name)?;
    let mut snapshot = store.db().snapshot().await?;
    let Some(live) = builds::live_in(&mut snapshot, name).await? else {
        return Ok((0, Hash(Sha256::digest([]).into())));
    };
    let digest = compare::digest(&mut snapshot, &*projector, live.number).await?;
    snapshot.rollback().await?;
    Ok((live.position, digest))
}
