//! Replay: a projection made again from nothing beside the live one, compared with it, and put in its place.

use eventstore::Store;
use proofs::hash::Hash;

use crate::{
    ProjectionError, Projector,
    builds::{self, Build},
    catalogue::Catalogue,
    digest, find,
    runner::BATCH_ENTRIES,
    step::{self, Stepped},
};

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last position applied.
    pub position: u64,
    /// The last position committed when the rebuild began.
    pub target: u64,
}

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries applied by this call; fewer than `position` when it went on with an interrupted one.
    pub entries: u64,
    /// The position at which both were compared, and from which the new rows go on.
    pub position: u64,
    /// Digest of the rows made again.
    pub digest: Hash,
    /// Digest of the rows they replaced, at the same position; nothing when there were none of this version.
    pub replaced: Option<Hash>,
}

impl Rebuilt {
    /// False when what was read before differed from what the entries say.
    pub fn equal(&self) -> bool {
        self.replaced.is_none_or(|replaced| replaced == self.digest)
    }
}

/// Makes the projection again from position 0, in batches, while the old rows are read and kept up to date as before;
/// then holds both at one position, compares them and switches. Interrupted, it goes on where it was when called again.
pub async fn rebuild(
    store: &Store,
    name: &str,
    mut progress: impl FnMut(Progress),
) -> Result<Rebuilt, ProjectionError> {
    let projector = find(name)?;
    let projector = &*projector;
    let catalogue = Catalogue::default();
    let now = store.clock().now();
    // Makes the live build when there is none, and fails here when this program is older than it.
    builds::follow(store.db(), projector, now).await?;
    let target = store.position().await?;
    let mut entries = 0;
    loop {
        let new = builds::beside(store.db(), projector, now).await?;
        let mut report = |position| progress(Progress { position, target });
        entries += advance(store, &catalogue, projector, new, &mut report).await?;
        let Some(live) = builds::live(store.db(), name).await? else { continue };
        if live.version == projector.version() {
            advance(store, &catalogue, projector, live, &mut |_| {}).await?;
        }
        if let Some(mut rebuilt) = finish(store, &catalogue, projector, live, new).await? {
            builds::sweep(store.db(), projector).await?;
            rebuilt.entries += entries;
            return Ok(rebuilt);
        }
    }
}

/// Brings the rows that are read up to what was committed when this is called, for a process that runs no projector. Servers
/// that do may go on meanwhile: whoever holds the build applies the batch.
pub async fn catch_up(store: &Store, name: &str) -> Result<u64, ProjectionError> {
    let projector = find(name)?;
    let catalogue = Catalogue::default();
    let build = builds::follow(store.db(), &*projector, store.clock().now()).await?;
    advance(store, &catalogue, &*projector, build, &mut |_| {}).await
}

/// Steps `build` until nothing is left, or until another process has taken it away.
async fn advance(
    store: &Store,
    catalogue: &Catalogue,
    projector: &dyn Projector,
    build: Build,
    report: &mut impl FnMut(u64),
) -> Result<u64, ProjectionError> {
    let mut applied = 0;
    loop {
        match step::step(store, catalogue, projector, build, BATCH_ENTRIES).await? {
            Stepped::Advanced { position, entries } => {
                applied += entries;
                report(position);
            }
            Stepped::Idle { .. } => return Ok(applied),
            Stepped::Moved => {
                let builds = builds::all(store.db(), projector.name()).await?;
                if !builds.iter().any(|b| b.number == build.number && (b.live || !build.live)) {
                    return Ok(applied);
                }
            }
        }
    }
}

/// Holds both builds, brings the one behind to the other's position, compares, switches. Nothing when another process
/// changed the builds meanwhile.
async fn finish(
    store: &Store,
    catalogue: &Catalogue,
    projector: &dyn Projector,
    live: Build,
    new: Build,
) -> Result<Option<Rebuilt>, ProjectionError> {
    let name = projector.name();
    let (mut tx, locked) = builds::lock(store.db(), name, &[live.number, new.number]).await?;
    let [old, new] = locked[..] else {
        tx.rollback().await?;
        return Ok(None);
    };
    if !old.live || new.number <= old.number {
        tx.rollback().await?;
        return Ok(None);
    }
    let position = new.position.max(old.position);
    let entries = step::catch_up_within(store, catalogue, projector, new, position, &mut tx).await?;
    let comparable = old.version == projector.version();
    if comparable {
        step::catch_up_within(store, catalogue, projector, old, position, &mut tx).await?;
    }
    let digest = digest::of_build(&mut tx, projector, new.number).await?;
    let replaced =
        if comparable { Some(digest::of_build(&mut tx, projector, old.number).await?) } else { None };
    builds::switch(&mut tx, name, new.number).await?;
    tx.commit().await?;
    Ok(Some(Rebuilt { entries, position, digest, replaced }))
}
