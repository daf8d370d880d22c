//! A row that was read. Columns are taken by name; what does not fit is [`StoreError::Corrupt`].

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, ColumnIndex, Decode, Type};
use uuid::Uuid;

use crate::error::StoreError;

/// One row of a result.
pub struct Row {
    inner: Inner,
    /// After the column that was taken last. Most are taken in the order in which they were asked for, and so are found at once:
    /// to look each up by its name in a table costs more than to read it.
    next: AtomicUsize,
}

enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self { inner: Inner::Sqlite(row), next: AtomicUsize::new(0) }
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self { inner: Inner::Postgres(row), next: AtomicUsize::new(0) }
    }
}

/// Reads the column of that name, looked for from `next` on.
fn take<'r, R, T>(row: &'r R, column: &str, next: &AtomicUsize) -> Result<T, sqlx::Error>
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    T: Decode<'r, R::Database> + Type<R::Database>,
{
    let columns = row.columns();
    let (before, after) = columns.split_at(next.load(Ordering::Relaxed).min(columns.len()));
    let place = after.iter().position(|found| found.name() == column).map(|at| before.len() + at);
    let place = place.or_else(|| before.iter().position(|found| found.name() == column));
    let place = place.ok_or_else(|| sqlx::Error::ColumnNotFound(column.into()))?;
    next.store(place + 1, Ordering::Relaxed);
    row.try_get(place)
}

impl Row {
    fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite> + Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
    {
        match &self.inner {
            Inner::Sqlite(row) => take(row, column, &self.next),
            Inner::Postgres(row) => take(row, column, &self.next),
        }
        .map_err(|error| StoreError::corrupt("query", column, "", error))
    }

    /// An integer. PostgreSQL's narrower ones and booleans are widened.
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    /// An integer or NULL.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        self.get::<Option<i64>>(column).or_else(|wide| {
            if let Ok(value) = self.get::<Option<i32>>(column) {
                return Ok(value.map(i64::from));
            }
            self.get::<Option<bool>>(column).map(|value| value.map(i64::from)).map_err(|_| wide)
        })
    }

    /// An integer that counts: never negative.
    pub fn uint(&self, column: &str) -> Result<u64, StoreError> {
        self.opt_uint(column)?.ok_or_else(|| null(column))
    }

    /// An integer that counts, or NULL.
    pub fn opt_uint(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let counted = |value: i64| {
            u64::try_from(value)
                .map_err(|_| StoreError::corrupt("query", column, "", format!("{value} is negative")))
        };
        self.opt_int(column)?.map(counted).transpose()
    }

    /// Text.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.str(column).map(str::to_owned)
    }

    /// Text or NULL.
    pub fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// Text, where it lies.
    pub fn str(&self, column: &str) -> Result<&str, StoreError> {
        self.get::<Option<&str>>(column)?.ok_or_else(|| null(column))
    }

    /// Bytes.
    pub fn blob(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.bytes(column).map(<[u8]>::to_vec)
    }

    /// Bytes or NULL.
    pub fn opt_blob(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    /// Bytes, where they lie.
    pub fn bytes(&self, column: &str) -> Result<&[u8], StoreError> {
        self.opt_bytes(column)?.ok_or_else(|| null(column))
    }

    /// Bytes where they lie, or NULL.
    pub fn opt_bytes(&self, column: &str) -> Result<Option<&[u8]>, StoreError> {
        self.get(column)
    }

    /// A UUID, stored as its 16 bytes.
    pub fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        self.opt_uuid(column)?.ok_or_else(|| null(column))
    }

    /// A UUID or NULL.
    pub fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        self.opt_bytes(column)?
            .map(|bytes| {
                Uuid::from_slice(bytes).map_err(|error| StoreError::corrupt("query", column, "", error))
            })
            .transpose()
    }

    /// A value that parses from the column's text.
    pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.opt_parse(column)?.ok_or_else(|| null(column))
    }

    /// A value that parses from the column's text, or NULL.
    pub fn opt_parse<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let parsed = self.get::<Option<&str>>(column)?.map(str::parse).transpose();
        parsed.map_err(|error| StoreError::corrupt("query", column, "", error))
    }

    /// A time, stored as milliseconds.
    pub fn time(&self, column: &str) -> Result<proofs::time::Timestamp, StoreError> {
        self.opt_time(column)?.ok_or_else(|| null(column))
    }

    /// A time or NULL.
    pub fn opt_time(&self, column: &str) -> Result<Option<proofs::time::Timestamp>, StoreError> {
        self.opt_int(column)?
            .map(|millis| {
                proofs::time::Timestamp::try_from(millis)
                    .map_err(|error| StoreError::corrupt("query", column, "", error))
            })
            .transpose()
    }

    /// A hash, stored as its 32 bytes.
    pub fn hash(&self, column: &str) -> Result<proofs::hash::Hash, StoreError> {
        proofs::hash::Hash::from_slice(self.bytes(column)?)
            .map_err(|error| StoreError::corrupt("query", column, "", error))
    }
}

fn null(column: &str) -> StoreError {
    StoreError::corrupt("query", column, "", "NULL where a value must be")
}
