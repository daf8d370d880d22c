//! Writes the dates that each record's content has after its last step.

use domain::{
    checks,
    platform::{ACCESSES, DEPARTMENTS, INTERVENTIONS, REGISTERS, TRIGGERS},
};
use eventstore::{
    args,
    sql::{Col, Dialect, JsonRows},
};
use serde_json::Value;

use crate::{
    Batch, ProjectionError, Projector, Write,
    batch::{Life, Step},
    common::plain,
    table::Table,
};

/// Names of members are as long as definitions have them; a longer one is in no rule.
const MEMBER_BYTES_MAX: usize = 200;

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
        let (mut gone, mut rows) = (JsonRows::new(), JsonRows::new());
        for life in batch.lives.iter().filter(|life| !WITHOUT.contains(&life.register.as_str())) {
            if !life.first().fresh {
                gone.push(args![life.record]);
            }
            dates(&mut rows, life);
        }
        Ok(vec![Write::delete(dialect, &DATES, 1, gone), Write::upsert(dialect, &DATES, rows)])
    }
}

fn dates(rows: &mut JsonRows, life: &Life) {
    let last = life.last();
    for (member, value) in &last.content.members {
        let Some(day) = value.as_str().and_then(|text| checks::date(text).ok()) else { continue };
        if member.len() > MEMBER_BYTES_MAX {
            continue;
        }
        let since = since(life, member, value);
        rows.push(args![
            life.record,
            plain(member),
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

/// The step that gave a member its present value.
fn since<'a>(life: &'a Life, member: &str, value: &Value) -> &'a Step {
    let has = |step: &&Step| step.content.members.get(member) == Some(value);
    life.steps().iter().rev().take_while(has).last().unwrap_or_else(|| life.last())
}
