//! Reads dates: a range of days, and those of some records.

use chrono::NaiveDate;
use eventstore::{
    StoreError, args,
    sql::{self, Col, Db, Row, RowSet},
};
use proofs::{slug::Slug, time::Timestamp};
use uuid::Uuid;

use crate::{ProjectionError, common, select::Select};

const TABLE: &str = "date_member";
const SELECT: &str = "SELECT record, member, register, day, status, version, since_version, since_position, since_at \
     FROM date_member";

/// Which days of which member are asked for.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    /// The register.
    pub register: &'a Slug,
    /// The member of its records' contents; dots lead into objects.
    pub member: &'a str,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// After this day and record: where an earlier read ended.
    pub after: Option<(NaiveDate, Uuid)>,
    /// At most so many.
    pub limit: u32,
}

/// A date that a record has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The record.
    pub record: Uuid,
    /// The member of its content; dots lead into objects.
    pub member: String,
    /// Its register.
    pub register: Slug,
    /// The day.
    pub day: NaiveDate,
    /// The record's status.
    pub status: String,
    /// The record's version.
    pub version: u64,
    /// The version that gave the member this value.
    pub since_version: u64,
    /// The position of that entry.
    pub since_position: u64,
    /// When that entry was recorded.
    pub since_at: Timestamp,
}

/// The dates of a range, by day and record. What it costs is proportional to what it gives.
pub async fn range(db: &Db, range: &Range<'_>) -> Result<Vec<Dated>, ProjectionError> {
    let (sql, args) = range.query();
    Ok(common::read(&db.fetch_all(&sql, args).await?, TABLE, dated_of)?)
}

impl Range<'_> {
    /// The statement, which a test asks the database to explain.
    pub fn query(&self) -> (String, Vec<sql::Arg>) {
        let mut select = Select::live(SELECT, "dates");
        select.and("register = {}", self.register).and("member = {}", self.member);
        select.and("day <= {}", self.to.to_string());
        match self.after {
            // As a row, so that the index is entered at the very place.
            Some((day, record)) => {
                select.and_pair("(day, record) > ({}, {})", day.to_string(), record);
            }
            None => {
                select.and("day >= {}", self.from.to_string());
            }
        }
        select.end(&format!("ORDER BY day, record LIMIT {}", self.limit))
    }
}

/// All dates of these records.
pub async fn of_records(db: &Db, records: &[Uuid]) -> Result<Vec<Dated>, ProjectionError> {
    let mut wanted = RowSet::new();
    for record in records {
        wanted.push(args![*record]);
    }
    let from = sql::rows(db.dialect(), "{}", &[("record", Col::Blob)]);
    let mut select = Select::live(SELECT, "dates");
    select.and(&format!("record IN (SELECT r.record FROM {from} AS r)"), wanted);
    let (sql, args) = select.end("ORDER BY record, member");
    Ok(common::read(&db.fetch_all(&sql, args).await?, TABLE, dated_of)?)
}

fn dated_of(row: &Row) -> Result<Dated, StoreError> {
    Ok(Dated {
        record: row.uuid("record")?,
        member: row.text("member")?,
        register: row.parse("register")?,
        day: row.parse("day")?,
        status: row.text("status")?,
        version: row.uint("version")?,
        since_version: row.uint("since_version")?,
        since_position: row.uint("since_position")?,
        since_at: row.time("since_at")?,
    })
}
