//! Reads offers: a person's, those that a record caused, those whose time is over.

use chrono::NaiveDate;
use domain::definition::Title;
use eventstore::{
    StoreError, args,
    sql::{self, Col, Db, Row, RowSet},
};
use proofs::{
    slug::{EntryType, Slug},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    Page, PageRequest, ProjectionError,
    common::{self, Opened, opened_of},
    cursor::List,
    select::Select,
};

const TABLE: &str = "offer_record";
const SELECT: &str = "SELECT record, person, rule, rule_slug, rule_version, kind, department, effect, title_ru, title_en, \
     status, cause_kind, cause_register, cause_record, cause_version, expires_on, version, opened_position, opened_at, \
     changed_position, changed_type, changed_at FROM offer_record";

/// Which of a person's offers are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this status.
    pub status: Option<String>,
}

/// An offer, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The record in `offers`.
    pub record: Uuid,
    /// To whom.
    pub person: Uuid,
    /// The rule's record in `triggers`.
    pub rule: Uuid,
    /// The rule's name.
    pub rule_slug: String,
    /// The version of the rule's record that made the offer.
    pub rule_version: u64,
    /// Of which kind it is: what a person may switch off.
    pub kind: String,
    /// Who provides, or decides.
    pub department: Slug,
    /// inform, offer, set or provide.
    pub effect: String,
    /// What is offered.
    pub title: Title,
    /// What became of it.
    pub status: String,
    /// What caused it.
    pub cause: Caused,
    /// The last day on which it can be accepted.
    pub expires_on: Option<NaiveDate>,
    /// The record's version.
    pub version: u64,
    /// When it was made.
    pub opened: Opened,
    /// The position of its last entry.
    pub changed_position: u64,
    /// The type of its last entry.
    pub changed_type: EntryType,
    /// When that was recorded.
    pub changed_at: Timestamp,
}

/// What caused an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caused {
    /// `entry` or `date`.
    pub kind: String,
    /// The register.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
    /// The record's version then.
    pub version: u64,
}

/// A page of a person's offers, the newest first.
pub async fn list(
    db: &Db,
    person: Uuid,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Offer>, ProjectionError> {
    let (limit, after) = page.open(List::Offers)?;
    let mut select = Select::live(SELECT, "offers");
    select.and("person = {}", person);
    select.and_some("status = {}", filter.status.clone());
    select.and_some("opened_position < {}", after);
    let (sql, args) = select.page("opened_position DESC", limit);
    let items = common::read(&db.fetch_all(&sql, args).await?, TABLE, offer_of)?;
    Ok(Page::cut(items, limit, List::Offers, |item| item.opened.position))
}

/// One offer; nothing when there is none.
pub async fn offer(db: &Db, record: Uuid) -> Result<Option<Offer>, ProjectionError> {
    let mut select = Select::live(SELECT, "offers");
    select.and("record = {}", record);
    let (sql, args) = select.end("");
    Ok(common::read(&db.fetch_optional(&sql, args).await?, TABLE, offer_of)?.pop())
}

/// The offers that any of these records caused, in the order in which they were made.
pub async fn caused_by(db: &Db, records: &[Uuid]) -> Result<Vec<Offer>, ProjectionError> {
    let mut wanted = RowSet::new();
    for record in records {
        wanted.push(args![*record]);
    }
    let from = sql::rows(db.dialect(), "{}", &[("record", Col::Blob)]);
    let mut select = Select::live(SELECT, "offers");
    select.and(&format!("cause_record IN (SELECT r.record FROM {from} AS r)"), wanted);
    let (sql, args) = select.end("ORDER BY opened_position");
    Ok(common::read(&db.fetch_all(&sql, args).await?, TABLE, offer_of)?)
}

/// Up to `limit` offers in a status whose last day is before `today`, by day and record, after this day and record.
pub async fn expiring(
    db: &Db,
    status: &str,
    today: NaiveDate,
    after: Option<(NaiveDate, Uuid)>,
    limit: u32,
) -> Result<Vec<Offer>, ProjectionError> {
    let mut select = Select::live(SELECT, "offers");
    select.and("status = {}", status).and("expires_on < {}", today.to_string());
    if let Some((day, record)) = after {
        select.and_pair("(expires_on, record) > ({}, {})", day.to_string(), record);
    }
    let (sql, args) = select.end(&format!("ORDER BY expires_on, record LIMIT {limit}"));
    Ok(common::read(&db.fetch_all(&sql, args).await?, TABLE, offer_of)?)
}

fn offer_of(row: &Row) -> Result<Offer, StoreError> {
    Ok(Offer {
        record: row.uuid("record")?,
        person: row.uuid("person")?,
        rule: row.uuid("rule")?,
        rule_slug: row.text("rule_slug")?,
        rule_version: row.uint("rule_version")?,
        kind: row.text("kind")?,
        department: row.parse("department")?,
        effect: row.text("effect")?,
        title: Title { ru: row.str("title_ru")?.into(), en: row.str("title_en")?.into() },
        status: row.text("status")?,
        cause: Caused {
            kind: row.text("cause_kind")?,
            register: row.parse("cause_register")?,
            record: row.uuid("cause_record")?,
            version: row.uint("cause_version")?,
        },
        expires_on: row.opt_parse("expires_on")?,
        version: row.uint("version")?,
        opened: opened_of(row)?,
        changed_position: row.uint("changed_position")?,
        changed_type: row.parse("changed_type")?,
        changed_at: row.time("changed_at")?,
    })
}
