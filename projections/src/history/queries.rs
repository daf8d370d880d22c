//! Reads the timeline of a record.

use domain::{asof::AsOf, definition::Title, definitions::Definitions};
use eventstore::{
    StoreError,
    sql::{Db, Row},
};
use proofs::{
    slug::{EntryType, Slug},
    time::Timestamp,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Page, PageRequest, ProjectionError, common, cursor::List, select::Select, words};

const TABLE: &str = "history_step";
const SELECT: &str = "SELECT record, version, register, position, leaf_index, type, status_before, status_after, recorded_at, \
     effective_at, issuer, corrects, basis, reason FROM history_step";

/// One step of a record's life.
#[derive(Clone, PartialEq)]
pub struct Step {
    /// The version that it made.
    pub version: u64,
    /// The register of the record.
    pub register: Slug,
    /// The position of the entry.
    pub position: u64,
    /// The entry's index in its register.
    pub index: u64,
    /// The type of the entry.
    pub entry_type: EntryType,
    /// The status before; nothing for the first.
    pub status_before: Option<String>,
    /// The status after.
    pub status_after: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// From when it has effect.
    pub effective_at: Timestamp,
    /// The department that signed it.
    pub issuer: Slug,
    /// The version that it corrects.
    pub corrects: Option<u64>,
    /// On what basis, as in the body; for those who may see the body.
    pub basis: Option<Value>,
    /// Why, in words, as in the body; for those who may see the body.
    pub reason: Option<String>,
    /// Words by the definition in force when it was recorded.
    pub words: StepWords,
}

/// A step in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepWords {
    /// What was done.
    pub entry_type: Title,
    /// The status that it led from; nothing for the first.
    pub status_before: Option<Title>,
    /// The status that it led to.
    pub status_after: Title,
}

/// A page of the steps of a record, the first step first.
pub async fn steps(
    db: &Db,
    definitions: &Definitions,
    record: Uuid,
    page: &PageRequest,
) -> Result<Page<Step>, ProjectionError> {
    steps_as_of(db, definitions, record, AsOf::PRESENT, page).await
}

/// The same, of the steps recorded and having effect by then. Each tells the statuses between which it led when it was
/// recorded, also where a step before it has no effect yet.
pub async fn steps_as_of(
    db: &Db,
    definitions: &Definitions,
    record: Uuid,
    as_of: AsOf,
    page: &PageRequest,
) -> Result<Page<Step>, ProjectionError> {
    let (limit, after) = page.open(List::History)?;
    let mut select = Select::live(SELECT, "history");
    select.and("record = {}", record).and_some("version > {}", after);
    select.and("recorded_at <= {}", as_of.recorded).and("effective_at <= {}", as_of.effective);
    let (sql, args) = select.page("version", limit);
    let rows = db.fetch_all(&sql, args).await?;
    let items = common::read(&rows, TABLE, |row| step_of(row, definitions))?;
    Ok(Page::cut(items, limit, List::History, |step| step.version))
}

fn step_of(row: &Row, definitions: &Definitions) -> Result<Step, StoreError> {
    let register: Slug = row.parse("register")?;
    let position = row.uint("position")?;
    let entry_type: EntryType = row.parse("type")?;
    let status_before = row.opt_text("status_before")?;
    let status_after = row.text("status_after")?;
    // The reason would quote the basis, which comes from a body.
    let basis = row
        .opt_text("basis")?
        .map(|text| {
            serde_json::from_str(&text).map_err(|_| StoreError::corrupt("query", "basis", "", "is not JSON"))
        })
        .transpose()?;
    let then = words::definition_at(definitions, &register, position);
    let status = |code: &str| words::status_title(then.as_deref(), code);
    let words = StepWords {
        entry_type: words::type_title(then.as_deref(), entry_type.as_str()),
        status_before: status_before.as_deref().map(status),
        status_after: status(&status_after),
    };
    Ok(Step {
        version: row.uint("version")?,
        index: row.uint("leaf_index")?,
        recorded_at: row.time("recorded_at")?,
        effective_at: row.time("effective_at")?,
        issuer: row.parse("issuer")?,
        corrects: row.opt_uint("corrects")?,
        reason: row.opt_text("reason")?,
        basis,
        register,
        position,
        entry_type,
        status_before,
        status_after,
        words,
    })
}

impl std::fmt::Debug for Step {
    /// Without basis and reason, which come from the body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("version", &self.version)
            .field("register", &self.register)
            .field("position", &self.position)
            .field("entry_type", &self.entry_type)
            .field("status_before", &self.status_before)
            .field("status_after", &self.status_after)
            .finish_non_exhaustive()
    }
}
