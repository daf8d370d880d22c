//! One register's entries: who signed them, in what order, in which steps, and whether the bodies are theirs.

use std::collections::{HashMap, HashSet};

use domain::audit::StepChecker;
use proofs::body::digest;
use proofs::key::PublicKey;
use proofs::leaf::Leaf;
use proofs::slug::Slug;
use proofs::statement::{SignedStatement, verify_batch};
use proofs::time::Timestamp;
use uuid::Uuid;

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
        let leaves = entries.check(first, leaves, report);
        if sees_bodies {
            match fetch.entries(&log.register, first).await? {
                Some(served) => check_bodies(&leaves, served, report),
                None => sees_bodies = false,
            }
        }
        report.entries += count;
        bar.add(count);
        Ok(())
    })
    .await?;
    report.records = entries.records.len() as u64;
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
        Some(defined) if defined.key != head.key.to_string() => {
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

/// The checks that go along a register, entry by entry.
pub struct Entries<'a> {
    trust: &'a Trust,
    register: Slug,
    steps: StepChecker,
    recorded_at: Timestamp,
    /// Records seen.
    pub records: HashSet<Uuid>,
}

impl<'a> Entries<'a> {
    /// Nothing seen yet.
    pub fn new(trust: &'a Trust, register: Slug) -> Self {
        Self {
            trust,
            register,
            steps: StepChecker::default(),
            recorded_at: Timestamp::from_millis(i64::MIN),
            records: HashSet::new(),
        }
    }

    /// Checks a bundle of leaves: form, order, steps, signatures.
    pub fn check(&mut self, first: u64, leaves: Vec<Vec<u8>>, report: &mut RegisterReport) -> Vec<Checked> {
        let mut checked = Vec::with_capacity(leaves.len());
        for (bytes, index) in leaves.iter().zip(first..) {
            match Leaf::parse(bytes) {
                Ok(leaf) => {
                    self.along(index, &leaf, report);
                    checked.push(Checked { index, leaf });
                }
                Err(error) => {
                    report.fault(Fault { index: Some(index), record: None, rule: "leaf", detail: error.to_string() });
                }
            }
        }
        self.signatures(&checked, report);
        checked
    }

    fn along(&mut self, index: u64, leaf: &Leaf, report: &mut RegisterReport) {
        let statement = leaf.statement.statement();
        let mut fault = |rule, detail| {
            report.fault(Fault { index: Some(index), record: Some(statement.record), rule, detail });
        };
        if statement.register != self.register {
            fault("register", format!("the statement is of the register {}", statement.register));
        }
        if leaf.recorded_at < self.recorded_at {
            fault("recorded-order", format!("recorded at {}, before the entry that precedes it", leaf.recorded_at));
        }
        self.recorded_at = self.recorded_at.max(leaf.recorded_at);
        if let Err(broken) = self.steps.check(&self.trust.definitions, statement, leaf.recorded_at) {
            fault(broken.rule, broken.detail);
        }
        self.records.insert(statement.record);
    }

    fn signatures(&self, checked: &[Checked], report: &mut RegisterReport) {
        let mut signed: Vec<(u64, &SignedStatement, PublicKey)> = Vec::with_capacity(checked.len());
        for Checked { index, leaf } in checked {
            let statement = leaf.statement.statement();
            let kid = leaf.statement.kid();
            match self.trust.departments.key_in_force(&statement.issuer, kid, leaf.recorded_at) {
                Some(key) => signed.push((*index, &leaf.statement, key)),
                None => report.fault(Fault {
                    index: Some(*index),
                    record: Some(statement.record),
                    rule: "key-in-force",
                    detail: format!("{} had no key {kid} in force at {}", statement.issuer, leaf.recorded_at),
                }),
            }
        }
        let batch: Vec<_> = signed.iter().map(|(_, statement, key)| (*statement, *key)).collect();
        if verify_batch(&batch).is_ok() {
            return;
        }
        for (index, statement, key) in signed {
            if let Err(error) = statement.verify(&key) {
                report.fault(Fault {
                    index: Some(index),
                    record: Some(statement.statement().record),
                    rule: "statement-signature",
                    detail: error.to_string(),
                });
            }
        }
    }
}

/// The bodies served must be those that the statements name.
pub fn check_bodies(leaves: &[Checked], served: Vec<Served>, report: &mut RegisterReport) {
    let served: HashMap<u64, Served> = served.into_iter().map(|served| (served.index, served)).collect();
    for Checked { index, leaf } in leaves {
        let statement = leaf.statement.statement();
        let mut fault = |rule, detail: &str| {
            let detail = detail.to_owned();
            report.fault(Fault { index: Some(*index), record: Some(statement.record), rule, detail });
        };
        let Some(served) = served.get(index) else {
            fault("listing", "the entry is in the log, but not in the list of entries");
            continue;
        };
        if served.statement != leaf.statement.as_str() {
            fault("listing", "the list of entries shows another statement than the log holds");
        }
        let (Some(body), Some(salt)) = (&served.body, &served.salt) else { continue };
        let canonical =
            proofs::jcs::parse(body.get().as_bytes()).and_then(|body| proofs::jcs::canonical(&body));
        match canonical {
            Ok(canonical) if digest(salt, &canonical) == statement.body => report.bodies += 1,
            Ok(_) => fault("digest", "the body served is not the one that was signed"),
            Err(_) => fault("digest", "the body served is not canonical JSON"),
        }
    }
}
