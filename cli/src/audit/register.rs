//! One register's entries: who signed them, in what order, in which steps, and whether the bodies are theirs.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::departments::{Departments, KeyTerm};
use proofs::body::digest;
use proofs::jcs::JcsError;
use proofs::key::{Kid, PublicKey};
use proofs::leaf::Leaf;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::Value;

use super::fetch::{CouldNotCheck, Served};
use super::homes::Homes;
use super::log::{Asks, Bodies, Leaves, Log, walk};
use super::records::{Records, Seen, is_order};
use super::report::{Doubt, Fault, RegisterReport};
use super::source::Source;
use super::state::Pin;
use super::{Outcome, Trust, head, log_fault};
use crate::progress::Bar;

/// Verifies one register to the end of its checkpoint.
pub async fn verify(
    source: &Source,
    mut log: Log,
    trust: &Arc<Trust>,
    homes: &mut Homes,
    bar: &Bar,
) -> Result<Outcome, CouldNotCheck> {
    let mut report = RegisterReport::new(log.register.clone());
    for fault in log.faults.drain(..) {
        report.fault(fault);
    }
    let pin = head::check(&log, trust, &mut report);
    let mut along = Along::new(log.register.clone());
    let mut records = Records::new(trust, &log.register, log.size(), source.shows_all());
    let mut asks = Asks::Bodies;
    let work = {
        let (trust, register) = (Arc::clone(trust), log.register.clone());
        move |leaves| Part::of(leaves, &register, &trust)
    };
    walk(source, &log, &mut report, work, |part, report| {
        report.merge(part.report);
        if part.refused && asks == Asks::Bodies {
            asks = Asks::Nothing;
            records.refused(report);
        }
        for (entry, seen) in &part.entries {
            along.check(entry, report);
            records
                .note(entry, *seen, part.orders.get(&entry.index))
                .map_err(|e| CouldNotCheck::temporary(&e))?;
            homes.note(entry, &log.register).map_err(|error| CouldNotCheck::temporary(&error))?;
        }
        bar.add(part.count);
        Ok(asks)
    })
    .await?;
    records.conclude(trust, &mut report).await?;
    Ok(Outcome::of(report, pin))
}

/// What was found of a bundle by itself.
struct Part {
    count: u64,
    report: RegisterReport,
    entries: Vec<(Checked, Seen)>,
    /// Bodies of orders, by index.
    orders: HashMap<u64, Value>,
    refused: bool,
}

impl Part {
    fn of(leaves: Leaves, register: &Slug, trust: &Trust) -> Result<Self, CouldNotCheck> {
        let count = leaves.bytes.len() as u64;
        let mut report = RegisterReport::new(register.clone());
        report.entries = count;
        let entries = parse(leaves.first, &leaves.bytes, &mut report);
        check_signatures(&entries, &trust.departments, &mut report);
        note_doubts(&entries, &trust.departments, &mut report);
        let refused = matches!(leaves.bodies, Bodies::Refused);
        let Bodies::Shown(listing) = leaves.bodies else {
            let entries = entries.into_iter().map(|entry| (entry, Seen::Unasked)).collect();
            return Ok(Self { count, report, entries, orders: HashMap::new(), refused });
        };
        let served = listing.read(&mut report)?;
        let keeps = |entry: &Checked| is_order(register, entry);
        let bodies = check_bodies(&entries, served, keeps, &mut report);
        let entries = entries.into_iter().map(|entry| {
            let shown = bodies.shown.contains(&entry.index);
            (entry, if shown { Seen::Shown } else { Seen::Missing })
        });
        let entries = entries.collect();
        Ok(Self { count, report, entries, orders: bodies.kept, refused })
    }
}

impl Outcome {
    /// The outcome of a log whose verification is over.
    pub fn of(mut report: RegisterReport, pin: Option<Pin>) -> Self {
        if pin.is_none() && report.faults.is_empty() {
            report.fault(log_fault("checkpoint-signature", "no checkpoint could be verified"));
        }
        Self { report, pin }
    }
}

/// A leaf that parsed.
pub struct Checked {
    /// Leaf index.
    pub index: u64,
    /// What it holds.
    pub leaf: Leaf,
}

/// Parses a bundle of leaves: each must be in the one canonical form.
pub fn parse(first: u64, leaves: &[Vec<u8>], report: &mut RegisterReport) -> Vec<Checked> {
    let mut checked = Vec::with_capacity(leaves.len());
    for (bytes, index) in leaves.iter().zip(first..) {
        match Leaf::parse(bytes) {
            Ok(leaf) => checked.push(Checked { index, leaf }),
            Err(error) => {
                report.fault(Fault {
                    index: Some(index),
                    record: None,
                    rule: "leaf",
                    detail: error.to_string(),
                });
            }
        }
    }
    checked
}

/// The checks that go along a register, entry by entry.
pub struct Along {
    register: Slug,
    recorded_at: Timestamp,
}

impl Along {
    /// Nothing seen yet.
    pub fn new(register: Slug) -> Self {
        Self { register, recorded_at: Timestamp::MIN }
    }

