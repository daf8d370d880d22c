//! One thin facade over sqlx, so that every query is written once for SQLite and PostgreSQL.
//!
//! What makes that possible: `$1`-style placeholders work on both; the only column types are integers (64 bits), text and
//! blobs; sets travel as one parameter (see [`rows`]). SQL that is not the same on both asks [`Db::dialect`].
//! In sums and other integer expressions write `CAST(… AS BIGINT)`: PostgreSQL widens them otherwise.

mod ask;
mod db;
mod migrations;
mod patience;
mod ready;
mod row;
mod rows;
mod together;

pub use db::{Db, Tx};
pub(crate) use db::{Inner as DbInner, TxInner, unless_refused};
pub(crate) use patience::{Place, WRITE, within};
pub use row::Row;
pub use rows::{Col, RowSet, few_rows, probe, rows};

use std::path::PathBuf;

/// Which SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.51.3 or later.
    Sqlite,
    /// PostgreSQL 14 or later.
    Postgres,
}

/// Where the store is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file, made when it is not there.
    Sqlite(PathBuf),
    /// A connection URL, `postgres://…`.
    Postgres(String),
}

/// A query parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit integer or NULL.
    OptInt(Option<i64>),
    /// Text.
    Text(String),
    /// Text or NULL.
    OptText(Option<String>),
    /// Bytes.
    Blob(Vec<u8>),
    /// Bytes or NULL.
    OptBlob(Option<Vec<u8>>),
    /// Any number of rows.
    Rows(RowSet),
}

macro_rules! arg_from {
    ($($type:ty => |$value:ident| $arg:expr;)*) => { $(
        impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                $arg
            }
        }
    )* };
}
arg_from! {
    i64 => |v| Self::Int(v);
    i32 => |v| Self::Int(i64::from(v));
    u8 => |v| Self::Int(i64::from(v));
    u32 => |v| Self::Int(i64::from(v));
    // Positions, sizes and versions count things that were stored: they cannot reach 2^63.
    u64 => |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    bool => |v| Self::Int(i64::from(v));
    Option<i64> => |v| Self::OptInt(v);
    &str => |v| Self::Text(v.to_owned());
    String => |v| Self::Text(v);
    &String => |v| Self::Text(v.clone());
    Option<String> => |v| Self::OptText(v);
    Option<&str> => |v| Self::OptText(v.map(str::to_owned));
    &[u8] => |v| Self::Blob(v.to_vec());
    Vec<u8> => |v| Self::Blob(v);
    Option<Vec<u8>> => |v| Self::OptBlob(v);
    uuid::Uuid => |v| Self::Blob(v.as_bytes().to_vec());
    &uuid::Uuid => |v| Self::Blob(v.as_bytes().to_vec());
    Option<uuid::Uuid> => |v| Self::OptBlob(v.map(|id| id.as_bytes().to_vec()));
    proofs::time::Timestamp => |v| Self::Int(v.millis());
    Option<proofs::time::Timestamp> => |v| Self::OptInt(v.map(proofs::time::Timestamp::millis));
    proofs::hash::Hash => |v| Self::Blob(v.0.to_vec());
    &proofs::hash::Hash => |v| Self::Blob(v.0.to_vec());
    &proofs::slug::Slug => |v| Self::Text(v.as_str().to_owned());
    &proofs::slug::EntryType => |v| Self::Text(v.as_str().to_owned());
    &proofs::key::Kid => |v| Self::Text(v.as_str().to_owned());
}

/// Query parameters from values of any type that an [`sql::Arg`](crate::sql::Arg) is made from: `args![slug, 5_i64, uuid]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Arg::from($value)),*] };
}
