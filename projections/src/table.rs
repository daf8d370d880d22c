//! What the runner must know of a projection's tables to write, empty and compare them.

use eventstore::sql::{self, Col, Dialect, Tx};

use crate::ProjectionError;

/// Rows deleted in one statement when an old build is swept: about 10,000 rows are a few tens of milliseconds of the
/// one writer of SQLite, so that an append waits no longer than for a batch.
const SWEEP_ROWS_MAX: i64 = 10_000;

/// A table of a projection. Its first column is `build`, which is not named here.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns of its primary key after `build`: a prefix of `columns`, of them the first `key`.
    pub key: usize,
    /// Its columns after `build`, in the order in which rows are given and digested.
    pub columns: &'static [(&'static str, Col)],
}

impl Table {
    /// `INSERT … ON CONFLICT DO UPDATE` of the rows in `$2` under the build in `$1`.
    pub(crate) fn upsert(&self, dialect: Dialect) -> String {
        let names = self.names("");
        let read = self.names("r.");
        let key = join(self.columns[..self.key].iter().map(|(name, _)| (*name).to_owned()));
        let set = join(self.columns[self.key..].iter().map(|(name, _)| format!("{name} = excluded.{name}")));
        let rows = sql::rows(dialect, "$2", self.columns);
        // Without `WHERE true` SQLite takes ON for a join's.
        format!(
            "INSERT INTO {table} (build, {names}) SELECT $1, {read} FROM {rows} AS r WHERE true \
             ON CONFLICT (build, {key}) DO UPDATE SET {set}",
            table = self.name,
        )
    }

    /// `SELECT` of all columns of the build in `$1`, in key order.
    pub(crate) fn select_page(&self, after: bool) -> String {
        let names = self.names("");
        let key = join(self.key_names());
        let from = if after {
            let holders = join((2..2 + self.key).map(|n| format!("${n}")));
            format!(" AND ({key}) > ({holders})")
        } else {
            String::new()
        };
        format!("SELECT {names} FROM {} WHERE build = $1{from} ORDER BY {key} LIMIT 1000", self.name)
    }

    /// `DELETE` of the rows of the build in `$1` whose first columns, `key` of them, are those of a row in `$2`. PostgreSQL knows
    /// little of a build that is being made, and would read all of it: what is found for each row by itself is found by the key, and
    /// taken by it, since no condition but the key's says which build it is in.
    pub(crate) fn delete(&self, dialect: Dialect, key: usize) -> String {
        let columns = &self.columns[..key];
        let same = columns.iter().map(|(name, _)| format!("d.{name} = r.{name}"));
        let same: Vec<String> = std::iter::once("d.build = $1".to_owned()).chain(same).collect();
        let found = sql::probe(dialect, self.name, "d", &same.join(" AND "));
        format!(
            "DELETE FROM {table} WHERE (build, {key}) IN (SELECT d.build, {read} FROM {rows} AS r {found})",
            table = self.name,
            key = join(self.key_names()),
            read = join(self.key_names().map(|name| format!("d.{name}"))),
            rows = sql::rows(dialect, "$2", columns),
        )
    }

    /// Deletes rows of `build`, a bounded number; returns how many.
    pub(crate) async fn sweep(&self, tx: &mut Tx, build: i64) -> Result<u64, ProjectionError> {
        Ok(tx.execute(&self.sweep_sql(), vec![build.into()]).await?)
    }

    fn sweep_sql(&self) -> String {
        let key = join(self.key_names());
        format!(
            "DELETE FROM {table} WHERE (build, {key}) IN \
             (SELECT build, {key} FROM {table} WHERE build = $1 LIMIT {SWEEP_ROWS_MAX})",
            table = self.name,
        )
    }

    fn key_names(&self) -> impl Iterator<Item = String> {
        self.columns[..self.key].iter().map(|(name, _)| (*name).to_owned())
    }

    fn names(&self, prefix: &str) -> String {
        join(self.columns.iter().map(|(name, _)| format!("{prefix}{name}")))
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eventstore::{
        Options, Store, args,
        sql::{Arg, RowSet, Target},
        testing::{ManualClock, SeededEntropy, master_key},
    };
    use proofs::time::Timestamp;

    use super::*;

    /// PostgreSQL's are counted where a rebuild is (`tests/suite/replay.rs`).
    #[tokio::test]
    async fn sqlite_deletes_by_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(directory.path().join("store.db"));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let (entropy, key) = (Arc::new(SeededEntropy::new(7)), Arc::new(master_key()));
        let store = Store::open(Options::new(target, "log.test", clock, entropy, key)).await.unwrap();
        for projector in crate::projectors() {
            for table in projector.tables() {
                let deletes = (table.delete(Dialect::Sqlite, 1), args![1_i64, RowSet::new().into_arg()]);
                let sweeps = (table.sweep_sql(), args![1_i64]);
                for (sql, args) in [deletes, sweeps] {
                    let args: Vec<Arg> = args;
                    let plan =
                        store.db().fetch_all(&format!("EXPLAIN QUERY PLAN {sql}"), args).await.unwrap();
                    let first = plan[0].text("detail").unwrap();
                    assert!(first.contains("(build=? AND "), "{sql}\n{first}");
                }
            }
        }
        store.close().await;
    }
}
