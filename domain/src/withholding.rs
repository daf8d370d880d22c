//! Withholding: what an entry of type `withheld` says, and what a record knows of those that it has (`docs/format.md`).
//!
//! The engine gives every register this type, from any status and changing none, also to one that is closed: a court's order
//! does not wait for a definition. Four registers have it not, because others are read by what their bodies say: without them
//! no statement could be checked, no rule evaluated, no projection made again. None of them tells of a person's affairs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::Fault;
use crate::platform::{DEPARTMENTS, INTERVENTIONS, REGISTERS, TRIGGERS};

/// The type of an entry by which bodies of its record are withheld. No definition may declare it.
pub const WITHHELD: &str = "withheld";
/// The registers whose bodies stay.
pub const KEPT: [&str; 4] = [DEPARTMENTS, REGISTERS, TRIGGERS, INTERVENTIONS];
/// Versions that one order names at most: what an append takes as one list.
pub const VERSIONS_MAX: u64 = 1_000;

/// Is an entry of this type in this register an order that bodies be withheld?
pub fn is_order(register: &str, entry_type: &str) -> bool {
    entry_type == WITHHELD && !KEPT.contains(&register)
}

/// The versions that the body of an order names.
pub fn versions(body: &Value) -> Vec<u64> {
    let named = body.get("versions").and_then(Value::as_array);
    named.into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// The orders of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withholding {
    /// The version whose body was withheld, and that of the order.
    by: BTreeMap<u64, u64>,
    /// Versions that are orders.
    orders: BTreeSet<u64>,
}

impl Withholding {
    /// Takes in an entry that is an order.
    pub fn step(&mut self, version: u64, body: Option<&Value>) {
        self.orders.insert(version);
        for named in body.map(versions).unwrap_or_default() {
            self.by.entry(named).or_insert(version);
        }
    }

    /// The version of the order that withholds a version's body; nothing when none does.
    pub fn by(&self, version: u64) -> Option<u64> {
        self.by.get(&version).copied()
    }

    /// All that are withheld, each with its order, in the order of versions.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.by.iter().map(|(version, order)| (*version, *order))
    }

    /// What is wrong with the versions that the next order, after `latest`, names. Its form has been checked.
    pub(crate) fn check(&self, latest: u64, body: &Value, faults: &mut Vec<Fault>) {
        let mut before = 0;
        for (at, version) in versions(body).into_iter().enumerate() {
            let message = if version <= before {
                Some("versions ascend, and none stands twice".to_owned())
            } else if version > latest {
                Some(format!("must name an earlier version of this record: 1 to {latest}"))
            } else if self.orders.contains(&version) {
                Some("is an order itself: by its body anyone knows what is lawfully missing".to_owned())
            } else {
                self.by(version).map(|order| format!("is withheld already, by version {order}"))
            };
            faults.extend(message.map(|message| Fault::new(format!("/versions/{at}"), message)));
            before = before.max(version);
        }
    }
}

#[cfg(test)]
mod tests;
