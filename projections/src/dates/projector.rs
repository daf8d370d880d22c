//! Writes the dates that each record's content has after its last step.

use chrono::NaiveDate;
use domain::{
    checks,
    platform::{ACCESSES, DEPARTMENTS, INTERVENTIONS, REGISTERS, TRIGGERS},
};
use eventstore::{
    args,
    sql::{Col, Dialect, RowSet},
};
use serde_json::{Map, Value};

use crate::{
    Batch, ProjectionError, Projector, Write,
    batch::{Life, Step},
    common::plain,
    table::Table,
};

/// Longer paths are in no rule.
const PATH_BYTES_MAX: usize = 200;
/// Objects within objects, as deep as rules look.
const DEPTH_MAX: usize = 4;
/// Dates of one record: no definition comes near, and a body made to be large stays as cheap as another.
const DATES_MAX: usize = 64;

/// What is in these registers are no people's affairs, or has no date that anything could follow from.
const WITHOUT: [&str; 5] = [ACCESSES, DEPARTMENTS, INTERVENTIONS, REGISTERS, TRIGGERS];

const DATES: Table = Table {
    name: "date_member",
    key: 2,
    columns: &[
        ("record", Col::Blob),
        ("member", Col::Text),
        ("register", Col::Text),
        ("day", Col::Text),
        ("status", Col::Text),
        ("version", Col::Int),
        ("since_version", Col::Int),
        ("since_position", Col::Int),
        ("since_at", Col::Int),
    ],
};

/// The projector of dates.
#[derive(Debug)]
pub struct DatesProjector;

impl Projector for DatesProjector {
    fn name(&self) -> &'static str {
        "dates"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[DATES]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let (mut gone, mut rows) = (RowSet::new(), RowSet::new());
        for life in batch.lives.iter().filter(|life| !WITHOUT.contains(&life.register.as_str())) {
            if !life.first().fresh {
                gone.push(args![life.record]);
            }
            dates(&mut rows, life);
        }
        Ok(vec![Write::delete(dialect, &DATES, 1, gone), Write::upsert(dialect, &DATES, rows)])
    }
}

fn dates(rows: &mut RowSet, life: &Life) {
    let last = life.last();
    let mut found = Vec::new();
    walk("", &last.content.members, 1, &mut found);
    for (member, day) in found {
        let since = since(life, &member);
        rows.push(args![
            life.record,
            plain(&member),
            life.register.as_str(),
            day.to_string(),
            &last.after.status,
            last.version,
            since.version,
            since.position,
            since.recorded_at,
        ]);
    }
}

/// The dates of an object and of the objects in it, by their paths. What stands in a list has no path of its own.
fn walk(prefix: &str, members: &Map<String, Value>, depth: usize, found: &mut Vec<(String, NaiveDate)>) {
    for (name, value) in members {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if found.len() == DATES_MAX || path.len() > PATH_BYTES_MAX || name.contains('.') {
            continue;
        }
        match value {
            Value::String(text) => found.extend(day(text).map(|day| (path, day))),
            Value::Object(inner) if depth < DEPTH_MAX => walk(&path, inner, depth + 1, found),
            _ => {}
        }
    }
}

/// The day that a text writes: a date, or a moment, of which the day in UTC.
fn day(text: &str) -> Option<NaiveDate> {
    checks::date(text.split_once('T').map_or(text, |(day, _)| day)).ok()
}

/// The step that gave a path its present value.
fn since<'a>(life: &'a Life, path: &str) -> &'a Step {
    let now = at(&life.last().content.members, path);
    let has = |step: &&Step| at(&step.content.members, path) == now;
    life.steps().iter().rev().take_while(has).last().unwrap_or_else(|| life.last())
}

fn at<'a>(members: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut steps = path.split('.');
    let first = members.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}
