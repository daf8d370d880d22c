//! Reads the records of a register, and looks one up by its official number.

use domain::definitions::Definitions;
use eventstore::{
    StoreError, args,
    sql::{self, Col, Db, Row, RowSet},
};
use proofs::slug::{EntryType, Slug};
use uuid::Uuid;

use crate::{
    Page, PageRequest, ProjectionError,
    common::{self, Change, Opened, Validity, change_of, opened_of, validity_of},
    cursor::List,
    select::{Select, live},
    words::{self, Named},
};

const TABLE: &str = "view_record";
const SELECT: &str = "SELECT record, register, status, number, valid_from, valid_until, version, opened_position, \
     opened_at, changed_position, changed_type, changed_at, changed_effective_at, changed_issuer FROM view_record";

/// Which records of a register are asked for; what is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this status.
    pub status: Option<String>,
    /// Whose last entry is of this type.
    pub entry_type: Option<EntryType>,
}

/// A record of a register, without its subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRecord {
    /// The record.
    pub record: Uuid,
    /// Its register.
    pub register: Slug,
    /// Its status.
    pub status: String,
    /// Its official number.
    pub number: Option<String>,
    /// Its term.
    pub validity: Validity,
    /// Its version.
    pub version: u64,
    /// When it was made.
    pub opened: Opened,
    /// Its last entry.
    pub changed: Change,
    /// Words, group and force by the definition in force now.
    pub named: Named,
}

/// A record found by a number that it has or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberHit {
    /// The record.
    pub record: ViewRecord,
    /// False when the record has another number now.
    pub current: bool,
}

/// A page of the records of a register, the newest first.
pub async fn list(
    db: &Db,
    definitions: &Definitions,
    register: &Slug,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<ViewRecord>, ProjectionError> {
    let (limit, after) = page.open(List::View)?;
    let mut select = Select::live(SELECT, "view");
    select.and("register = {}", register);
    select.and_some("status = {}", filter.status.clone());
    select.and_some("changed_type = {}", filter.entry_type.as_ref());
    select.and_some("opened_position < {}", after);
    let (sql, args) = select.page("opened_position DESC", limit);
    let rows = db.fetch_all(&sql, args).await?;
    let items = common::read(&rows, TABLE, |row| record_of(row, definitions))?;
    Ok(Page::cut(items, limit, List::View, |item| item.opened.position))
}

/// One record; nothing when no register has it.
pub async fn record(
    db: &Db,
    definitions: &Definitions,
    record: Uuid,
) -> Result<Option<ViewRecord>, ProjectionError> {
    let mut select = Select::live(SELECT, "view");
    select.and("record = {}", record);
    let (sql, args) = select.end("");
    let row = db.fetch_optional(&sql, args).await?;
    Ok(common::read(&row, TABLE, |row| record_of(row, definitions))?.pop())
}

/// These records, in no order; one that no register has is left out.
pub async fn records(
    db: &Db,
    definitions: &Definitions,
    records: &[Uuid],
) -> Result<Vec<ViewRecord>, ProjectionError> {
    let from = sql::rows(db.dialect(), "{}", &[("record", Col::Blob)]);
    let mut rows = RowSet::new();
    for record in records {
        rows.push(args![record]);
    }
    let mut select = Select::live(SELECT, "view");
    select.and(&format!("record IN (SELECT r.record FROM {from} AS r)"), rows);
    let (sql, args) = select.end("");
    let found = db.fetch_all(&sql, args).await?;
    Ok(common::read(&found, TABLE, |row| record_of(row, definitions))?)
}

/// The record that has, or ever had, an official number in a register.
pub async fn by_number(
    db: &Db,
    definitions: &Definitions,
    register: &Slug,
    number: &str,
) -> Result<Option<NumberHit>, ProjectionError> {
    let mut select = Select::live(SELECT, "view");
    let holder = live("SELECT record FROM view_number", "view");
    select.and_pair(&format!("record = ({holder} AND register = {{}} AND number = {{}})"), register, number);
    let (sql, args) = select.end("");
    let rows = db.fetch_together(&sql, args).await?;
    let record = common::read(&rows, TABLE, |row| record_of(row, definitions))?.pop();
    Ok(record.map(|record| NumberHit { current: record.number.as_deref() == Some(number), record }))
}

fn record_of(row: &Row, definitions: &Definitions) -> Result<ViewRecord, StoreError> {
    let register: Slug = row.parse("register")?;
    let status = row.text("status")?;
    let changed = change_of(row)?;
    Ok(ViewRecord {
        record: row.uuid("record")?,
        number: row.opt_text("number")?,
        validity: validity_of(row)?,
        version: row.uint("version")?,
        opened: opened_of(row)?,
        named: words::named(definitions, &register, &status, &changed),
        register,
        status,
        changed,
    })
}
