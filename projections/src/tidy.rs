//! After an order, nothing of what it withholds stays in the files of a projection: not in builds that nobody ends, not in the
//! full-text index, not in what the database keeps of rows that were replaced.

use eventstore::{Store, args, sql::Dialect};

use crate::{ProjectionError, Projector, builds, table::Table};

/// Pages of a full-text index that one statement merges: some 2 MB, so that an append waits no longer than for a batch.
const MERGE_PAGES: i64 = 500;

/// Tidies up after the last order; false when the rows have not passed it yet, or someone still reads from before.
pub(crate) async fn tidy(store: &Store, projector: &dyn Projector) -> Result<bool, ProjectionError> {
    let (name, order) = (projector.name(), store.last_order().await?);
    if order == 0 || store.scrubbed(name).await? >= order {
        return Ok(true);
    }
    let since = builds::since(store, projector).await?;
    let live = builds::live(store.db(), name).await?;
    if live.is_none_or(|live| live.position < order || live.begun < since) {
        return Ok(false);
    }
    // Whoever makes such a build begins another.
    for build in builds::all(store.db(), name).await? {
        if !build.live && build.position < order {
            builds::discard(store.db(), projector, build.number).await?;
        }
    }
    if let (Dialect::Sqlite, Some(index)) = (store.db().dialect(), projector.full_text()) {
        merge(store, index).await?;
    }
    let tables: Vec<&str> = projector.tables().iter().map(|table: &Table| table.name).collect();
    Ok(store.scrub(name, &tables, order).await?)
}

/// Merges all of an index into one, which leaves out what was deleted: a step at a time, until there is nothing more to do.
async fn merge(store: &Store, index: &str) -> Result<(), ProjectionError> {
    let step = format!("INSERT INTO {index} ({index}, rank) VALUES ('merge', $1)");
    // The first step takes everything into the merge; the others go on with it.
    let mut pages = -MERGE_PAGES;
    loop {
        let mut tx = store.db().begin().await?;
        let changes = "SELECT total_changes() AS n";
        let before = tx.fetch_optional(changes, args![]).await?;
        tx.execute(&step, args![pages]).await?;
        let after = tx.fetch_optional(changes, args![]).await?;
        tx.commit().await?;
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        // The command itself counts as one (https://sqlite.org/fts5.html, section 6.7).
        if after.int("n")? - before.int("n")? < 2 {
            return Ok(());
        }
        pages = MERGE_PAGES;
    }
}
