//! A row that was read. Columns are taken by name; what does not fit is [`StoreError::Corrupt`].

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Type};
use uuid::Uuid;

use crate::error::StoreError;

/// One row of a result.
pub struct Row(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite> + Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
    {
        match &self.0 {
            Inner::Sqlite(row) => row.try_get(column),
            Inner::Postgres(row) => row.try_get(column),
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
        let value = self.int(column)?;
        u64::try_from(value)
            .map_err(|_| StoreError::corrupt("query", column, "", format!("{value} is negative")))
    }

    /// Text.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    /// Text or NULL.
    pub fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// Bytes.
    pub fn blob(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        self.opt_blob(column)?.ok_or_else(|| null(column))
    }

    /// Bytes or NULL.
    pub fn opt_blob(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    /// A UUID, stored as its 16 bytes.
    pub fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        self.opt_uuid(column)?.ok_or_else(|| null(column))
    }

    /// A UUID or NULL.
    pub fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        self.opt_blob(column)?
            .map(|bytes| {
                Uuid::from_slice(&bytes).map_err(|error| StoreError::corrupt("query", column, "", error))
            })
            .transpose()
    }

    /// A value that parses from the column's text.
    pub fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error| StoreError::corrupt("query", column, "", error))
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
        proofs::hash::Hash::from_slice(&self.blob(column)?)
            .map_err(|error| StoreError::corrupt("query", column, "", error))
    }
}

fn null(column: &str) -> StoreError {
    StoreError::corrupt("query", column, "", "NULL where a value must be")
}
