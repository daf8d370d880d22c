//! One batch, applied: the step that the runner repeats and a rebuild repeats.

use eventstore::{
    Store,
    failpoint::{self, Step},
    sql::{Dialect, Tx},
};

use crate::{
    Batch, ProjectionError, Projector, Write,
    batch::Range,
    builds::{self, Build},
    catalogue::Catalogue,
};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// It applied so many entries, and the build now stands at `position`. Among them may have been orders to withhold bodies.
    Advanced { position: u64, entries: u64, orders: bool },
    /// There was nothing after `position`.
    Idle { position: u64 },
    /// Another server moved, switched or swept the build meanwhile: look at the builds again.
    Moved,
}

/// Applies the next batch of at most `entries_max` entries, and none after `until`, to `build`, and its position with it, in
/// one transaction. The build's position is where it was seen last.
///
/// On PostgreSQL the build is held from before the batch is read, so that of several servers one reads it and the
/// others wait. On SQLite to hold it is to hold the one writer, so the batch is read and its writes made first, and
/// thrown away if the position has moved when the transaction begins.
pub(crate) async fn step(
    store: &Store,
    catalogue: &Catalogue,
    projector: &dyn Projector,
    build: Build,
    until: Option<u64>,
    entries_max: u32,
) -> Result<Stepped, ProjectionError> {
    let seen = build.position;
    if until.is_some_and(|until| seen >= until) || !ahead(store, seen).await? {
        return Ok(Stepped::Idle { position: seen });
    }
    let skips = catalogue.skips(store, projector.name()).await?;
    let dialect = store.db().dialect();
    let (held, from) = match dialect {
        Dialect::Sqlite => (None, seen),
        Dialect::Postgres => match hold(store, projector, build).await? {
            Some((tx, from)) => (Some(tx), from),
            None => return Ok(Stepped::Moved),
        },
    };
    let range = Range { after: from, until, entries_max, skips: &skips };
    // A transaction that is held and not used rolls back when it is dropped.
    let Some(batch) = catalogue.batch(store, range, build).await? else {
        return Ok(Stepped::Idle { position: from });
    };
    let writes = projector.writes(dialect, &batch)?;
    let mut tx = match held {
        Some(tx) => tx,
        None => match hold(store, projector, build).await? {
            Some((tx, at)) if at == from => tx,
            Some((tx, _)) => {
                tx.rollback().await?;
                return Ok(Stepped::Moved);
            }
            None => return Ok(Stepped::Moved),
        },
    };
    write(store, projector, build, &batch, writes, &mut tx).await?;
    failpoint::pass(Step::Projected);
    tx.commit().await?;
    failpoint::pass(Step::ProjectionCommitted);
    Ok(Stepped::Advanced { position: batch.to, entries: batch.entries, orders: batch.has_orders() })
}

/// Applies what is after `build` and up to `until` inside a transaction that holds it already.
pub(crate) async fn catch_up_within(
    store: &Store,
    catalogue: &Catalogue,
    projector: &dyn Projector,
    build: Build,
    until: u64,
    tx: &mut Tx,
) -> Result<u64, ProjectionError> {
    let skips = catalogue.skips(store, projector.name()).await?;
    let mut after = build.position;
    let mut applied = 0;
    while after < until {
        let entries_max = crate::runner::BATCH_ENTRIES;
        let range = Range { after, until: Some(until), entries_max, skips: &skips };
        let Some(batch) = catalogue.batch(store, range, build).await? else { break };
        let writes = projector.writes(tx.dialect(), &batch)?;
        write(store, projector, build, &batch, writes, tx).await?;
        after = batch.to;
        applied += batch.entries;
    }
    Ok(applied)
}

async fn write(
    store: &Store,
    projector: &dyn Projector,
    build: Build,
    batch: &Batch,
    writes: Vec<Write>,
    tx: &mut Tx,
) -> Result<(), ProjectionError> {
    for write in writes {
        write.run(tx, build.number).await?;
    }
    builds::advance(tx, projector.name(), build.number, batch.to, store.clock().now()).await
}

/// Is there an entry after a position? What this process has heard of was committed; what it has not may be there all the same.
async fn ahead(store: &Store, position: u64) -> Result<bool, ProjectionError> {
    let heard = *store.watch().borrow() > position;
    Ok(heard || store.position().await? > position)
}

/// Where the build stands, without waiting for whoever holds it; nothing when it is gone or replaced.
pub(crate) async fn position_of(
    store: &Store,
    projector: &dyn Projector,
    build: Build,
) -> Result<Option<u64>, ProjectionError> {
    let builds = builds::all(store.db(), projector.name()).await?;
    let found = builds.iter().find(|b| b.number == build.number).filter(|b| still(build, b));
    Ok(found.map(|b| b.position))
}

/// Holds the build, and says where it stands; nothing when it is gone or replaced.
async fn hold(
    store: &Store,
    projector: &dyn Projector,
    build: Build,
) -> Result<Option<(Tx, u64)>, ProjectionError> {
    let (tx, locked) = builds::lock(store.db(), projector.name(), &[build.number]).await?;
    let Some(position) = locked.first().filter(|b| still(build, b)).map(|found| found.position) else {
        tx.rollback().await?;
        return Ok(None);
    };
    Ok(Some((tx, position)))
}

/// A live build stays ours until another is live; one in the making may become live.
fn still(known: Build, found: &Build) -> bool {
    found.live || !known.live
}
