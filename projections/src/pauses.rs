//! Where projectors stand still: at an entry that they cannot apply, for every server and every command to see.

use eventstore::{
    Store, args,
    sql::{Db, Row},
};
use proofs::{slug::Slug, time::Timestamp};

use crate::{ProjectionError, builds::Build};

/// A projector that stands at an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The projection.
    pub projection: String,
    /// Whether it is the rows that are read which go no further, rather than new ones made beside them.
    pub live: bool,
    /// Position of the entry.
    pub position: u64,
    /// Its register; nothing when even that cannot be read.
    pub register: Option<Slug>,
    /// Its index there.
    pub index: Option<u64>,
    /// What does not go, without anything from the body.
    pub why: String,
    /// When it first failed.
    pub since: Timestamp,
    /// When it was last tried.
    pub tried_at: Timestamp,
    /// How often it was tried.
    pub tries: u64,
    /// How often someone asked for another attempt.
    pub(crate) asked: u64,
}

/// The longest reason that is kept: a message of a database may be long, and is not needed whole.
const WHY_CHARACTERS_MAX: usize = 500;

/// Notes that a build stands at an entry; answers with how often someone asked for another attempt so far.
pub(crate) async fn note(
    store: &Store,
    name: &str,
    build: i64,
    position: u64,
    why: &str,
) -> Result<u64, ProjectionError> {
    // An entry whose row cannot be read is told of without.
    let placed = store.placed(position).await.ok().flatten();
    let why: String = why.chars().take(WHY_CHARACTERS_MAX).collect();
    let now = store.clock().now();
    let mut tx = store.db().begin().await?;
    let sql = "INSERT INTO projection_pause
            (name, build, position, register, leaf_index, why, since, tried_at, tries, asked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1, 0)
         ON CONFLICT (name, build) DO UPDATE SET why = excluded.why, tried_at = excluded.tried_at,
            since = CASE WHEN projection_pause.position = excluded.position
                THEN projection_pause.since ELSE excluded.since END,
            tries = CASE WHEN projection_pause.position = excluded.position
                THEN projection_pause.tries + 1 ELSE 1 END,
            position = excluded.position, register = excluded.register, leaf_index = excluded.leaf_index";
    let index = placed.as_ref().map(|placed| i64::try_from(placed.index).unwrap_or(i64::MAX));
    let register = placed.as_ref().map(|placed| placed.register.as_str());
    tx.execute(sql, args![name, build, position, register, index, why, now]).await?;
    let asked = "SELECT asked FROM projection_pause WHERE name = $1 AND build = $2";
    let row = tx.fetch_optional(asked, args![name, build]).await?;
    let asked = row.map(|row| row.uint("asked")).transpose()?.unwrap_or_default();
    tx.commit().await?;
    Ok(asked)
}

/// Forgets where builds stood that have gone on since, and those that are gone.
pub(crate) async fn forget(store: &Store, name: &str) -> Result<(), ProjectionError> {
    let sql = "DELETE FROM projection_pause WHERE name = $1 AND NOT EXISTS (
        SELECT 1 FROM projection p WHERE p.name = projection_pause.name AND p.build = projection_pause.build
            AND p.position < projection_pause.position)";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![name]).await?;
    tx.commit().await?;
    Ok(())
}

/// How often someone asked for another attempt of a build that stands; nothing when it stands no longer.
pub(crate) async fn asked(db: &Db, name: &str, build: i64) -> Result<Option<u64>, ProjectionError> {
    let sql = "SELECT asked FROM projection_pause WHERE name = $1 AND build = $2";
    let row = db.fetch_optional(sql, args![name, build]).await?;
    Ok(row.map(|row| row.uint("asked")).transpose()?)
}

/// Asks every server for another attempt of a projection that stands; false when it does not. Word of an entry that is passed by now
/// may not be [forgotten](forget) yet.
pub(crate) async fn ask(store: &Store, name: &str) -> Result<bool, ProjectionError> {
    let mut tx = store.db().begin().await?;
    let sql = "UPDATE projection_pause SET asked = asked + 1 WHERE name = $1 AND EXISTS (
        SELECT 1 FROM projection p WHERE p.name = projection_pause.name AND p.build = projection_pause.build
            AND p.position < projection_pause.position)";
    let changed = tx.execute(sql, args![name]).await?;
    tx.commit().await?;
    Ok(changed > 0)
}

/// Where builds stand now, the live one of a projection first. What another server has passed meanwhile is left out.
pub(crate) async fn all(db: &Db) -> Result<Vec<Pause>, ProjectionError> {
    let sql = "SELECT q.name, p.live, q.position, q.register, q.leaf_index, q.why, q.since, q.tried_at, q.tries, q.asked
         FROM projection_pause q CROSS JOIN projection p
         WHERE p.name = q.name AND p.build = q.build AND p.position < q.position ORDER BY q.name, p.live DESC, q.build";
    db.fetch_all(sql, args![]).await?.iter().map(pause_of).collect()
}

/// Whether a build has passed a position, or is gone.
pub(crate) fn passed(builds: &[Build], build: i64, position: u64) -> bool {
    builds.iter().find(|found| found.number == build).is_none_or(|found| found.position >= position)
}

fn pause_of(row: &Row) -> Result<Pause, ProjectionError> {
    Ok(Pause {
        projection: row.text("name")?,
        live: row.int("live")? == 1,
        position: row.uint("position")?,
        register: row.opt_text("register")?.map(|_| row.parse("register")).transpose()?,
        index: row.opt_int("leaf_index")?.map(|_| row.uint("leaf_index")).transpose()?,
        why: row.text("why")?,
        since: row.time("since")?,
        tried_at: row.time("tried_at")?,
        tries: row.uint("tries")?,
        asked: row.uint("asked")?,
    })
}
