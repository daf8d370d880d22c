//! Writes a row for each person and record, and the person's profile from their own record.

use std::collections::BTreeMap;

use domain::subject::Subject;
use eventstore::{
    args,
    sql::{Arg, Col, Dialect, RowSet},
};
use proofs::time::Timestamp;
use serde_json::Value;

use crate::{
    Batch, ProjectionError, Projector, Write,
    batch::{Life, Step},
    common::opt_count,
    table::Table,
};

pub(super) const RECORDS: Table = Table {
    name: "account_record",
    key: 2,
    columns: &[
        ("person", Col::Blob),
        ("record", Col::Blob),
        ("register", Col::Text),
        ("roles", Col::Text),
        ("status", Col::Text),
        ("number", Col::Text),
        ("valid_from", Col::Text),
        ("valid_until", Col::Text),
        ("version", Col::Int),
        ("opened_position", Col::Int),
        ("opened_at", Col::Int),
        ("changed_position", Col::Int),
        ("changed_type", Col::Text),
        ("changed_at", Col::Int),
        ("changed_effective_at", Col::Int),
        ("changed_issuer", Col::Text),
        ("former_version", Col::Int),
        ("former_at", Col::Int),
    ],
};

const PERSONS: Table = Table {
    name: "account_person",
    key: 1,
    columns: &[
        ("person", Col::Blob),
        ("status", Col::Text),
        ("version", Col::Int),
        ("content", Col::Text),
        ("opened_position", Col::Int),
        ("opened_at", Col::Int),
        ("changed_position", Col::Int),
        ("changed_at", Col::Int),
    ],
};

/// The register whose records are persons.
const PERSONS_REGISTER: &str = domain::platform::PERSONS;

/// The projector of the account.
#[derive(Debug)]
pub struct AccountProjector;

impl Projector for AccountProjector {
    fn name(&self) -> &'static str {
        "account"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[RECORDS, PERSONS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut records = RowSet::new();
        let mut persons = RowSet::new();
        for life in &batch.lives {
            if life.register.as_str() == PERSONS_REGISTER {
                profile(&mut persons, life);
            } else if life.register != *domain::platform::ACCESSES {
                // Who looked stands in a list of its own: it would bury what the person holds.
                concerned(&mut records, life, Subject::person);
            }
        }
        Ok(vec![
            Write::forget(dialect, &RECORDS, batch.rewritten()),
            Write::upsert(dialect, &RECORDS, records),
            Write::upsert(dialect, &PERSONS, persons),
        ])
    }
}

/// What someone sees of a record: the last step that concerned them, their roles in it, and the step that dropped them.
struct Seen<'a> {
    step: &'a Step,
    roles: Vec<&'a str>,
    former: Option<(u64, Timestamp)>,
    fresh: bool,
}

/// The rows of all whom the batch's steps of a record concern; `key` names a subject, if the projection is for such.
pub(crate) fn concerned<K: Ord + Clone + Into<Arg>>(
    rows: &mut RowSet,
    life: &Life,
    key: impl Fn(&Subject) -> Option<K>,
) {
    let mut all: BTreeMap<K, Seen<'_>> = BTreeMap::new();
    for step in life.steps() {
        let mut now: BTreeMap<K, Vec<&str>> = BTreeMap::new();
        for subject in &step.after.subjects {
            if let Some(key) = key(subject) {
                now.entry(key).or_default().push(&subject.role);
            }
        }
        for (key, seen) in &mut all {
            if seen.former.is_none() && !now.contains_key(key) {
                seen.former = Some((step.version, step.recorded_at));
                seen.fresh = step.fresh;
            }
        }
        for (key, mut roles) in now {
            roles.sort_unstable();
            roles.dedup();
            all.insert(key, Seen { step, roles, former: None, fresh: step.fresh });
        }
    }
    let rewritten = life.is_rewritten();
    for (key, seen) in all.into_iter().filter(|(_, seen)| seen.fresh || rewritten) {
        row(rows, key, life, &seen);
    }
}

fn row(rows: &mut RowSet, key: impl Into<Arg>, life: &Life, seen: &Seen<'_>) {
    let key: Arg = key.into();
    let (first, last, state) = (life.first(), seen.step, &seen.step.after);
    rows.push(args![
        key,
        life.record,
        life.register.as_str(),
        Value::from(seen.roles.clone()).to_string(),
        &state.status,
        state.number.as_deref(),
        state.valid_from.map(|day| day.to_string()),
        state.valid_until.map(|day| day.to_string()),
        last.version,
        first.position,
        first.recorded_at,
        last.position,
        last.entry_type.as_str(),
        last.recorded_at,
        last.effective_at,
        last.issuer.as_str(),
        opt_count(seen.former.map(|(version, _)| version)),
        seen.former.map(|(_, at)| at),
    ]);
}

fn profile(rows: &mut RowSet, life: &Life) {
    let (first, last) = (life.first(), life.last());
    rows.push(args![
        life.record,
        &last.after.status,
        last.version,
        life.content().unwrap_or("{}"),
        first.position,
        first.recorded_at,
        last.position,
        last.recorded_at,
    ]);
}
