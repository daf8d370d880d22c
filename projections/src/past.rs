//! What time travel asks of the projections: which records may have existed then, and how many were in which status.
//!
//! What a record was then is folded from its entries by whoever asks (`domain::asof`); nothing of the past is stored here.

use std::collections::BTreeMap;

use domain::{asof::AsOf, definitions::Definitions};
use eventstore::{
    args,
    sql::{self, Col, Db, Dialect, Row, RowSet},
};
use proofs::{slug::Slug, time::Timestamp};
use uuid::Uuid;

use crate::{
    Page, PageRequest, ProjectionError,
    account::Holder,
    common,
    cursor::List,
    select::Select,
    view::{Count, Counts},
};

/// Steps that one count goes over at most: some seconds of a database's work.
pub const COUNT_STEPS_MAX: u64 = 1_000_000;

/// A record that was opened by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The record.
    pub record: Uuid,
    /// The position of its first entry: the order of lists.
    pub opened: u64,
}

/// A page of the records of a register that were opened at `until` or before, the newest first. Its cursors are those of the
/// register's list.
pub async fn of_register(
    db: &Db,
    register: &Slug,
    until: u64,
    page: &PageRequest,
) -> Result<Page<Candidate>, ProjectionError> {
    let mut select = Select::live("SELECT record, opened_position FROM view_record", "view");
    select.and("register = {}", register);
    read(db, select, "view_record", List::View, until, page).await
}

/// A page of the records opened at `until` or before that concern a person or an organisation, or once did, the newest
/// first. Its cursors are those of the account's list.
pub async fn of_holder(
    db: &Db,
    holder: Holder,
    register: Option<&Slug>,
    until: u64,
    page: &PageRequest,
) -> Result<Page<Candidate>, ProjectionError> {
    let mut select = holder.select("record, opened_position");
    select.and_some("register = {}", register);
    read(db, select, "account_record", List::Account, until, page).await
}

async fn read(
    db: &Db,
    mut select: Select,
    table: &'static str,
    list: List,
    until: u64,
    page: &PageRequest,
) -> Result<Page<Candidate>, ProjectionError> {
    let (limit, after) = page.open(list)?;
    select.and("opened_position <= {}", until);
    select.and_some("opened_position < {}", after);
    let (sql, args) = select.page("opened_position DESC", limit);
    let rows = db.fetch_all(&sql, args).await?;
    let of = |row: &Row| Ok(Candidate { record: row.uuid("record")?, opened: row.uint("opened_position")? });
    Ok(Page::cut(common::read(&rows, table, of)?, limit, list, |candidate| candidate.opened))
}

/// How many records of a register were in each status as of a time, and how many entries of each type count; nothing when
/// the register has more than [`COUNT_STEPS_MAX`] steps.
///
/// A record's status is where its last step led that leads anywhere; where a step leads is said by the definition under which
/// it was recorded, since what stands in its row is where it led with all the steps before it.
pub async fn counts(
    db: &Db,
    definitions: &Definitions,
    register: &Slug,
    as_of: AsOf,
) -> Result<Option<Counts>, ProjectionError> {
    let mut counts = Counts::default();
    let steps = "SELECT COUNT(*) AS n FROM (SELECT 1 FROM history_step WHERE register = $1
        AND build = (SELECT build FROM projection WHERE name = 'history' AND live = 1) LIMIT $2) AS bounded";
    let row = db.fetch_optional(steps, args![register, COUNT_STEPS_MAX + 1]).await?;
    if row.map(|row| row.uint("n")).transpose()?.unwrap_or_default() > COUNT_STEPS_MAX {
        return Ok(None);
    }
    let (leads, statuses) = leads(definitions, register);
    let rows = db.fetch_all(&status_sql(db.dialect()), bounds(register, as_of, Some(leads))).await?;
    let mut by_status: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &rows {
        let code = usize::try_from(row.uint("code")?).unwrap_or(usize::MAX);
        // A record whose steps lead nowhere would have no status; its first always does.
        if let Some(status) = statuses.get(code) {
            *by_status.entry(status).or_default() += row.uint("n")?;
        }
    }
    counts.by_status = by_status.into_iter().map(|(code, n)| Count { code: code.to_owned(), n }).collect();
    for row in db.fetch_all(TYPE_SQL, bounds(register, as_of, None)).await? {
        counts.by_type.push(Count { code: row.text("type")?, n: row.uint("n")? });
    }
    Ok(Some(counts))
}

/// The steps that count.
const STEPS: &str = "history_step h WHERE h.register = $1 AND h.recorded_at <= $2 AND h.effective_at <= $3
    AND h.build = (SELECT build FROM projection WHERE name = 'history' AND live = 1)";

const TYPE_SQL: &str = "SELECT h.type, COUNT(*) AS n FROM history_step h
    WHERE h.register = $1 AND h.recorded_at <= $2 AND h.effective_at <= $3
    AND h.build = (SELECT build FROM projection WHERE name = 'history' AND live = 1)
    GROUP BY h.type ORDER BY h.type";

/// Of each record that exists then, the last step that leads to a status: the version and the status travel as one number.
fn status_sql(dialect: Dialect) -> String {
    let columns = [("type", Col::Text), ("begins", Col::Int), ("ends", Col::Int), ("code", Col::Int)];
    let rules = sql::rows(dialect, "$4", &columns);
    format!(
        "WITH rule AS (SELECT * FROM {rules} AS r), counted AS (SELECT h.record, h.version, h.type, h.position FROM {STEPS})
         SELECT last % {CODES_MAX} AS code, COUNT(*) AS n FROM (
             SELECT c.record, MIN(c.version) AS first,
                 MAX((SELECT c.version * {CODES_MAX} + r.code FROM rule r
                      WHERE r.type = c.type AND r.begins < c.position AND c.position <= r.ends)) AS last
             FROM counted c GROUP BY c.record) AS life
         WHERE first = 1 AND last IS NOT NULL GROUP BY last % {CODES_MAX}"
    )
}

/// More statuses than a definition may have.
const CODES_MAX: i64 = 4_096;

fn bounds(register: &Slug, as_of: AsOf, rules: Option<RowSet>) -> Vec<sql::Arg> {
    let time = |time: Timestamp| sql::Arg::from(time);
    let mut args = args![register];
    args.extend([time(as_of.recorded), time(as_of.effective)]);
    args.extend(rules.map(RowSet::into_arg));
    args
}

/// Where each type led, and for which positions: as the definitions said, one after another. The first rules what was
/// recorded together with it.
fn leads(definitions: &Definitions, register: &Slug) -> (RowSet, Vec<String>) {
    let history = definitions.history(register);
    let mut rows = RowSet::new();
    let mut statuses: Vec<String> = Vec::new();
    for (at, in_force) in history.iter().enumerate() {
        let begins = if at == 0 { 0 } else { in_force.position };
        let ends =
            history.get(at + 1).map_or(i64::MAX, |next| i64::try_from(next.position).unwrap_or(i64::MAX));
        for rule in &in_force.definition.types {
            let Some(to) = &rule.to else { continue };
            let known = statuses.iter().position(|status| status == to);
            let code = known.unwrap_or_else(|| {
                statuses.push(to.clone());
                statuses.len() - 1
            });
            rows.push(args![&rule.entry_type, begins, ends, code as u64]);
        }
    }
    (rows, statuses)
}
