//! Replay: a projection made again from nothing beside the live one, compared with it, and, unless that was all that was
//! asked, put in its place.

use std::sync::Arc;

use eventstore::Store;
use proofs::hash::Hash;

use crate::{
    ProjectionError, Projector,
    builds::{self, Build},
    catalogue::Catalogue,
    compare::{self, Compared, Difference},
    find,
    pace::Pace,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries applied by this call; fewer than `position` when it went on with an interrupted one.
    pub entries: u64,
    /// The position at which both were compared.
    pub position: u64,
    /// Digest of the rows made again, at that position.
    pub digest: Hash,
    /// Digest of the rows they replaced, at the same position; nothing when there were none of this version.
    pub replaced: Option<Hash>,
    /// The first row in which they differed.
    pub difference: Option<Difference>,
    /// Did the rows that were read still count what an order has withheld since? Then they had to differ.
    pub stale: bool,
}

impl Rebuilt {
    /// False when what was read before differed from what the entries say.
    pub fn equal(&self) -> bool {
        self.replaced.is_none_or(|replaced| replaced == self.digest)
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Entries applied by this call.
    pub entries: u64,
    /// The position at which both were compared.
    pub position: u64,
    /// Digest of the rows made again.
    pub digest: Hash,
    /// Digest of the rows that are read.
    pub live: Hash,
    /// The first row in which they differ.
    pub difference: Option<Difference>,
    /// Do the rows that are read still count what an order has withheld since? Then they have to differ until a running server
    /// has made them again.
    pub stale: bool,
}

/// Makes the projection again from position 0, in batches, while the old rows are read and kept up to date as before;
/// compares both at one position, and switches. Interrupted, it goes on where it was when called again. It makes rows, and
/// nothing else: what follows the journal to act on it has a position of its own, which no rebuild moves.
pub async fn rebuild(
    store: &Store,
    name: &str,
    progress: impl FnMut(Progress),
) -> Result<Rebuilt, ProjectionError> {
    rebuild_with(store, find(name)?, progress).await
}

/// The same, of a projector that need not be one of this crate's.
pub async fn rebuild_with(
    store: &Store,
    projector: Arc<dyn Projector>,
    mut progress: impl FnMut(Progress),
) -> Result<Rebuilt, ProjectionError> {
    let making = Making::begin(store, &*projector).await?;
    let mut entries = 0;
    loop {
        let pair = making.pair(&mut entries, &mut progress).await?;
        let made = if pair.live.version == projector.version() {
            making.compare(pair, &mut entries).await?
        } else {
            making.digest(pair).await?
        };
        let Some(made) = made else { continue };
        if made.difference.is_some() && making.overtaken(pair, &made).await? {
            continue;
        }
        let Some(applied) = making.finish(pair).await? else { continue };
        builds::sweep(store.db(), &*projector).await?;
        let Made { position, digest, live, difference, stale } = made;
        let entries = entries + applied;
        return Ok(Rebuilt { entries, position, digest, replaced: live, difference, stale });
    }
}

/// Makes the projection again beside the rows that are read, compares both at one position, and throws the new rows away.
pub async fn check(
    store: &Store,
    name: &str,
    progress: impl FnMut(Progress),
) -> Result<Checked, ProjectionError> {
    check_with(store, find(name)?, progress).await
}

/// The same, of a projector that need not be one of this crate's.
pub async fn check_with(
    store: &Store,
    projector: Arc<dyn Projector>,
    mut progress: impl FnMut(Progress),
) -> Result<Checked, ProjectionError> {
    let making = Making::begin(store, &*projector).await?;
    let mut entries = 0;
    loop {
        let pair = making.pair(&mut entries, &mut progress).await?;
        if pair.live.version != projector.version() {
            let (name, ours) = (projector.name().to_owned(), projector.version());
            return Err(ProjectionError::Incomparable { name, live: pair.live.version, ours });
        }
        let Some(made) = making.compare(pair, &mut entries).await? else { continue };
        if made.difference.is_some() && making.overtaken(pair, &made).await? {
            continue;
        }
        builds::discard(store.db(), &*projector, pair.new.number).await?;
        let Made { position, digest, live, difference, stale } = made;
        return Ok(Checked { entries, position, digest, live: live.unwrap_or(digest), difference, stale });
    }
}

/// Brings the rows that are read up to what was committed when this is called, for a process that runs no projector. Servers
/// that do may go on meanwhile: whoever holds the build applies the batch.
pub async fn catch_up(store: &Store, name: &str) -> Result<u64, ProjectionError> {
    let projector = find(name)?;
    let making = Making { store, projector: &*projector, catalogue: Catalogue::default(), target: 0 };
    let build = builds::follow(store, &*projector).await?;
    making.advance(build, None, &mut |_| {}).await
}

/// The rows that are read, and those that are made beside them.
#[derive(Clone, Copy, Debug)]
struct Pair {
    live: Build,
    new: Build,
}

/// What was made, at one position, and what it was compared with.
struct Made {
    position: u64,
    digest: Hash,
    live: Option<Hash>,
    difference: Option<Difference>,
    stale: bool,
}

/// A projection being made again.
struct Making<'a> {
    store: &'a Store,
    projector: &'a dyn Projector,
    catalogue: Catalogue,
    target: u64,
}

