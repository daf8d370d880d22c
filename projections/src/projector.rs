//! What a projector is: a name, a version, tables, and a pure function from a batch to set-based writes.

use eventstore::sql::{self, Dialect, RowSet, Tx};

use crate::{Batch, ProjectionError, table::Table};

/// Makes one projection from the entries. It never reads its own rows: what it needs of a record's past is in the batch,
/// so that all of its work but the writes themselves is done outside the transaction.
pub trait Projector: Send + Sync {
    /// The projection's name, by which it is waited for, replayed and measured.
    fn name(&self) -> &'static str;

    /// Raised with every change of what the projector writes: the next start then makes a new build.
    fn version(&self) -> i64;

    /// The tables it writes, which no other projector does.
    fn tables(&self) -> &'static [Table];

    /// Does it add up what it cannot take back? Then its rows are made again from nothing after an order that withholds a body,
    /// and until they are, its status says so.
    fn adds_up(&self) -> bool {
        false
    }

    /// The full-text index of SQLite that follows its tables, and that keeps what was deleted until it is merged.
    fn full_text(&self) -> Option<&'static str> {
        None
    }

    /// The writes that carry the projection over a batch. The rows after a batch may depend only on the entries up to
    /// its end, never on where batches begin: a rebuild cuts them elsewhere.
    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError>;
}

/// One set-based statement, with the build in `$1` and its rows in `$2`.
#[derive(Debug)]
pub struct Write {
    sql: String,
    rows: RowSet,
}

impl Write {
    /// Inserts rows of a table, or replaces those that have the same key. Each key must appear once.
    pub fn upsert(dialect: Dialect, table: &Table, rows: RowSet) -> Self {
        Self { sql: table.upsert(dialect), rows }
    }

    /// Deletes the rows of a table whose first columns, `key` of them, are those of `rows`.
    pub fn delete(dialect: Dialect, table: &Table, key: usize, rows: RowSet) -> Self {
        Self { sql: table.delete(dialect, key), rows }
    }

    /// Deletes the rows of records, whatever their key is. It goes over the whole build, since an index for orders, which are few,
    /// would cost every entry.
    pub fn forget(dialect: Dialect, table: &Table, records: RowSet) -> Self {
        let from = sql::rows(dialect, "$2", &[("record", sql::Col::Blob)]);
        let table = table.name;
        let sql =
            format!("DELETE FROM {table} WHERE build = $1 AND record IN (SELECT r.record FROM {from} AS r)");
        Self { sql, rows: records }
    }

    /// A statement of the projector's own.
    pub fn statement(sql: String, rows: RowSet) -> Self {
        Self { sql, rows }
    }

    /// Runs it, unless it has no rows.
    pub(crate) async fn run(self, tx: &mut Tx, build: i64) -> Result<(), ProjectionError> {
        if !self.rows.is_empty() {
            tx.execute(&self.sql, vec![build.into(), self.rows.into_arg()]).await?;
        }
        Ok(())
    }
}
