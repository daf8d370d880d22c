//! The builds of a projection: which is live, where each stands, and the switch from one to the next.
//!
//! A build is a full copy of a projection's rows, made from position 0. Readers read the one that is live. A build
//! with a higher number than the live one is being made; one with a lower number has been replaced and is swept.

use eventstore::{
    Store, args,
    sql::{Db, Dialect, Row, Tx},
};
use proofs::time::Timestamp;

use crate::{ProjectionError, Projector};

/// One build of a projection, as its row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub number: i64,
    pub version: i64,
    pub position: u64,
    pub live: bool,
    pub updated_at: Timestamp,
    /// The last position that was committed when it was begun: what orders up to there took away is not in it.
    pub begun: u64,
}

const SELECT: &str =
    "SELECT build, version, position, live, updated_at, begun FROM projection WHERE name = $1";

/// All builds of a projection, oldest first.
pub(crate) async fn all(db: &Db, name: &str) -> Result<Vec<Build>, ProjectionError> {
    let rows = db.fetch_all(&format!("{SELECT} ORDER BY build"), vec![name.into()]).await?;
    rows.iter().map(build_of).collect()
}

/// The build that readers read; nothing before the first runner has started.
pub(crate) async fn live(db: &Db, name: &str) -> Result<Option<Build>, ProjectionError> {
    let row = db.fetch_optional(&format!("{SELECT} AND live = 1"), vec![name.into()]).await?;
    row.as_ref().map(build_of).transpose()
}

/// The same, in a snapshot.
pub(crate) async fn live_in(snapshot: &mut Tx, name: &str) -> Result<Option<Build>, ProjectionError> {
    let row = snapshot.fetch_optional(&format!("{SELECT} AND live = 1"), vec![name.into()]).await?;
    row.as_ref().map(build_of).transpose()
}

/// One build, in a snapshot; nothing when it is gone.
pub(crate) async fn in_snapshot(
    snapshot: &mut Tx,
    name: &str,
    number: i64,
) -> Result<Option<Build>, ProjectionError> {
    let row = snapshot
        .fetch_optional(&format!("{SELECT} AND build = $2"), vec![name.into(), number.into()])
        .await?;
    row.as_ref().map(build_of).transpose()
}

/// Begins a transaction that holds the rows of `builds` until it ends; nothing for one that is gone. Rows and position go together, so
/// that what a loss of power takes from the end of it is made again.
pub(crate) async fn lock(db: &Db, name: &str, builds: &[i64]) -> Result<(Tx, Vec<Build>), ProjectionError> {
    let mut tx = db.begin_disposable().await?;
    let mut locked = Vec::with_capacity(builds.len());
    for build in builds {
        let sql = format!("{SELECT} AND build = $2{}", for_update(tx.dialect()));
        let row = tx.fetch_optional(&sql, vec![name.into(), (*build).into()]).await?;
        locked.extend(row.as_ref().map(build_of).transpose()?);
    }
    Ok((tx, locked))
}

/// The build that a runner of `projector` goes on with, and that `reestr replay` may not empty: the live one when it is
/// of this version and holds nothing that was withheld since, else one of this version that is being made, else a new one.
pub(crate) async fn follow(store: &Store, projector: &dyn Projector) -> Result<Build, ProjectionError> {
    let since = since(store, projector).await?;
    if let Some(build) = chosen(&all(store.db(), projector.name()).await?, projector, since)? {
        return Ok(build);
    }
    create(store, projector, |builds| chosen(builds, projector, since)).await
}

/// From which position on a build must have been begun: the last order's, for a projection that adds up what it cannot take back.
pub(crate) async fn since(store: &Store, projector: &dyn Projector) -> Result<u64, ProjectionError> {
    Ok(if projector.adds_up() { store.last_order().await? } else { 0 })
}

/// The build that a rebuild goes on with: one of this version that an earlier rebuild left unfinished, else a new one.
pub(crate) async fn beside(store: &Store, projector: &dyn Projector) -> Result<Build, ProjectionError> {
    let since = since(store, projector).await?;
    create(store, projector, |builds| {
        let live = builds.iter().find(|b| b.live).map_or(0, |b| b.number);
        let unfinished = |b: &Build| b.number > live && b.version == projector.version() && b.begun >= since;
        Ok(builds.iter().copied().find(unfinished))
    })
    .await
}

fn chosen(builds: &[Build], projector: &dyn Projector, since: u64) -> Result<Option<Build>, ProjectionError> {
    let Some(live) = builds.iter().find(|b| b.live) else { return Ok(None) };
    if live.version == projector.version() && live.begun >= since {
        return Ok(Some(*live));
    }
    if live.version > projector.version() {
        let name = projector.name().to_owned();
        return Err(ProjectionError::Superseded { name, live: live.version, ours: projector.version() });
    }
    // One that was begun before the last order is ended all the same: orders may come faster than a build is made.
    Ok(builds.iter().copied().find(|b| b.number > live.number && b.version == projector.version()))
}