impl<'a> Making<'a> {
    async fn begin(store: &'a Store, projector: &'a dyn Projector) -> Result<Self, ProjectionError> {
        // Makes the live build when there is none, and fails here when this program is older than it.
        builds::follow(store, projector).await?;
        let target = store.position().await?;
        Ok(Self { store, projector, catalogue: Catalogue::default(), target })
    }

    /// Makes the new rows, and brings both up to what is committed.
    async fn pair(
        &self,
        entries: &mut u64,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Pair, ProjectionError> {
        let (db, name) = (self.store.db(), self.projector.name());
        loop {
            let new = builds::beside(self.store, self.projector).await?;
            let mut report = |position| progress(Progress { position, target: self.target });
            *entries += self.advance(new, None, &mut report).await?;
            let Some(live) = builds::live(db, name).await? else { continue };
            if live.version == self.projector.version() {
                self.advance(live, None, &mut |_| {}).await?;
            }
            let found = builds::all(db, name).await?;
            let again = |build: Build| found.iter().find(|found| found.number == build.number).copied();
            if let (Some(live), Some(new)) = (again(live), again(new)) {
                return Ok(Pair { live, new });
            }
        }
    }

    /// Compares both at one position, in snapshots: the live rows stand still in theirs while the new ones are brought to where
    /// they are. Nothing when the two cannot be compared, or another process changed them meanwhile.
    async fn compare(&self, pair: Pair, entries: &mut u64) -> Result<Option<Made>, ProjectionError> {
        let (db, name) = (self.store.db(), self.projector.name());
        let mut before = db.snapshot().await?;
        let live = builds::live_in(&mut before, name).await?;
        let Some(live) = live.filter(|live| live.number == pair.live.number) else { return Ok(None) };
        *entries += self.advance(pair.new, Some(live.position), &mut |_| {}).await?;
        let mut after = db.snapshot().await?;
        let new = builds::in_snapshot(&mut after, name, pair.new.number).await?;
        if new.is_none_or(|new| new.position != live.position || new.live) {
            return Ok(None);
        }
        let sides = ((&mut before, live.number), (&mut after, pair.new.number));
        let Compared { live: digest_live, made, difference } =
            compare::builds(self.projector, sides.0, sides.1).await?;
        for snapshot in [before, after] {
            snapshot.rollback().await?;
        }
        let (position, stale) =
            (live.position, live.begun < builds::since(self.store, self.projector).await?);
        Ok(Some(Made { position, digest: made, live: Some(digest_live), difference, stale }))
    }

    /// Whether an order came while the rows were made: the new ones were then made without a body that the old ones, where they
    /// stood, had still to hold. Both are looked at again once they have passed it.
    async fn overtaken(&self, pair: Pair, made: &Made) -> Result<bool, ProjectionError> {
        let overtaken = self.store.last_order().await? > made.position;
        if overtaken {
            builds::discard(self.store.db(), self.projector, pair.new.number).await?;
        }
        Ok(overtaken)
    }

    /// The digest of the new rows alone, where there are none to compare them with.
    async fn digest(&self, pair: Pair) -> Result<Option<Made>, ProjectionError> {
        let mut snapshot = self.store.db().snapshot().await?;
        let new = builds::in_snapshot(&mut snapshot, self.projector.name(), pair.new.number).await?;
        let Some(new) = new else { return Ok(None) };
        let digest = compare::digest(&mut snapshot, self.projector, new.number).await?;
        snapshot.rollback().await?;
        Ok(Some(Made { position: new.position, digest, live: None, difference: None, stale: false }))
    }

    /// Steps `build` until nothing is left before `until`, or until another process has taken it away.
    async fn advance(
        &self,
        mut build: Build,
        until: Option<u64>,
        report: &mut impl FnMut(u64),
    ) -> Result<u64, ProjectionError> {
        let mut applied = 0;
        let mut pace = Pace::new(BATCH_ENTRIES);
        loop {
            match pace.step(self.store, &self.catalogue, self.projector, &mut build, until).await? {
                Stepped::Advanced { position, entries, .. } => {
                    applied += entries;
                    report(position);
                }
                Stepped::Idle { .. } => return Ok(applied),
                Stepped::Moved => {
                    let builds = builds::all(self.store.db(), self.projector.name()).await?;
                    let ours = |found: &Build| found.number == build.number && (found.live || !build.live);
                    let Some(found) = builds.into_iter().find(ours) else { return Ok(applied) };
                    build.position = found.position;
                }
            }
        }
    }

    /// Holds both builds, brings the new one to where the live one is, and switches. Nothing when another process changed
    /// them meanwhile. What there is to apply was committed since the comparison: it is little, and so the hold is short.
    async fn finish(&self, pair: Pair) -> Result<Option<u64>, ProjectionError> {
        let (db, name) = (self.store.db(), self.projector.name());
        let (mut tx, locked) = builds::lock(db, name, &[pair.live.number, pair.new.number]).await?;
        let [old, new] = locked[..] else {
            tx.rollback().await?;
            return Ok(None);
        };
        if !old.live || new.number <= old.number {
            tx.rollback().await?;
            return Ok(None);
        }
        let position = new.position.max(old.position);
        let (store, catalogue) = (self.store, &self.catalogue);
        let entries = step::catch_up_within(store, catalogue, self.projector, new, position, &mut tx).await?;
        builds::switch(&mut tx, name, new.number).await?;
        tx.commit().await?;
        Ok(Some(entries))
    }
}
