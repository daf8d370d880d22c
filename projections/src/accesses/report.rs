//! What an auditor should look at: how officials looked in some time, and what of it is unusual.

use std::{collections::BTreeSet, sync::Arc};

use domain::definitions::Definitions;
use eventstore::{
    Store, StoreError,
    sql::{Db, Row},
};
use proofs::time::Timestamp;

use super::cases;
use super::patterns::{self, Look, Many, Pattern, Purposes, Run};
use crate::{ProjectionError, common, select::Select};

/// Looks that one report goes over at most: about 20 MB of them, and some seconds.
pub const ACCESSES_MAX: u32 = 100_000;

const TABLE: &str = "access_record";

/// From where on something is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Persons that one official looks at in a short time.
    pub many: Many,
    /// Persons for whom one official gives the same purpose.
    pub same_purpose_persons: usize,
    /// So long after its last entry about a person, a department still has to do with them.
    pub recent_days: u32,
    /// Where the night is: minutes ahead of UTC.
    pub utc_offset_minutes: i32,
}

impl Default for Thresholds {
    /// A person a minute for an hour is work at a counter, and more is none; Moscow is three hours ahead of UTC.
    fn default() -> Self {
        Self {
            many: Many { persons: 60, minutes: 60 },
            same_purpose_persons: 20,
            recent_days: 30,
            utc_offset_minutes: 180,
        }
    }
}

/// What is unusual. Departments' systems, auditors and third parties are left out: they read many by their nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Looks of officials at what concerns a person.
    pub looks: usize,
    /// How many officials looked.
    pub officials: usize,
    /// At persons with whom their department had nothing to do then.
    pub outside_cases: Vec<Pattern>,
    /// At many persons in a short time.
    pub many_persons: Vec<Run>,
    /// At what concerns themselves.
    pub own_records: Vec<Pattern>,
    /// By night.
    pub night: Vec<Pattern>,
    /// For one purpose at many persons.
    pub same_purpose: Vec<Purposes>,
}

/// The report over the looks recorded from one time on and before another; nothing when they are more than [`ACCESSES_MAX`].
pub async fn report(
    store: &Store,
    definitions: &Definitions,
    (from, to): (Timestamp, Timestamp),
    thresholds: &Thresholds,
) -> Result<Option<Report>, ProjectionError> {
    let Some(looks) = looks(store.db(), from, to).await? else { return Ok(None) };
    let outside_cases = cases::outside(store, definitions, &looks, thresholds.recent_days).await?;
    let (looks, thresholds) = (Arc::new(looks), *thresholds);
    let apart = Arc::clone(&looks);
    // The most looks take some tenths of a second, for which nobody else should wait.
    let found = tokio::task::spawn_blocking(move || of(&apart, &thresholds)).await;
    // A runtime that ends takes no more tasks.
    let found = found.unwrap_or_else(|_| of(&looks, &thresholds));
    Ok(Some(Report { outside_cases, ..found }))
}

/// What the looks alone tell.
fn of(looks: &[Look], thresholds: &Thresholds) -> Report {
    let officials: BTreeSet<_> = looks.iter().map(|look| (&look.department, look.official)).collect();
    Report {
        looks: looks.len(),
        officials: officials.len(),
        outside_cases: Vec::new(),
        many_persons: patterns::many_persons(looks, thresholds.many),
        own_records: patterns::own_records(looks),
        night: patterns::night(looks, thresholds.utc_offset_minutes),
        same_purpose: patterns::same_purpose(looks, thresholds.same_purpose_persons),
    }
}

/// The looks of officials in that time, in order.
async fn looks(db: &Db, from: Timestamp, to: Timestamp) -> Result<Option<Vec<Look>>, ProjectionError> {
    let select = "SELECT record, position, at, official, department, person, purpose FROM access_record";
    let mut select = Select::live(select, "accesses");
    select.and("role = {}", "official").and("at >= {}", from).and("at < {}", to);
    select.and("person IS NOT NULL AND official IS NOT NULL AND department IS NOT NULL AND 1 = {}", 1_i64);
    let (sql, args) = select.page("at, position", i64::from(ACCESSES_MAX));
    let rows = db.fetch_all(&sql, args).await?;
    if rows.len() > ACCESSES_MAX as usize {
        return Ok(None);
    }
    let of = |row: &Row| -> Result<Look, StoreError> {
        Ok(Look {
            record: row.uuid("record")?,
            position: row.uint("position")?,
            at: row.time("at")?,
            official: row.uuid("official")?,
            department: row.parse("department")?,
            person: row.uuid("person")?,
            purpose: row.opt_text("purpose")?.unwrap_or_default(),
        })
    };
    Ok(Some(common::read(&rows, TABLE, of)?))
}
