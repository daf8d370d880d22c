//! Columns that several projections have, and the way from rows to domain types.

use chrono::NaiveDate;
use eventstore::{
    StoreError,
    sql::{Arg, Row},
};
use proofs::{
    slug::{EntryType, Slug},
    time::Timestamp,
};

/// The term of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first day.
    pub from: Option<NaiveDate>,
    /// The last day; nothing when there is no end, or the register has no terms.
    pub until: Option<NaiveDate>,
}

/// When a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The position of its first entry: the order of lists.
    pub position: u64,
    /// When that was recorded.
    pub recorded_at: Timestamp,
}

/// The last entry of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its position.
    pub position: u64,
    /// Its type.
    pub entry_type: EntryType,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// From when it has effect.
    pub effective_at: Timestamp,
    /// The department that signed it.
    pub issuer: Slug,
}

/// Reads rows of `table`; a value that cannot be is reported with the record it stands at.
pub(crate) fn read<'a, T>(
    rows: impl IntoIterator<Item = &'a Row>,
    table: &'static str,
    of: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let key = |row: &Row| row.uuid("record").map(|record| record.to_string()).unwrap_or_default();
    rows.into_iter().map(|row| of(row).map_err(|error| error.at(table, || key(row)))).collect()
}

pub(crate) fn validity_of(row: &Row) -> Result<Validity, StoreError> {
    Ok(Validity { from: row.opt_parse("valid_from")?, until: row.opt_parse("valid_until")? })
}

pub(crate) fn opened_of(row: &Row) -> Result<Opened, StoreError> {
    Ok(Opened { position: row.uint("opened_position")?, recorded_at: row.time("opened_at")? })
}

pub(crate) fn change_of(row: &Row) -> Result<Change, StoreError> {
    Ok(Change {
        position: row.uint("changed_position")?,
        entry_type: row.parse("changed_type")?,
        recorded_at: row.time("changed_at")?,
        effective_at: row.time("changed_effective_at")?,
        issuer: row.parse("changed_issuer")?,
    })
}

/// A count where there may be none, as an argument.
pub(crate) fn opt_count(count: Option<u64>) -> Arg {
    // Counts what was stored: it cannot reach 2^63.
    Arg::OptInt(count.map(|count| i64::try_from(count).unwrap_or(i64::MAX)))
}

/// Text from a body, as PostgreSQL can hold it: its text has no U+0000, which JSON's may.
pub(crate) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
