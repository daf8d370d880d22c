//! Writes the last state of each record, the numbers it took, and what its steps add to the counts.

use std::collections::BTreeMap;

use eventstore::{
    args,
    sql::{self, Col, Dialect, RowSet},
};
use uuid::Uuid;

use crate::{Batch, ProjectionError, Projector, Write, batch::Life, table::Table};

pub(super) const RECORDS: Table = Table {
    name: "view_record",
    key: 1,
    columns: &[
        ("record", Col::Blob),
        ("register", Col::Text),
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
    ],
};

const NUMBERS: Table = Table {
    name: "view_number",
    key: 2,
    columns: &[("register", Col::Text), ("number", Col::Text), ("record", Col::Blob), ("position", Col::Int)],
};

const COUNTS: Table = Table {
    name: "view_count",
    key: 3,
    columns: &[("register", Col::Text), ("counted", Col::Text), ("code", Col::Text), ("n", Col::Int)],
};

/// The projector of the register view.
#[derive(Debug)]
pub struct ViewProjector;

impl Projector for ViewProjector {
    fn name(&self) -> &'static str {
        "view"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[RECORDS, NUMBERS, COUNTS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut writes = vec![
            Write::upsert(dialect, &RECORDS, records(batch)),
            Write::forget(dialect, &NUMBERS, batch.rewritten()),
            Write::upsert(dialect, &NUMBERS, numbers(batch)),
        ];
        writes.extend(counts(dialect, batch));
        Ok(writes)
    }
}

fn records(batch: &Batch) -> RowSet {
    let mut rows = RowSet::new();
    for life in &batch.lives {
        let (first, last) = (life.first(), life.last());
        rows.push(args![
            life.record,
            life.register.as_str(),
            &last.after.status,
            last.after.number.as_deref(),
            last.after.valid_from.map(|day| day.to_string()),
            last.after.valid_until.map(|day| day.to_string()),
            last.version,
            first.position,
            first.recorded_at,
            last.position,
            last.entry_type.as_str(),
            last.recorded_at,
            last.effective_at,
            last.issuer.as_str(),
        ]);
    }
    rows
}

/// Numbers taken in this batch, or ever where a record is rewritten. A record may return to a number that it had; another record never gets it.
fn numbers(batch: &Batch) -> RowSet {
    let mut taken: BTreeMap<(&str, &str), (u64, Uuid)> = BTreeMap::new();
    for life in &batch.lives {
        for step in life.written() {
            let before = step.before.as_ref().and_then(|state| state.number.as_deref());
            let after = step.after.number.as_deref();
            let Some(number) = after.filter(|_| after != before) else { continue };
            let held = taken.entry((life.register.as_str(), number)).or_insert((0, life.record));
            *held = (*held).max((step.position, life.record));
        }
    }
    let mut rows = RowSet::new();
    for ((register, number), (position, record)) in taken {
        rows.push(args![register, number, record, position,]);
    }
    rows
}

/// What the batch adds to the counts and takes from them. A count that comes to nothing has no row, so that where
/// batches begin leaves no trace.
fn counts(dialect: Dialect, batch: &Batch) -> [Write; 2] {
    let mut deltas: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    for life in &batch.lives {
        let register = life.register.as_str();
        for step in life.fresh() {
            *deltas.entry((register, "type", step.entry_type.as_str())).or_default() += 1;
        }
        count_status(life, &mut deltas);
    }
    deltas.retain(|_, delta| *delta != 0);
    let rows = || {
        let mut rows = RowSet::new();
        for ((register, counted, code), delta) in &deltas {
            rows.push(args![*register, *counted, *code, *delta]);
        }
        rows
    };
    let from = sql::rows(dialect, "$2", COUNTS.columns);
    let add = format!(
        "INSERT INTO view_count (build, register, counted, code, n) \
         SELECT $1, r.register, r.counted, r.code, r.n FROM {from} AS r WHERE true \
         ON CONFLICT (build, register, counted, code) DO UPDATE SET n = view_count.n + excluded.n"
    );
    let drop = format!(
        "DELETE FROM view_count WHERE build = $1 AND n = 0 AND (register, counted, code) IN \
         (SELECT r.register, r.counted, r.code FROM {from} AS r)"
    );
    [Write::statement(add, rows()), Write::statement(drop, rows())]
}

fn count_status<'a>(life: &'a Life, deltas: &mut BTreeMap<(&'a str, &'static str, &'a str), i64>) {
    let register = life.register.as_str();
    let before = life.fresh().next().and_then(|step| step.before.as_ref());
    if let Some(state) = before {
        *deltas.entry((register, "status", state.status.as_str())).or_default() -= 1;
    }
    *deltas.entry((register, "status", life.last().after.status.as_str())).or_default() += 1;
}
