//! What was measured: as JSON, and as a table.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::cpu;
use super::load::{Driven, Latency};
use super::store::Gauges;

/// Whose records entries are of.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Records {
    /// Each makes one.
    New,
    /// Each continues one.
    Existing,
}

impl Records {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Existing => "existing",
        }
    }
}

/// One figure and what belongs to it.
#[derive(Serialize, Clone, Debug)]
pub struct Measurement {
    /// What was done.
    pub section: &'static str,
    /// What of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// How many did it at once.
    pub callers: usize,
    /// In how many registers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registers: Option<usize>,
    /// Of which records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Records>,
    /// Entries in a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries_per_call: Option<usize>,
    /// How often.
    pub calls: usize,
    /// Entries, or what else a call counts.
    pub units: u64,
    /// For how long.
    pub seconds: f64,
    /// Units a second.
    pub per_second: f64,
    /// How long a call took, in microseconds.
    pub latency_micros: Option<Latency>,
    /// Bytes of PostgreSQL's write-ahead log, a unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal_bytes_per_unit: Option<f64>,
    /// Bytes that this process wrote to its disk, a unit: of SQLite the log and the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes_per_unit: Option<f64>,
    /// Seconds of processor time, by whose it was.
    pub cpu_seconds: cpu::Seconds,
    /// For how long the oldest entry that a projection had not applied yet had waited at most, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projections_behind_seconds: Option<f64>,
    /// What part it is of each limit that was measured in the same run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub share_of: BTreeMap<&'static str, f64>,
}

impl Measurement {
    /// What callers did.
    pub fn new(section: &'static str, driven: Driven, callers: usize) -> Self {
        Self {
            section,
            what: None,
            callers,
            registers: None,
            records: None,
            entries_per_call: None,
            calls: driven.micros.len(),
            units: driven.units,
            seconds: driven.elapsed.as_secs_f64(),
            per_second: driven.rate(),
            latency_micros: Latency::of(driven.micros),
            wal_bytes_per_unit: None,
            written_bytes_per_unit: None,
            cpu_seconds: cpu::Seconds::new(),
            projections_behind_seconds: None,
            share_of: BTreeMap::new(),
        }
    }

    /// Adds what was read of the store before and after.
    pub fn between(mut self, before: &Gauges, after: &Gauges) -> Self {
        let each = |before: Option<u64>, after: Option<u64>| {
            let bytes = after?.checked_sub(before?)?;
            (self.units > 0).then(|| ratio(bytes, self.units))
        };
        self.wal_bytes_per_unit = each(before.wal_bytes, after.wal_bytes);
        self.written_bytes_per_unit = each(before.written_bytes, after.written_bytes);
        self.cpu_seconds = cpu::spent(&before.cpu, &after.cpu);
        self
    }

    /// The same, of this part.
    pub fn of(mut self, what: impl Into<String>) -> Self {
        self.what = Some(what.into());
        self
    }

    /// The limits that bear on it.
    fn limits(&self) -> &'static [&'static str] {
        match self.section {
            "append" | "journal" | "http" if self.callers == 1 => {
                &["fsync", "raw insert", "signatures, all cores"]
            }
            "append" | "journal" | "http" | "batch" | "growth" => &["raw insert", "signatures, all cores"],
            "audit" => &["signatures, all cores"],
            "read" => &["JSON from memory"],
            _ => &[],
        }
    }
}

/// What a store takes on its disk after a section.
#[derive(Serialize, Clone, Debug)]
pub struct Storage {
    /// After what.
    pub section: &'static str,
    /// Entries in the store, those of the platform too.
    pub entries: u64,
    /// Bytes of each table with its indexes.
    pub table_bytes: BTreeMap<String, u64>,
    /// Bytes of all tables an entry.
    pub bytes_per_entry: f64,
    /// Bytes of the journal's own tables an entry.
    pub journal_bytes_per_entry: f64,
}

/// Tables that are shown, the largest first.
const TABLES_SHOWN: usize = 8;
/// The journal's own tables.
const JOURNAL: [&str; 8] = ["entry", "tile", "number", "idempotency", "log", "log_key", "shard", "journal"];

