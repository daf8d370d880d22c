//! Bodies that are not shown: lawfully, where an order of the same record names them, or not.
//!
//! Whoever may see a register's bodies sees all of them: then one that is missing without an order was lost or hidden, and one
//! that is shown though an order names it was not removed. Both are faults.

use std::collections::{HashMap, HashSet};

use domain::definition::Visibility;
use domain::withholding;
use proofs::slug::Slug;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::register::Checked;
use super::report::{Fault, RegisterReport};
use super::{Trust, log_fault};

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

/// A version of a record.
type Version = (Uuid, u64);

/// What is shown and what is not, along one register.
pub struct Bodies {
    register: Slug,
    /// Was the register public at all times, or is it an archive's, so that all its bodies are to be seen?
    public: bool,
    shown: HashMap<Version, u64>,
    missing: Vec<(u64, Version)>,
    /// By what an order names: the order's index.
    named: HashMap<Version, u64>,
    orders: HashSet<Version>,
}

impl Bodies {
    /// Nothing seen yet. An archive shows all bodies, however confidential.
    pub fn new(trust: &Trust, register: &Slug, shows_all: bool) -> Self {
        let history = trust.definitions.history(register);
        // Bodies of a register that was not always public may be hidden by those who run it honestly.
        let public = history.iter().all(|one| one.definition.visibility == Visibility::Public);
        Self {
            register: register.clone(),
            public: shows_all || (public && !history.is_empty()),
            shown: HashMap::new(),
            missing: Vec::new(),
            named: HashMap::new(),
            orders: HashSet::new(),
        }
    }

    /// Notes some entries, and the bodies that were shown of them and are what was signed.
    pub fn note(&mut self, leaves: &[Checked], bodies: &HashMap<u64, Value>, report: &mut RegisterReport) {
        for Checked { index, leaf } in leaves {
            let statement = leaf.statement.statement();
            let version = (statement.record, statement.version);
            let is_order = withholding::is_order(self.register.as_str(), statement.entry_type.as_str());
            if is_order {
                self.orders.insert(version);
            }
            let Some(body) = bodies.get(index) else {
                self.missing.push((*index, version));
                continue;
            };
            self.shown.insert(version, *index);
            if is_order {
                self.order(*index, version, body, report);
            }
        }
    }

    fn order(&mut self, index: u64, (record, version): Version, body: &Value, report: &mut RegisterReport) {
        for named in withholding::versions(body) {
            if named == 0 || named >= version || self.orders.contains(&(record, named)) {
                let detail = format!("it withholds version {named}, which no order can");
                report.fault(Fault { index: Some(index), record: Some(record), rule: "order", detail });
                continue;
            }
            self.named.entry((record, named)).or_insert(index);
        }
    }

    /// The list of entries was not shown at all.
    pub fn refused(&self, report: &mut RegisterReport) {
        if self.public {
            report.fault(log_fault("listing", "the register is public, and its entries are not shown"));
        }
    }

    /// Says what is withheld, and what is wrong; called when the whole register was seen.
    pub fn conclude(self, report: &mut RegisterReport) {
        let told: HashSet<u64> = report.faults.iter().filter_map(|fault| fault.index).collect();
        let fault = |report: &mut RegisterReport, index, record, rule, detail: String| {
            report.fault(Fault { index: Some(index), record: Some(record), rule, detail });
        };
        let sees = self.public || !self.shown.is_empty();
        for (index, (record, version)) in self.missing {
            match self.named.get(&(record, version)) {
                Some(by) => report.withheld.push(Withheld { index, record, version, by: *by }),
                None if sees && !told.contains(&index) => {
                    let detail = "the body is not shown, and no entry of type `withheld` names it";
                    fault(report, index, record, "body-missing", detail.to_owned());
                }
                None => {}
            }
        }
        let mut served: Vec<_> = self
            .named
            .iter()
            .filter_map(|(named, by)| Some((*self.shown.get(named)?, named.0, *by)))
            .collect();
        served.sort_unstable();
        for (index, record, by) in served {
            let detail = format!("the body is shown, though the order at index {by} withholds it");
            fault(report, index, record, "withheld-served", detail);
        }
    }
}
