//! Reads what waits for a department.

use domain::definition::Title;
use eventstore::{
    StoreError,
    sql::{Db, Row},
};
use proofs::{slug::Slug, time::Timestamp};
use uuid::Uuid;

use crate::{Page, PageRequest, ProjectionError, common, cursor::List, select::Select};

const TABLE: &str = "task_record";
const SELECT: &str = "SELECT record, register, department, status, person, service, title_ru, title_en, version, \
     since_position, since_at FROM task_record";

/// Which tasks are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this register: `requests`, `offers` or `accesses`.
    pub register: Option<Slug>,
    /// In this status.
    pub status: Option<String>,
}

/// Something that waits for a department.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The record.
    pub record: Uuid,
    /// Its register: `requests`, `offers` or `accesses`.
    pub register: Slug,
    /// The department.
    pub department: Slug,
    /// The record's status.
    pub status: String,
    /// Whom it concerns.
    pub person: Option<Uuid>,
    /// The service asked for.
    pub service: Option<String>,
    /// What it is about; a question has no title.
    pub title: Option<Title>,
    /// The record's version.
    pub version: u64,
    /// The position of the entry since which it waits: the order of the list.
    pub since_position: u64,
    /// When that was recorded.
    pub since: Timestamp,
}

/// A page of what waits for a department, the longest waiting first.
pub async fn list(
    db: &Db,
    department: &Slug,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Task>, ProjectionError> {
    let (limit, after) = page.open(List::Tasks)?;
    let mut select = Select::live(SELECT, "tasks");
    select.and("department = {}", department);
    select.and_some("register = {}", filter.register.as_ref());
    select.and_some("status = {}", filter.status.clone());
    select.and_some("since_position > {}", after);
    let (sql, args) = select.page("since_position", limit);
    let items = common::read(&db.fetch_all(&sql, args).await?, TABLE, task_of)?;
    Ok(Page::cut(items, limit, List::Tasks, |item| item.since_position))
}

/// One task; nothing when the record waits for nobody.
pub async fn task(db: &Db, record: Uuid) -> Result<Option<Task>, ProjectionError> {
    let mut select = Select::live(SELECT, "tasks");
    select.and("record = {}", record);
    let (sql, args) = select.end("");
    Ok(common::read(&db.fetch_optional(&sql, args).await?, TABLE, task_of)?.pop())
}

fn task_of(row: &Row) -> Result<Task, StoreError> {
    let title = row.opt_text("title_ru")?.zip(row.opt_text("title_en")?);
    Ok(Task {
        record: row.uuid("record")?,
        register: row.parse("register")?,
        department: row.parse("department")?,
        status: row.text("status")?,
        person: row.opt_uuid("person")?,
        service: row.opt_text("service")?,
        title: title.map(|(ru, en)| Title { ru: ru.into(), en: en.into() }),
        version: row.uint("version")?,
        since_position: row.uint("since_position")?,
        since: row.time("since_at")?,
    })
}
