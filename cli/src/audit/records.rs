//! What is checked record by record: its versions and steps, and which of its bodies are not shown, lawfully or not.
//!
//! Along a register only rows are gathered ([`Spill`]); records are judged when all of the register was seen, so that memory does
//! not grow with them.
//!
//! Whoever may see a register's bodies sees all of them: then one that is missing without an order was lost or hidden, and one
//! that is shown though an order names it was not removed. Both are faults.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZero;
use std::sync::Arc;

use domain::audit::{StepChecker, StepView};
use domain::definition::Visibility;
use domain::withholding;
use futures_util::{StreamExt, TryStreamExt, stream};
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::Trust;
use super::fetch::CouldNotCheck;
use super::register::Checked;
use super::report::{Fault, RegisterReport};
use super::spill::{Sealed, Spill};

/// Bytes of a usual row, with its record.
const ROW_BYTES: u64 = 66;
/// Partitions that are judged at once: each takes about twice its 1 MiB.
const AT_ONCE_MAX: usize = 4;

/// An entry whose body an order has taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// Leaf index.
    pub index: u64,
    /// Its record.
    pub record: Uuid,
    /// The version that it made.
    pub version: u64,
    /// Leaf index of the order.
    pub by: u64,
}

/// What was seen of an entry's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Entries of the register are not shown.
    Unasked,
    /// It is the one that was signed.
    Shown,
    /// It was not shown, or is another.
    Missing,
}

/// The records of a register.
pub struct Records {
    register: Slug,
    /// Was the register public at all times, or is it an archive's, so that all its bodies are to be seen?
    sees_all: bool,
    sees_some: bool,
    rows: Spill,
}

impl Records {
    /// Nothing seen yet of a register of so many entries. An archive shows all bodies, however confidential.
    pub fn new(trust: &Trust, register: &Slug, entries: u64, shows_all: bool) -> Self {
        let history = trust.definitions.history(register);
        // Bodies of a register that was not always public may be hidden by those who run it honestly.
        let public = history.iter().all(|one| one.definition.visibility == Visibility::Public);
        Self {
            register: register.clone(),
            sees_all: shows_all || (public && !history.is_empty()),
            sees_some: false,
            rows: Spill::new(entries, ROW_BYTES),
        }
    }

    /// Notes the next entry, and what an order says.
    pub fn note(&mut self, entry: &Checked, seen: Seen, body: Option<&Value>) -> io::Result<()> {
        self.sees_some |= seen == Seen::Shown;
        let record = entry.leaf.statement.statement().record;
        let order = is_order(&self.register, entry);
        self.rows.push(record, &Row::of(entry, seen, order).encode())?;
        let order = body.filter(|_| order);
        for version in order.map(withholding::versions).unwrap_or_default() {
            self.rows.push(record, &named(version))?;
        }
        Ok(())
    }

    /// The list of entries was not shown at all.
    pub fn refused(&self, report: &mut RegisterReport) {
        if self.sees_all {
            let detail = "the register is public, and its entries are not shown";
            report.fault(super::log_fault("listing", detail));
        }
    }

    /// Judges every record; called when the whole register was seen.
    pub async fn conclude(
        self,
        trust: &Arc<Trust>,
        report: &mut RegisterReport,
    ) -> Result<(), CouldNotCheck> {
        let sees = self.sees_all || self.sees_some;
        let at_once = std::thread::available_parallelism().map_or(1, NonZero::get).min(AT_ONCE_MAX);
        let judged = |sealed: Sealed| {
            let (trust, register) = (Arc::clone(trust), self.register.clone());
            async move {
                let judge = move || judge(sealed, &trust, &register, sees);
                let judged = tokio::task::spawn_blocking(judge).await;
                judged.map_err(io::Error::other).flatten().map_err(|error| CouldNotCheck::temporary(&error))
            }
        };
        let mut found = stream::iter(self.rows.finish()).map(judged).buffered(at_once);
        while let Some(part) = found.try_next().await? {
            let (missing, faults) = part.faults.into_iter().partition(|fault| fault.rule == MISSING);
            report.merge(RegisterReport { faults, ..part });
            // What is known to be wrong with an entry is not told again of its body.
            let missing: Vec<Fault> = missing;
            for fault in missing {
                if !report.tells(fault.index) {
                    report.fault(fault);
                }
            }
        }
        report.withheld.sort_unstable_by_key(|withheld| withheld.index);
        Ok(())
    }
}

/// The rule on bodies that are not shown.
const MISSING: &str = "body-missing";

/// Whether an entry of a register is of the type that withholds.
pub fn is_order(register: &Slug, entry: &Checked) -> bool {
    withholding::is_order(register.as_str(), entry.leaf.statement.statement().entry_type.as_str())
}

/// What is kept of an entry until its record is judged.
struct Row {
    index: u64,
    seen: Seen,
    order: bool,
    version: u64,
    recorded_at: Timestamp,
    issuer: Slug,
    entry_type: EntryType,
}

const ENTRY: u8 = 0;
const NAMED: u8 = 1;

