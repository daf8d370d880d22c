//! Counts entries by register, type, month of recording and region, and in each of these the people whom they concern.

use std::collections::BTreeSet;

use domain::{facts::RecordState, platform, subject::Subject};
use eventstore::{
    args,
    sql::{self, Col, Dialect, RowSet},
};
use proofs::time::Timestamp;

use super::region;
use crate::{
    Batch, ProjectionError, Projector, Write,
    batch::{Life, Step},
    table::Table,
};

const CELLS: Table = Table {
    name: "statistics_cell",
    key: 4,
    columns: &[
        ("register", Col::Text),
        ("type", Col::Text),
        ("month", Col::Text),
        ("region", Col::Text),
        ("entries", Col::Int),
        ("units", Col::Int),
    ],
};

const UNITS: Table = Table {
    name: "statistics_unit",
    key: 4,
    columns: &[("register", Col::Text), ("type", Col::Text), ("month", Col::Text), ("unit", Col::Text)],
};

const ADDRESSES: Table = Table {
    name: "statistics_address",
    key: 2,
    columns: &[("person", Col::Text), ("position", Col::Int), ("region", Col::Text)],
};

/// An entry as it travels to the database: its region may be its person's, which the database knows.
const ENTRY: &[(&str, Col)] = &[
    ("register", Col::Text),
    ("type", Col::Text),
    ("month", Col::Text),
    ("region", Col::Text),
    ("person", Col::Text),
    ("position", Col::Int),
    ("unit", Col::Text),
    ("first", Col::Int),
];

/// The projector of the statistics.
#[derive(Debug)]
pub struct StatisticsProjector;

impl Projector for StatisticsProjector {
    fn name(&self) -> &'static str {
        "statistics"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[CELLS, UNITS, ADDRESSES]
    }

    /// Where someone lived, and who was counted, is known by bodies: without one, nothing says what it added to which count.
    fn adds_up(&self) -> bool {
        true
    }

    /// Addresses before the entries that may need them, and the people of a cell before they are known to be in it.
    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let entries = entries(batch);
        Ok(vec![
            Write::upsert(dialect, &ADDRESSES, addresses(batch)),
            Write::statement(count(dialect), entries.clone()),
            Write::statement(remember(dialect), entries),
        ])
    }
}

/// Where persons live from a position on, each time that changes.
fn addresses(batch: &Batch) -> RowSet {
    let mut rows = RowSet::new();
    for life in batch.lives.iter().filter(|life| life.register == *platform::PERSONS) {
        let mut before: Option<String> = None;
        for step in life.steps() {
            let now = region::of_content(&step.content.members);
            if step.fresh && (now != before) {
                rows.push(args![life.record.to_string(), step.position, now.as_deref().unwrap_or_default()]);
            }
            before = now;
        }
    }
    rows
}

fn entries(batch: &Batch) -> RowSet {
    let mut steps: Vec<(&Life, &Step)> =
        batch.lives.iter().flat_map(|life| life.fresh().map(move |step| (life, step))).collect();
    steps.sort_unstable_by_key(|(_, step)| step.position);
    let mut seen = BTreeSet::new();
    let mut rows = RowSet::new();
    for (life, step) in steps {
        let (register, entry_type) = (life.register.as_str(), step.entry_type.as_str());
        let (month, unit) = (month(step.recorded_at), unit(life, &step.after));
        let first = seen.insert((register, entry_type, month.clone(), unit.clone()));
        rows.push(args![
            register,
            entry_type,
            month,
            region::of_content(&step.content.members),
            step.after.subjects.iter().find_map(Subject::person).map(|id| id.to_string()),
            step.position,
            unit,
            first,
        ]);
    }
    rows
}

/// Whom an entry concerns, as far as a group is small or large by it: the first person of the record, else its first
/// organisation, else the record itself. Ten entries of one person are a group of one.
fn unit(life: &Life, state: &RecordState) -> String {
    let person = state.subjects.iter().find_map(Subject::person).map(|person| person.to_string());
    let organisation = || {
        let organisation = state.subjects.iter().find_map(|subject| subject.organisation())?;
        organisation.ogrn.clone().or_else(|| organisation.inn.clone())
    };
    person.or_else(organisation).unwrap_or_else(|| life.record.to_string())
}

/// The month of recording in UTC, as the statement and leaf have the time, so that anyone counts alike.
fn month(recorded_at: Timestamp) -> String {
    recorded_at.to_string().chars().take("2026-01".len()).collect()
}

/// The region of an entry: its record's own, else where its first person lived when it was recorded, else nothing.
const REGION: &str = "COALESCE(r.region, (SELECT a.region FROM statistics_address AS a WHERE a.build = $1 \
     AND a.person = r.person AND a.position < r.position ORDER BY a.position DESC LIMIT 1), '')";

/// Is a unit counted already? As a count of at most one, PostgreSQL looks it up by the key; of NOT EXISTS it may make a table of all.
const KNOWN: &str = "(SELECT COUNT(*) FROM (SELECT 1 FROM statistics_unit AS u WHERE u.build = $1 AND u.register = r.register \
     AND u.type = r.type AND u.month = r.month AND u.unit = r.unit LIMIT 1) AS one)";

/// Adds to the counts. A person counts in one region of a register, type and month, that of their first entry there: so
/// the people of several regions add up to no more than there are.
fn count(dialect: Dialect) -> String {
    let from = sql::rows(dialect, "$2", ENTRY);
    format!(
        "INSERT INTO statistics_cell (build, register, type, month, region, entries, units) \
         SELECT $1, e.register, e.type, e.month, e.region, COUNT(*), CAST(SUM(e.unit) AS BIGINT) FROM ( \
             SELECT r.register, r.type, r.month, {REGION} AS region, CASE WHEN r.first = 1 AND {KNOWN} = 0 THEN 1 ELSE 0 END AS unit \
             FROM {from} AS r) AS e \
         WHERE true GROUP BY e.register, e.type, e.month, e.region \
         ON CONFLICT (build, register, type, month, region) DO UPDATE SET \
         entries = statistics_cell.entries + excluded.entries, units = statistics_cell.units + excluded.units"
    )
}

fn remember(dialect: Dialect) -> String {
    let from = sql::rows(dialect, "$2", ENTRY);
    format!(
        "INSERT INTO statistics_unit (build, register, type, month, unit) \
         SELECT $1, r.register, r.type, r.month, r.unit FROM {from} AS r WHERE r.first = 1 ON CONFLICT DO NOTHING"
    )
}