impl Storage {
    /// From the sizes of tables.
    pub fn new(section: &'static str, entries: u64, table_bytes: BTreeMap<String, u64>) -> Self {
        let journal = table_bytes.iter().filter(|(table, _)| JOURNAL.contains(&table.as_str()));
        let journal: u64 = journal.map(|(_, bytes)| bytes).sum();
        let all: u64 = table_bytes.values().sum();
        let each = |bytes: u64| if entries == 0 { 0.0 } else { ratio(bytes, entries) };
        Self {
            section,
            entries,
            bytes_per_entry: each(all),
            journal_bytes_per_entry: each(journal),
            table_bytes,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing is counted here that needs 53 bits")]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

/// A whole run.
#[derive(Serialize, Clone, Debug)]
pub struct Report {
    /// Version of the engine.
    pub version: &'static str,
    /// Whether the engine was built to be fast. Figures of another one say nothing.
    pub optimised: bool,
    /// `sqlite` or `postgres`.
    pub store: &'static str,
    /// Processor cores.
    pub cores: usize,
    /// Shards of the store.
    pub shards: u32,
    /// What entries follow from.
    pub seed: u64,
    /// Digest of the first entries that follow from the seed: the same in two runs that measured the same.
    pub entries_digest: String,
    /// Seconds that were asked for.
    pub seconds: f64,
    /// Bytes of a body that were asked for.
    pub body_bytes: usize,
    /// What was measured, the limits last.
    pub measurements: Vec<Measurement>,
    /// What it takes on the disk.
    pub storage: Vec<Storage>,
}

impl Report {
    /// Holds every figure against the limits that bear on it: where one was measured with as many callers, against that.
    pub fn conclude(&mut self) {
        let limits = self.measurements.iter().filter(|measurement| measurement.section == "limit");
        let limits: Vec<(String, usize, f64)> = limits
            .filter_map(|limit| Some((limit.what.clone()?, limit.callers, limit.per_second)))
            .filter(|(_, _, most)| *most > 0.0)
            .collect();
        for measurement in &mut self.measurements {
            for name in measurement.limits() {
                let named = || limits.iter().filter(|(what, _, _)| what == name);
                let same = named().find(|(_, callers, _)| *callers == measurement.callers);
                if let Some((_, _, most)) = same.or_else(|| named().next_back()) {
                    measurement.share_of.insert(name, measurement.per_second / most);
                }
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, store, cores, shards, seed, body_bytes, .. } = self;
        write!(f, "reestr {version}, {store}, {cores} cores, {shards} shards, seed {seed}, ")?;
        writeln!(f, "bodies of {body_bytes} bytes")?;
        if !self.optimised {
            writeln!(f, "THIS IS A DEBUG BUILD: its figures say nothing (cargo build --release)")?;
        }
        writeln!(
            f,
            "\n{:<34} {:>7} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}  share of",
            "",
            "callers",
            "registers",
            "a second",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "written B",
            "cpu us"
        )?;
        for measurement in &self.measurements {
            measurement.row(f)?;
        }
        for storage in &self.storage {
            storage.rows(f)?;
        }
        Ok(())
    }
}

impl Measurement {
    fn row(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = self.section.to_owned();
        for part in [self.what.as_deref(), self.records.map(Records::word)].into_iter().flatten() {
            write!(name, " {part}")?;
        }
        if let Some(list) = self.entries_per_call.filter(|list| *list > 1) {
            write!(name, " x{list}")?;
        }
        let registers = self.registers.map(|registers| registers.to_string()).unwrap_or_default();
        write!(f, "{name:<34} {:>7} {registers:>9} {:>10.0}", self.callers, self.per_second)?;
        let millis = |micros: u32| f64::from(micros) / 1_000.0;
        match self.latency_micros {
            Some(Latency { p50, p99, p99_9, max }) => {
                for micros in [p50, p99, p99_9, max] {
                    write!(f, " {:>9.2}", millis(micros))?;
                }
            }
            None => write!(f, "{:40}", "")?,
        }
        let written = self.wal_bytes_per_unit.or(self.written_bytes_per_unit);
        write!(f, " {:>9}", written.map(|bytes| format!("{bytes:.0}")).unwrap_or_default())?;
        let cpu: f64 = self.cpu_seconds.values().sum();
        let each = (self.units > 0 && cpu > 0.0)
            .then(|| format!("{:.0}", cpu * 1e6 / self.seconds / self.per_second));
        write!(f, " {:>8} ", each.unwrap_or_default())?;
        for (limit, share) in &self.share_of {
            write!(f, " {limit} {:.1} %;", share * 100.0)?;
        }
        if let Some(seconds) = self.projections_behind_seconds {
            write!(f, " projections behind {seconds:.1} s;")?;
        }
        writeln!(f)
    }
}

impl Storage {
    fn rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nafter {}: {} entries, {:.0} bytes an entry, {:.0} of them the journal's",
            self.section, self.entries, self.bytes_per_entry, self.journal_bytes_per_entry
        )?;
        let mut tables: Vec<_> = self.table_bytes.iter().collect();
        tables.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        for (table, bytes) in tables.into_iter().take(TABLES_SHOWN) {
            writeln!(f, "  {table:<24} {bytes:>14} bytes")?;
        }
        Ok(())
    }
}