    /// Checks the next entry: its register, and its time.
    pub fn check(&mut self, entry: &Checked, report: &mut RegisterReport) {
        let statement = entry.leaf.statement.statement();
        let recorded_at = entry.leaf.recorded_at;
        let mut fault = |rule, detail| {
            report.fault(Fault { index: Some(entry.index), record: Some(statement.record), rule, detail });
        };
        if statement.register != self.register {
            fault("register", format!("the statement is of the register {}", statement.register));
        }
        if recorded_at < self.recorded_at {
            fault("recorded-order", format!("recorded at {recorded_at}, before the entry that precedes it"));
        }
        self.recorded_at = self.recorded_at.max(recorded_at);
    }
}

/// Each statement must be signed by a key of its issuer that was in force when it was recorded.
pub fn check_signatures(checked: &[Checked], departments: &Departments, report: &mut RegisterReport) {
    // To read a key costs a tenth of a signature's check, and a bundle has few.
    let mut keys: HashMap<(&Slug, &Kid), Option<(&KeyTerm, PublicKey)>> = HashMap::new();
    for Checked { index, leaf } in checked {
        let statement = leaf.statement.statement();
        let kid = leaf.statement.kid();
        let key = *keys.entry((&statement.issuer, kid)).or_insert_with(|| {
            let term = departments.get(&statement.issuer)?.key(kid)?;
            Some((term, term.public_key()?))
        });
        let (rule, detail) = match key.filter(|(term, _)| term.in_force(leaf.recorded_at)) {
            None => (
                "key-in-force",
                format!("{} had no key {kid} in force at {}", statement.issuer, leaf.recorded_at),
            ),
            Some((_, key)) => match leaf.statement.verify(&key) {
                Ok(()) => continue,
                Err(error) => ("statement-signature", error.to_string()),
            },
        };
        report.fault(Fault { index: Some(*index), record: Some(statement.record), rule, detail });
    }
}

/// Names the statements of keys in force that were declared compromised later, since a time before the statements.
pub fn note_doubts(leaves: &[Checked], departments: &Departments, report: &mut RegisterReport) {
    for Checked { index, leaf } in leaves {
        let (statement, kid, at) = (leaf.statement.statement(), leaf.statement.kid(), leaf.recorded_at);
        let key = departments.get(&statement.issuer).and_then(|department| department.key(kid));
        if let Some(since) = key.filter(|key| key.in_force(at)).and_then(|key| key.doubtful(at)) {
            report.doubt(Doubt { index: *index, record: statement.record, kid: kid.clone(), since });
        }
    }
}

/// Bodies that are those that were signed.
#[derive(Default)]
pub struct Checks {
    /// Of which entries.
    pub shown: HashSet<u64>,
    /// Those that were to be kept.
    pub kept: HashMap<u64, Value>,
}

/// The bodies served must be those that the statements name. Keeps those that `keeps` asks for.
pub fn check_bodies(
    leaves: &[Checked],
    served: Vec<Served>,
    keeps: impl Fn(&Checked) -> bool,
    report: &mut RegisterReport,
) -> Checks {
    if !served.is_sorted_by(|one, next| one.index < next.index) {
        report.fault(log_fault("listing", "the list of entries is not in order, or shows one twice"));
    }
    let served: HashMap<u64, Served> = served.into_iter().map(|served| (served.index, served)).collect();
    let mut checks = Checks::default();
    for entry @ Checked { index, leaf } in leaves {
        let statement = leaf.statement.statement();
        let mut fault = |rule, detail: &str| {
            let detail = detail.to_owned();
            report.fault(Fault { index: Some(*index), record: Some(statement.record), rule, detail });
        };
        let Some(served) = served.get(index) else {
            fault(
                "listing",
                "the entry is in the log, but the server does not show it in the list of entries",
            );
            continue;
        };
        if served.statement.as_deref().is_some_and(|shown| shown != leaf.statement.as_str()) {
            fault("listing", "the list of entries shows another statement than the log holds");
        }
        if served.recorded_at.as_ref().is_some_and(|listed| *listed != leaf.recorded_at.to_string()) {
            fault("listing", "the list of entries shows another time of recording than the log holds");
        }
        let (body, salt) = match (&served.body, &served.salt) {
            (Some(body), Some(salt)) => (body, salt),
            (None, None) => continue,
            _ => {
                fault("digest", "body and salt go together: one without the other proves nothing");
                continue;
            }
        };
        let kept = keeps(entry);
        match read_body(body, served.canonical, kept) {
            Ok((canonical, value)) if digest(salt, &canonical) == statement.body => {
                report.bodies += 1;
                checks.shown.insert(*index);
                checks.kept.extend(value.map(|value| (*index, value)));
            }
            Ok(_) => fault("digest", "the body served is not the one that was signed"),
            Err(_) => fault("digest", "the body served is not canonical JSON"),
        }
    }
    checks
}

/// A body in canonical form, and what it says where that is asked for.
fn read_body(text: &str, canonical: bool, kept: bool) -> Result<(Cow<'_, [u8]>, Option<Value>), JcsError> {
    if !kept && (canonical || proofs::jcs::is_canonical(text)) {
        return Ok((Cow::Borrowed(text.as_bytes()), None));
    }
    let value = proofs::jcs::parse(text.as_bytes())?;
    Ok((Cow::Owned(proofs::jcs::canonical(&value)?), Some(value).filter(|_| kept)))
}