impl Row {
    fn of(entry: &Checked, seen: Seen, order: bool) -> Self {
        let statement = entry.leaf.statement.statement();
        Self {
            index: entry.index,
            seen,
            order,
            version: statement.version,
            recorded_at: entry.leaf.recorded_at,
            issuer: statement.issuer.clone(),
            entry_type: statement.entry_type.clone(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let (issuer, entry_type) = (self.issuer.as_str(), self.entry_type.as_str());
        let mut row = Vec::with_capacity(29 + issuer.len() + entry_type.len());
        row.extend([ENTRY, self.seen as u8, u8::from(self.order)]);
        row.extend(self.index.to_le_bytes());
        row.extend(self.version.to_le_bytes());
        row.extend(self.recorded_at.millis().to_le_bytes());
        // Neither name has a space.
        row.extend_from_slice(issuer.as_bytes());
        row.push(b' ');
        row.extend_from_slice(entry_type.as_bytes());
        row
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let ([_, seen, order], rest) = row.split_first_chunk::<3>()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (recorded_at, names) = rest.split_first_chunk()?;
        let (issuer, entry_type) = std::str::from_utf8(names).ok()?.split_once(' ')?;
        Some(Self {
            index: u64::from_le_bytes(*index),
            seen: [Seen::Unasked, Seen::Shown, Seen::Missing].into_iter().find(|one| *one as u8 == *seen)?,
            order: *order == 1,
            version: u64::from_le_bytes(*version),
            recorded_at: Timestamp::from_millis(i64::from_le_bytes(*recorded_at)),
            issuer: issuer.parse().ok()?,
            entry_type: entry_type.parse().ok()?,
        })
    }
}

/// A version that the order before it names.
fn named(version: u64) -> Vec<u8> {
    let mut row = vec![NAMED];
    row.extend(version.to_le_bytes());
    row
}

/// Judges the records of a partition.
fn judge(sealed: Sealed, trust: &Trust, register: &Slug, sees: bool) -> io::Result<RegisterReport> {
    let mut report = RegisterReport::new(register.clone());
    for (record, rows) in sealed.read()?.records() {
        report.records += 1;
        let mut life = Life::new(record, register, trust);
        for row in rows {
            if let [NAMED, version @ ..] = row {
                let version = version.try_into().map_err(io::Error::other)?;
                life.order(u64::from_le_bytes(version), &mut report);
            } else {
                life.entry(Row::decode(row).ok_or(io::ErrorKind::InvalidData)?, &mut report);
            }
        }
        life.bodies(sees, &mut report);
    }
    Ok(report)
}

/// One record, from its first entry on.
struct Life<'t> {
    record: Uuid,
    register: &'t Slug,
    steps: StepChecker<'t>,
    entries: Vec<Row>,
    orders: BTreeSet<u64>,
    /// By version that an order names: the index of the first order that does.
    named: BTreeMap<u64, u64>,
}

impl<'t> Life<'t> {
    fn new(record: Uuid, register: &'t Slug, trust: &'t Trust) -> Self {
        let steps = StepChecker::new(&trust.definitions);
        let (entries, orders, named) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Self { record, register, steps, entries, orders, named }
    }

    fn fault(&self, report: &mut RegisterReport, index: u64, rule: &'static str, detail: String) {
        report.fault(Fault { index: Some(index), record: Some(self.record), rule, detail });
    }

    fn entry(&mut self, row: Row, report: &mut RegisterReport) {
        let step = StepView {
            register: self.register,
            record: self.record,
            version: row.version,
            entry_type: &row.entry_type,
            recorded_at: row.recorded_at,
            issuer: &row.issuer,
        };
        if let Err(broken) = self.steps.check(&step) {
            self.fault(report, row.index, broken.rule(), broken.to_string());
        }
        if row.order {
            self.orders.insert(row.version);
        }
        self.entries.push(row);
    }

    /// The last entry is an order that names this version.
    fn order(&mut self, named: u64, report: &mut RegisterReport) {
        let Some((index, version)) = self.entries.last().map(|order| (order.index, order.version)) else {
            return;
        };
        if named == 0 || named >= version || self.orders.contains(&named) {
            let detail = format!("it withholds version {named}, which no order can");
            self.fault(report, index, "order", detail);
        } else {
            self.named.entry(named).or_insert(index);
        }
    }

    /// Says what is withheld, and what is wrong.
    fn bodies(&self, sees: bool, report: &mut RegisterReport) {
        for row in &self.entries {
            match (row.seen, self.named.get(&row.version)) {
                (Seen::Missing, Some(by)) => {
                    let (index, record, version, by) = (row.index, self.record, row.version, *by);
                    report.withheld.push(Withheld { index, record, version, by });
                }
                (Seen::Missing, None) if sees => {
                    let detail = "the body is not shown, and no entry of type `withheld` names it";
                    self.fault(report, row.index, MISSING, detail.to_owned());
                }
                (Seen::Shown, Some(by)) => {
                    let detail = format!("the body is shown, though the order at index {by} withholds it");
                    self.fault(report, row.index, "withheld-served", detail);
                }
                _ => {}
            }
        }
    }
}
