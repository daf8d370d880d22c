//! One register's entries: who signed them, in what order, in which steps, and whether the bodies are theirs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domain::audit::{StepChecker, StepView};
use domain::departments::Departments;
use proofs::body::digest;
use proofs::leaf::Leaf;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::fetch::{CouldNotCheck, Served};
use super::log::{Log, walk};
use super::report::{Doubt, Fault, RegisterReport};
use super::source::Source;
use super::state::Pin;
use super::withheld::Bodies;
use super::{Outcome, Trust, head, log_fault};
use crate::progress::Bar;

/// Verifies one register to the end of its checkpoint.
pub async fn verify(
    fetch: &Source,
    mut log: Log,
    trust: &Trust,
    homes: &mut Homes,
    bar: &Bar,
) -> Result<Outcome, CouldNotCheck> {
    let mut report = RegisterReport::new(log.register.clone());
    for fault in log.faults.drain(..) {
        report.fault(fault);
    }
    let pin = head::check(&log, trust, &mut report);
    let mut entries = Entries::new(trust, homes, log.register.clone());
    let mut sees_bodies = true;
    let mut shown = Bodies::new(trust, &log.register, fetch.shows_all());
    walk(fetch, &log, &mut report, async |first, leaves, report| {
        let count = leaves.len() as u64;
        let leaves = parse(first, &leaves, report);
        check_signatures(&leaves, &trust.departments, report);
        note_doubts(&leaves, &trust.departments, report);
        for entry in &leaves {
            entries.along(entry, report);
        }
        if sees_bodies {
            if let Some(served) = fetch.entries(&log.register, first, count, report).await? {
                let bodies = check_bodies(&leaves, served, report);
                shown.note(&leaves, &bodies, report);
            } else {
                sees_bodies = false;
                shown.refused(report);
            }
        }
        report.entries += count;
        bar.add(count);
        Ok(())
    })
    .await?;
    report.records = entries.records();
    shown.conclude(&mut report);
    Ok(Outcome::of(report, pin))
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

/// The register in which each record began: a record lives in one register.
#[derive(Default)]
pub struct Homes(HashMap<Uuid, Slug>);

impl Homes {
    /// Notes where a record begins; gives the other register in which it began before.
    pub fn begin(&mut self, record: Uuid, register: &Slug) -> Option<&Slug> {
        match self.0.entry(record) {
            Entry::Vacant(vacant) => {
                vacant.insert(register.clone());
                None
            }
            Entry::Occupied(home) => Some(&*home.into_mut()).filter(|home| *home != register),
        }
    }
}

/// The checks that go along a register, entry by entry.
pub struct Entries<'a> {
    homes: &'a mut Homes,
    register: Slug,
    steps: StepChecker<'a>,
    recorded_at: Timestamp,
}

impl<'a> Entries<'a> {
    /// Nothing seen yet.
    pub fn new(trust: &'a Trust, homes: &'a mut Homes, register: Slug) -> Self {
        let steps = StepChecker::new(&trust.definitions);
        Self { homes, register, steps, recorded_at: Timestamp::MIN }
    }

    /// Records seen.
    pub fn records(&self) -> u64 {
        self.steps.records() as u64
    }

    /// Checks the next entry: its register, its time, its step.
    pub fn along(&mut self, entry: &Checked, report: &mut RegisterReport) {
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
        let step = StepView {
            register: &self.register,
            record: statement.record,
            version: statement.version,
            entry_type: &statement.entry_type,
            recorded_at,
            issuer: &statement.issuer,
        };
        if let Err(broken) = self.steps.check(&step) {
            fault(broken.rule(), broken.to_string());
        }
        if statement.version == 1
            && let Some(other) = self.homes.begin(statement.record, &self.register)
        {
            fault("one-register", format!("the record has entries in register {other} too"));
        }
    }
}

/// Each statement must be signed by a key of its issuer that was in force when it was recorded.
pub fn check_signatures(checked: &[Checked], departments: &Departments, report: &mut RegisterReport) {
    for Checked { index, leaf } in checked {
        let statement = leaf.statement.statement();
        let kid = leaf.statement.kid();
        let (rule, detail) = match departments.key_in_force(&statement.issuer, kid, leaf.recorded_at) {
            None => (
                "key-in-force",
                format!("{} had no key {kid} in force at {}", statement.issuer, leaf.recorded_at),
            ),
            Some(key) => match leaf.statement.verify(&key) {
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

/// The bodies served must be those that the statements name. Gives those that are.
pub fn check_bodies(
    leaves: &[Checked],
    served: Vec<Served>,
    report: &mut RegisterReport,
) -> HashMap<u64, Value> {
    if !served.is_sorted_by(|one, next| one.index < next.index) {
        report.fault(log_fault("listing", "the list of entries is not in order, or shows one twice"));
    }
    let served: HashMap<u64, Served> = served.into_iter().map(|served| (served.index, served)).collect();
    let mut bodies = HashMap::with_capacity(served.len());
    for Checked { index, leaf } in leaves {
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
        let canonical = proofs::jcs::parse(body.get().as_bytes())
            .and_then(|value| proofs::jcs::canonical(&value).map(|canonical| (value, canonical)));
        match canonical {
            Ok((value, canonical)) if digest(salt, &canonical) == statement.body => {
                report.bodies += 1;
                bodies.insert(*index, value);
            }
            Ok(_) => fault("digest", "the body served is not the one that was signed"),
            Err(_) => fault("digest", "the body served is not canonical JSON"),
        }
    }
    bodies
}
