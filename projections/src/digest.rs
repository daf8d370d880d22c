//! The digest of a projection: equal rows have equal digests, in either store.

use eventstore::{
    Store, StoreError,
    sql::{Arg, Col, Row, Tx},
};
use proofs::hash::Hash;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{ProjectionError, Projector, builds, find, table::Table};

/// SHA-256 over the rows of the projection that readers read, and the position they are at. The projection stands
/// still while it is read (on SQLite so does every writer): it is for replays and tests, not for each minute.
pub async fn digest(store: &Store, name: &str) -> Result<(u64, Hash), ProjectionError> {
    let projector = find(name)?;
    loop {
        let Some(live) = builds::live(store.db(), name).await? else {
            return Ok((0, Hash(Sha256::digest([]).into())));
        };
        let (mut tx, locked) = builds::lock(store.db(), name, &[live.number]).await?;
        let Some(held) = locked.first().filter(|build| build.live).copied() else {
            tx.rollback().await?;
            continue;
        };
        let digest = of_build(&mut tx, &*projector, held.number).await?;
        tx.rollback().await?;
        return Ok((held.position, digest));
    }
}

/// The digest of one build, in a transaction that holds it. Memory is bounded by a page of rows.
pub(crate) async fn of_build(
    tx: &mut Tx,
    projector: &dyn Projector,
    build: i64,
) -> Result<Hash, ProjectionError> {
    let mut hasher = Sha256::new();
    for table in projector.tables() {
        hasher.update(format!("{}\n", table.name));
        let mut after: Option<Vec<Arg>> = None;
        loop {
            let sql = table.select_page(after.is_some());
            let mut args = vec![build.into()];
            args.extend(after.take().unwrap_or_default());
            let rows = tx.fetch_all(&sql, args).await?;
            let Some(last) = rows.last() else { break };
            after = Some(key_of(table, last)?);
            for row in &rows {
                hasher.update(line(table, row)?);
            }
        }
    }
    Ok(Hash(hasher.finalize().into()))
}

/// A row as a line of JSON, whose columns stand in the order of the table.
fn line(table: &Table, row: &Row) -> Result<Vec<u8>, ProjectionError> {
    let values = table.columns.iter().map(|column| value(row, column)).collect::<Result<Vec<_>, _>>()?;
    let mut line =
        serde_json::to_vec(&values).map_err(|why| StoreError::corrupt(table.name, "*", "", why))?;
    line.push(b'\n');
    Ok(line)
}

fn value(row: &Row, (name, kind): &(&'static str, Col)) -> Result<Value, ProjectionError> {
    Ok(match kind {
        Col::Int => json!(row.opt_int(name)?),
        Col::Text => json!(row.opt_text(name)?),
        Col::Blob => json!(row.opt_blob(name)?),
    })
}

fn key_of(table: &Table, row: &Row) -> Result<Vec<Arg>, ProjectionError> {
    let key = table.columns[..table.key].iter();
    key.map(|(name, kind)| {
        Ok(match kind {
            Col::Int => row.int(name)?.into(),
            Col::Text => row.text(name)?.into(),
            Col::Blob => row.blob(name)?.into(),
        })
    })
    .collect()
}
