//! Reads accesses.

use eventstore::{
    StoreError,
    sql::{Db, Row},
};
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{Page, PageRequest, ProjectionError, common, cursor::List, select::Select};

const TABLE: &str = "access_record";
const SELECT: &str = "SELECT record, position, at, status, version, person, content FROM access_record";

/// Someone looked.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Its record in `accesses`.
    pub record: Uuid,
    /// The position of its first entry.
    pub position: u64,
    /// When it was recorded: before what was looked at left.
    pub at: Timestamp,
    /// `recorded`, `questioned` or `answered`.
    pub status: String,
    /// Its version.
    pub version: u64,
    /// Whom what was looked at concerns; nobody where the register of accesses was looked at.
    pub person: Option<Uuid>,
    /// What its entries say: who, for whom, what, why, and question and answer.
    pub content: Value,
}

/// A page of the accesses to what concerns a person, the newest first.
pub async fn list(db: &Db, person: Uuid, page: &PageRequest) -> Result<Page<Access>, ProjectionError> {
    let (limit, after) = page.open(List::Accesses)?;
    let mut select = Select::live(SELECT, "accesses");
    select.and("person = {}", person);
    select.and_some("position < {}", after);
    let (sql, args) = select.page("position DESC", limit);
    let rows = db.fetch_all(&sql, args).await?;
    let items = common::read(&rows, TABLE, access_of)?;
    Ok(Page::cut(items, limit, List::Accesses, |item| item.position))
}

/// One access to what concerns a person.
pub async fn record(db: &Db, person: Uuid, record: Uuid) -> Result<Option<Access>, ProjectionError> {
    let mut select = Select::live(SELECT, "accesses");
    select.and("person = {}", person).and("record = {}", record);
    let (sql, args) = select.end("");
    let row = db.fetch_optional(&sql, args).await?;
    Ok(common::read(&row, TABLE, access_of)?.pop())
}

fn access_of(row: &Row) -> Result<Access, StoreError> {
    let content = serde_json::from_str(&row.text("content")?);
    Ok(Access {
        record: row.uuid("record")?,
        position: row.uint("position")?,
        at: row.time("at")?,
        status: row.text("status")?,
        version: row.uint("version")?,
        person: row.opt_uuid("person")?,
        content: content.map_err(|_| StoreError::corrupt("query", "content", "", "is not JSON"))?,
    })
}
