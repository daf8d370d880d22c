//! Reads a person's records.

use std::collections::BTreeSet;

use domain::{definition::Group, definitions::Definitions};
use eventstore::{
    StoreError, args,
    sql::{self, Col, Db, Row, RowSet},
};
use proofs::{slug::Slug, time::Timestamp};
use uuid::Uuid;

use super::holder::Holder;
use crate::{
    Page, PageRequest, ProjectionError,
    common::{self, Change, Opened, Validity, change_of, opened_of, validity_of},
    cursor::List,
    words::{self, Named},
};

const TABLE: &str = "account_record";
const SELECT: &str = "record, register, roles, status, number, valid_from, valid_until, version, opened_position, \
     opened_at, changed_position, changed_type, changed_at, changed_effective_at, changed_issuer, former_version, \
     former_at";

/// Which of a person's records are asked for; all that is left out does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of registers that the account shows in this group.
    pub group: Option<Group>,
    /// Of this register.
    pub register: Option<Slug>,
    /// Of these registers, and of no other: what a representative may see.
    pub within: Option<BTreeSet<Slug>>,
    /// In this status.
    pub status: Option<String>,
    /// That concern the person in this role.
    pub role: Option<String>,
    /// Whose status counts as in force, or does not, by the definition in force now.
    pub in_force: Option<bool>,
    /// Also those that no longer concern the person.
    pub with_former: bool,
}

/// A record, as it concerns a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// The record.
    pub record: Uuid,
    /// Its register.
    pub register: Slug,
    /// In which roles it concerns the person, in order.
    pub roles: Vec<String>,
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
    /// When it ceased to concern the person; everything else is then as it was before.
    pub former: Option<Former>,
    /// Words, group and force by the definition in force now.
    pub named: Named,
}

/// When a record ceased to concern a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Former {
    /// The version that no longer names the person.
    pub version: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// A page of the records that concern someone, the newest first.
pub async fn list(
    db: &Db,
    definitions: &Definitions,
    holder: impl Into<Holder>,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<AccountRecord>, ProjectionError> {
    let (limit, after) = page.open(List::Account)?;
    let mut select = holder.into().select(SELECT);
    select.and_some("register = {}", filter.register.as_ref());
    if let Some(within) = &filter.within {
        let from = sql::rows(db.dialect(), "{}", &[("register", Col::Text)]);
        let mut rows = RowSet::new();
        for register in within {
            rows.push(args![register]);
        }
        select.and(&format!("register IN (SELECT r.register FROM {from} AS r)"), rows);
    }
    select.and_some("status = {}", filter.status.clone());
    // Roles are a JSON array: the name in its quotes is found whole or not at all.
    let role = filter.role.as_ref().map(|role| serde_json::Value::from(role.as_str()).to_string());
    select.and_some("replace(roles, {}, '') <> roles", role);
    if let Some(group) = filter.group {
        let from = sql::rows(db.dialect(), "{}", &[("register", Col::Text)]);
        select.and(
            &format!("register IN (SELECT r.register FROM {from} AS r)"),
            words::registers_of(definitions, group),
        );
    }
    if let Some(in_force) = filter.in_force {
        let from = sql::rows(db.dialect(), "{}", &[("register", Col::Text), ("status", Col::Text)]);
        let which = if in_force { "IN" } else { "NOT IN" };
        select.and(
            &format!("(register, status) {which} (SELECT r.register, r.status FROM {from} AS r)"),
            words::statuses_in_force(definitions),
        );
    }
    if !filter.with_former {
        select.and("former_version IS NULL AND 1 = {}", 1_i64);
    }
    select.and_some("opened_position < {}", after);
    let (sql, args) = select.page("opened_position DESC", limit);
    let rows = db.fetch_together(&sql, args).await?;
    let items = common::read(&rows, TABLE, |row| record_of(row, definitions))?;
    Ok(Page::cut(items, limit, List::Account, |item| item.opened.position))
}

/// One of the records that concern someone, also a former one; nothing when it never concerned them.
pub async fn record(
    db: &Db,
    definitions: &Definitions,
    holder: impl Into<Holder>,
    record: Uuid,
) -> Result<Option<AccountRecord>, ProjectionError> {
    let mut select = holder.into().select(SELECT);
    select.and("record = {}", record);
    let (sql, args) = select.end("");
    let row = db.fetch_optional(&sql, args).await?;
    Ok(common::read(&row, TABLE, |row| record_of(row, definitions))?.pop())
}

/// Those of these records that concern someone, or did, in no order.
pub async fn records(
    db: &Db,
    definitions: &Definitions,
    holder: impl Into<Holder>,
    records: &[Uuid],
) -> Result<Vec<AccountRecord>, ProjectionError> {
    let from = sql::rows(db.dialect(), "{}", &[("record", Col::Blob)]);
    let mut rows = RowSet::new();
    for record in records {
        rows.push(args![record]);
    }
    let mut select = holder.into().select(SELECT);
    select.and(&format!("record IN (SELECT r.record FROM {from} AS r)"), rows);
    let (sql, args) = select.end("");
    let found = db.fetch_all(&sql, args).await?;
    Ok(common::read(&found, TABLE, |row| record_of(row, definitions))?)
}

fn record_of(row: &Row, definitions: &Definitions) -> Result<AccountRecord, StoreError> {
    let register: Slug = row.parse("register")?;
    let status = row.text("status")?;
    let changed = change_of(row)?;
    let former = match (row.opt_uint("former_version")?, row.opt_time("former_at")?) {
        (Some(version), Some(recorded_at)) => Some(Former { version, recorded_at }),
        (None, None) => None,
        _ => {
            let why = "set without former_version, or the reverse";
            return Err(StoreError::corrupt("query", "former_at", "", why));
        }
    };
    Ok(AccountRecord {
        record: row.uuid("record")?,
        roles: roles_of(row)?,
        number: row.opt_text("number")?,
        validity: validity_of(row)?,
        version: row.uint("version")?,
        opened: opened_of(row)?,
        former,
        named: words::named(definitions, &register, &status, &changed),
        register,
        status,
        changed,
    })
}

fn roles_of(row: &Row) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(row.str("roles")?).map_err(|why| StoreError::corrupt("query", "roles", "", why))
}
