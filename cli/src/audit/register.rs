//! One register's entries: who signed them, in what order, in which steps, and whether the bodies are theirs.

use std::collections::HashMap;

use domain::audit::{StepChecker, StepView};
use domain::departments::Departments;
use proofs::body::digest;
use proofs::leaf::Leaf;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::Value;

use super::fetch::{CouldNotCheck, Fetch, Served};
use super::log::{Log, walk};
use super::report::{Fault, RegisterReport};
use super::{Outcome, Trust, log_fault};
use crate::progress::Bar;

/// Verifies one register to the end of its checkpoint.
pub async fn verify(fetch: &Fetch, mut log: Log, trust: &Trust, bar: &Bar) -> Result<Outcome, CouldNotCheck> {
    let mut report = RegisterReport::new(log.register.clone());
    for fault in log.faults.drain(..) {
        report.fault(fault);
    }
    check_key(&log, trust, &mut report);
    let mut entries = Entries::new(trust, log.register.clone());
    let mut sees_bodies = true;
    walk(fetch, &log, &mut report, async |first, leaves, report| {
        let count = leaves.len() as u64;
        let leaves = parse(first, &leaves, report);
        check_signatures(&leaves, &trust.departments, report);
        for entry in &leaves {
            entries.along(entry, report);
        }
        if sees_bodies {
            match fetch.entries(&log.register, first, count).await? {
                Some(served) => drop(check_bodies(&leaves, served, report)),
                None => sees_bodies = false,
            }
        }
        report.entries += count;
        bar.add(count);
        Ok(())
    })
    .await?;
    report.records = entries.records();
    Ok(Outcome::of(report, log))
}

impl Outcome {
    /// The outcome of a log whose verification is over.
    pub fn of(mut report: RegisterReport, log: Log) -> Self {
        let pin = log.head.or(log.kept);
        if pin.is_none() && report.faults.is_empty() {
            report.fault(log_fault("checkpoint-signature", "no checkpoint could be verified"));
        }
        Self { report, pin }
    }
}

/// The key that signs the checkpoint must be the one that the register's definition names.
pub fn check_key(log: &Log, trust: &Trust, report: &mut RegisterReport) {
    let Some(head) = &log.head else { return };
    match trust.definitions.current(&log.register) {
        None => report.fault(log_fault("definition", "no entry of `registers` defines this register")),
        Some(defined) if defined.key != head.key => {
            let detail = "the key that signs its checkpoint is not the one its definition names";
            report.fault(log_fault("checkpoint-key", detail));
        }
        Some(_) => {}
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
pub struct Entries<'a> {
    register: Slug,
    steps: StepChecker<'a>,
    recorded_at: Timestamp,
}

impl<'a> Entries<'a> {
    /// Nothing seen yet.
    pub fn new(trust: &'a Trust, register: Slug) -> Self {
        Self { register, steps: StepChecker::new(&trust.definitions), recorded_at: Timestamp::MIN }
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

/// The bodies served must be those that the statements name. Gives those that are.
pub fn check_bodies(
    leaves: &[Checked],
    served: Vec<Served>,
    report: &mut RegisterReport,
) -> HashMap<u64, Value> {
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
        if served.statement != leaf.statement.as_str() {
            fault("listing", "the list of entries shows another statement than the log holds");
        }
        let (Some(body), Some(salt)) = (&served.body, &served.salt) else { continue };
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
