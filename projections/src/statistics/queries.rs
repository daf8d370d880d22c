//! Reads the statistics: exact counts of what everyone may count in the statements, and the breakdown by region as far as
//! it gives away no small group.

use std::collections::BTreeMap;

use eventstore::{
    Store, StoreError,
    sql::{Db, Row as Stored},
};
use proofs::slug::Slug;

use super::protect::{self, Part};
use crate::{ProjectionError, builds, select::Select};

const TABLE: &str = "statistics_cell";

/// By what entries are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether a column is asked for, and all go together"
)]
pub struct By {
    /// By register.
    pub register: bool,
    /// By the entry's type.
    pub entry_type: bool,
    /// By the month of recording.
    pub month: bool,
    /// By region.
    pub region: bool,
}

/// A region in a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Region {
    /// This one.
    Named(String),
    /// All that are not told by name, and what is of no known region.
    Other,
}

/// One count, and what it is of; what was not asked for is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The register.
    pub register: Option<String>,
    /// The type.
    pub entry_type: Option<String>,
    /// The month.
    pub month: Option<String>,
    /// The region.
    pub region: Option<Region>,
    /// Entries.
    pub entries: u64,
}

/// A table of counts, in the order of its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Of a table by region, the last month that is over and so counted.
    pub until: Option<String>,
    /// Its rows; what there is none of has no row.
    pub rows: Vec<Count>,
}

/// The last month of which every entry is known: one before the month of the last entry applied. It does not change
/// when more is recorded, and so what is told of it does not either.
pub async fn closed_month(store: &Store) -> Result<Option<String>, ProjectionError> {
    let Some(live) = builds::live(store.db(), "statistics").await? else { return Ok(None) };
    let Some(before) = live.position.checked_sub(1) else { return Ok(None) };
    let last = store.read_after(before, 1).await?;
    let current = last.first().map(|entry| entry.recorded_at.to_string().chars().take(7).collect::<String>());
    Ok(current.and_then(|current| month_before(&current)))
}

fn month_before(month: &str) -> Option<String> {
    let (year, month) = month.split_once('-')?;
    let (year, month): (i32, u32) = (year.parse().ok()?, month.parse().ok()?);
    Some(if month == 1 { format!("{:04}-12", year - 1) } else { format!("{year:04}-{:02}", month - 1) })
}

/// Counts of entries, in one register or in all.
pub async fn table(
    store: &Store,
    register: Option<&Slug>,
    by: By,
    threshold: u64,
) -> Result<Table, ProjectionError> {
    if !by.region {
        return Ok(Table { until: None, rows: exact(store.db(), register, by).await? });
    }
    let Some(until) = closed_month(store).await? else { return Ok(Table::default()) };
    let mut counts: BTreeMap<Key, u64> = BTreeMap::new();
    let registers = match register {
        Some(register) => vec![register.to_string()],
        None => registers(store.db()).await?,
    };
    // One register at a time: its types, months and regions are some ten thousand rows, all registers' a million.
    for register in registers {
        by_region(store.db(), &register, by, &until, threshold, &mut counts).await?;
    }
    let rows = counts.into_iter().map(|(key, entries)| key.count(entries)).collect();
    Ok(Table { until: Some(until), rows })
}

/// What a count is of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    register: Option<String>,
    entry_type: Option<String>,
    month: Option<String>,
    region: Option<Region>,
}

impl Key {
    fn count(self, entries: u64) -> Count {
        let Self { register, entry_type, month, region } = self;
        Count { register, entry_type, month, region, entries }
    }
}

async fn exact(db: &Db, register: Option<&Slug>, by: By) -> Result<Vec<Count>, ProjectionError> {
    let columns = [("register", by.register), ("type", by.entry_type), ("month", by.month)];
    let asked: Vec<&str> = columns.iter().filter(|(_, asked)| *asked).map(|(name, _)| *name).collect();
    let shown: Vec<&str> = asked.iter().copied().chain(["CAST(SUM(entries) AS BIGINT) AS entries"]).collect();
    let sql = format!("SELECT {} FROM statistics_cell", shown.join(", "));
    let mut select = Select::live(&sql, "statistics");
    select.and_some("register = {}", register);
    let tail = match asked.join(", ").as_str() {
        "" => "HAVING COUNT(*) > 0".to_owned(),
        asked => format!("GROUP BY {asked} ORDER BY {asked}"),
    };
    let (sql, args) = select.end(&tail);
    let text = |row: &Stored, name: &str| {
        let is_asked = asked.contains(&name);
        is_asked.then(|| row.text(name)).transpose()
    };
    let count = |row: &Stored| {
        Ok(Count {
            register: text(row, "register")?,
            entry_type: text(row, "type")?,
            month: text(row, "month")?,
            region: None,
            entries: row.uint("entries")?,
        })
    };
    let rows = db.fetch_all(&sql, args).await?;
    let counts: Result<Vec<Count>, StoreError> = rows.iter().map(count).collect();
    Ok(counts.map_err(|error| error.at(TABLE, String::new))?)
}

async fn registers(db: &Db) -> Result<Vec<String>, ProjectionError> {
    let select = Select::live("SELECT DISTINCT register FROM statistics_cell", "statistics");
    let (sql, args) = select.end("ORDER BY register");
    let rows = db.fetch_all(&sql, args).await?;
    rows.iter().map(|row| Ok(row.text("register")?)).collect()
}

/// Adds a register's counts by region. Each register, type and month is protected by itself, and every coarser table is
/// a sum of what is told of these: so no two tables together say more than the finest does.
async fn by_region(
    db: &Db,
    register: &str,
    by: By,
    until: &str,
    threshold: u64,
    counts: &mut BTreeMap<Key, u64>,
) -> Result<(), ProjectionError> {
    let sql = "SELECT type, month, region, entries, units FROM statistics_cell";
    let mut select = Select::live(sql, "statistics");
    select.and("register = {}", register).and("month <= {}", until);
    let (sql, args) = select.end("");
    let mut rows: BTreeMap<(String, String), Vec<Part>> = BTreeMap::new();
    for row in db.fetch_all(&sql, args).await? {
        let (entries, units) = (row.uint("entries")?, row.uint("units")?);
        let part = Part { region: row.text("region")?, entries, units };
        rows.entry((row.text("type")?, row.text("month")?)).or_default().push(part);
    }
    for ((entry_type, month), parts) in rows {
        let told = protect::protect(&parts, threshold);
        let mut add = |region, entries| {
            let key = Key {
                register: by.register.then(|| register.to_owned()),
                entry_type: by.entry_type.then(|| entry_type.clone()),
                month: by.month.then(|| month.clone()),
                region: Some(region),
            };
            *counts.entry(key).or_default() += entries;
        };
        for (region, entries) in told.regions {
            add(Region::Named(region), entries);
        }
        if told.other > 0 {
            add(Region::Other, told.other);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_begins_after_another() {
        assert_eq!(month_before("2026-01").as_deref(), Some("2025-12"));
        assert_eq!(month_before("2026-11").as_deref(), Some("2026-10"));
        assert_eq!(month_before("2026"), None);
    }
}