/// Makes a new build unless `existing`, asked again under a lock, finds one: two servers that start at once agree.
async fn create(
    store: &Store,
    projector: &dyn Projector,
    existing: impl Fn(&[Build]) -> Result<Option<Build>, ProjectionError>,
) -> Result<Build, ProjectionError> {
    let (name, now) = (projector.name(), store.clock().now());
    let begun = store.position().await?;
    let mut tx = store.db().begin().await?;
    if tx.dialect() == Dialect::Postgres {
        // There may be no row to lock yet, so the table is: against other writers of it, never against readers.
        tx.execute("LOCK TABLE projection IN SHARE ROW EXCLUSIVE MODE", vec![]).await?;
    }
    let rows = tx.fetch_all(&format!("{SELECT} ORDER BY build"), vec![name.into()]).await?;
    let builds = rows.iter().map(build_of).collect::<Result<Vec<_>, _>>()?;
    if let Some(build) = existing(&builds)? {
        tx.rollback().await?;
        return Ok(build);
    }
    let build = Build {
        number: builds.last().map_or(1, |last| last.number + 1),
        version: projector.version(),
        position: 0,
        live: builds.iter().all(|b| !b.live),
        updated_at: now,
        begun,
    };
    let sql = "INSERT INTO projection (name, build, version, position, live, updated_at, begun)
         VALUES ($1, $2, $3, 0, $4, $5, $6)";
    let live = i64::from(build.live);
    tx.execute(sql, args![name, build.number, build.version, live, now, begun]).await?;
    tx.commit().await?;
    Ok(build)
}

/// Moves a locked build to `position`, in the transaction that wrote what led there.
pub(crate) async fn advance(
    tx: &mut Tx,
    name: &str,
    build: i64,
    position: u64,
    now: Timestamp,
) -> Result<(), ProjectionError> {
    let position = i64::try_from(position)
        .map_err(|_| ProjectionError::Entry { position, why: "its position is out of range".to_owned() })?;
    tx.execute(
        "UPDATE projection SET position = $3, updated_at = $4 WHERE name = $1 AND build = $2",
        vec![name.into(), build.into(), position.into(), now.millis().into()],
    )
    .await?;
    Ok(())
}

/// Makes `build` the one that readers read, in a transaction that holds it and the one that was.
pub(crate) async fn switch(tx: &mut Tx, name: &str, build: i64) -> Result<(), ProjectionError> {
    tx.execute("UPDATE projection SET live = 0 WHERE name = $1 AND live = 1", vec![name.into()]).await?;
    tx.execute(
        "UPDATE projection SET live = 1 WHERE name = $1 AND build = $2",
        vec![name.into(), build.into()],
    )
    .await?;
    Ok(())
}

/// Deletes the rows of builds that have been replaced, a bounded number in each transaction.
pub(crate) async fn sweep(db: &Db, projector: &dyn Projector) -> Result<(), ProjectionError> {
    let builds = all(db, projector.name()).await?;
    let Some(live) = builds.iter().find(|b| b.live) else { return Ok(()) };
    for old in builds.iter().filter(|b| b.number < live.number) {
        while !sweep_once(db, projector, old.number).await? {}
    }
    Ok(())
}

/// Deletes the rows of a build that was made to be compared and not to be read; one that is live meanwhile stays.
pub(crate) async fn discard(db: &Db, projector: &dyn Projector, number: i64) -> Result<(), ProjectionError> {
    let still = |builds: &[Build]| builds.iter().any(|b| b.number == number && !b.live);
    while still(&all(db, projector.name()).await?) {
        if sweep_once(db, projector, number).await? {
            break;
        }
    }
    Ok(())
}

/// Deletes some rows of a replaced build, and its own row after the last; true when nothing is left. The build is held
/// meanwhile, so that a runner that has not yet seen the switch adds no row behind the sweep.
async fn sweep_once(db: &Db, projector: &dyn Projector, build: i64) -> Result<bool, ProjectionError> {
    let (mut tx, held) = lock(db, projector.name(), &[build]).await?;
    if held.iter().any(|held| held.live) {
        tx.rollback().await?;
        return Ok(true);
    }
    tx.in_order_of_keys().await?;
    let mut swept = 0;
    for table in projector.tables() {
        swept += table.sweep(&mut tx, build).await?;
    }
    if swept == 0 {
        let gone = "DELETE FROM projection WHERE name = $1 AND build = $2 AND live = 0";
        tx.execute(gone, vec![projector.name().into(), build.into()]).await?;
    }
    tx.commit().await?;
    Ok(swept == 0)
}

/// SQLite's write transactions exclude each other already.
fn for_update(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => " FOR UPDATE",
    }
}

fn build_of(row: &Row) -> Result<Build, ProjectionError> {
    Ok(Build {
        number: row.int("build")?,
        version: row.int("version")?,
        position: row.uint("position")?,
        live: row.int("live")? == 1,
        updated_at: row.time("updated_at")?,
        begun: row.uint("begun")?,
    })
}
