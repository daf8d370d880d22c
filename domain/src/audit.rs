//! The auditor's check of a record's steps: what anyone can check from statements and definitions alone.
//!
//! An auditor sees when an entry was recorded, to the millisecond, but not its position among the entries of other registers.
//! Where several definitions were in force within that millisecond, a step is right if it is right under any of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use uuid::Uuid;

use crate::definitions::{Definitions, InForce};
use crate::withholding;

/// What a statement and its leaf say of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// The register.
    pub register: &'a Slug,
    /// The record.
    pub record: Uuid,
    /// The version that the entry makes.
    pub version: u64,
    /// Its type.
    pub entry_type: &'a EntryType,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The department that signed it.
    pub issuer: &'a Slug,
}

/// What is wrong with a step. [`StepFault::rule`] names it in reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepFault {
    /// No definition of the register was in force.
    #[error("no definition of register {register} was in force when the entry was recorded")]
    NoDefinition {
        /// The register.
        register: Slug,
    },
    /// The record has entries in another register.
    #[error("the record has entries in register {other} too")]
    OtherRegister {
        /// The other register.
        other: Slug,
    },
    /// A version is missing, or stands twice.
    #[error("version {expected} of the record was to come, and version {found} came")]
    VersionGap {
        /// The version that was to come.
        expected: u64,
        /// The version that came.
        found: u64,
    },
    /// The issuer did not own the register.
    #[error("{issuer} did not own the register when the entry was recorded")]
    Issuer {
        /// The department that signed.
        issuer: Slug,
    },
    /// The register was closed.
    #[error("the register was closed when the entry was recorded")]
    Closed,
    /// No definition in force then has the type.
    #[error("the definition in force then has no entry type `{entry_type}`")]
    UnknownType {
        /// The type.
        entry_type: EntryType,
    },
    /// The type may not follow the record's status.
    #[error("`{entry_type}` may not follow the status {}", statuses(from))]
    Status {
        /// The type.
        entry_type: EntryType,
        /// The statuses that the record may have been in; none when it had no entry yet.
        from: BTreeSet<String>,
    },
}

impl StepFault {
    /// A stable name of the rule that is broken.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NoDefinition { .. } => "definition-in-force",
            Self::OtherRegister { .. } => "one-register",
            Self::VersionGap { .. } => "version-without-gaps",
            Self::Issuer { .. } => "issuer-owns-register",
            Self::Closed => "register-open",
            Self::UnknownType { .. } => "type-known",
            Self::Status { .. } => "status-step",
        }
    }
}

fn statuses(statuses: &BTreeSet<String>) -> String {
    if statuses.is_empty() {
        return "of a record that does not exist yet".to_owned();
    }
    statuses.iter().map(|status| format!("`{status}`")).collect::<Vec<_>>().join(" or ")
}

/// Follows records through the entries of a register (or of several), in the order of leaf indexes.
#[derive(Debug)]
pub struct StepChecker<'d> {
    definitions: &'d Definitions,
    records: HashMap<Uuid, Seen>,
}

#[derive(Debug, Clone)]
struct Seen {
    register: Slug,
    version: u64,
    /// One status, save where the definition changed within the millisecond of a step.
    statuses: BTreeSet<String>,
}

impl<'d> StepChecker<'d> {
    /// A checker that has seen no entry.
    pub fn new(definitions: &'d Definitions) -> Self {
        Self { definitions, records: HashMap::new() }
    }

    /// Checks one entry. After a fault the record is taken as the entry says, so that one fault is reported once.
    pub fn check(&mut self, entry: &StepView<'_>) -> Result<(), StepFault> {
        let in_force = self.definitions.at_time(entry.register, entry.recorded_at);
        let seen = self.records.get(&entry.record);
        let statuses = after(&in_force, seen, entry);
        let result = verdict(&in_force, seen, entry, &statuses);
        let statuses = if statuses.is_empty() { anyhow(&in_force, seen, entry) } else { statuses };
        let register = entry.register.clone();
        self.records.insert(entry.record, Seen { register, version: entry.version, statuses });
        result
    }

    /// The statuses that a record may be in after what was checked: one, save at a change of definition.
    pub fn statuses(&self, record: Uuid) -> impl Iterator<Item = &str> {
        self.records.get(&record).into_iter().flat_map(|seen| seen.statuses.iter().map(String::as_str))
    }

    /// The number of records seen.
    pub fn records(&self) -> usize {
        self.records.len()
    }
}

fn verdict(
    in_force: &[Arc<InForce>],
    seen: Option<&Seen>,
    entry: &StepView<'_>,
    after: &BTreeSet<String>,
) -> Result<(), StepFault> {
    if in_force.is_empty() {
        return Err(StepFault::NoDefinition { register: entry.register.clone() });
    }
    if let Some(other) = seen.map(|seen| &seen.register).filter(|register| *register != entry.register) {
        return Err(StepFault::OtherRegister { other: other.clone() });
    }
    let expected = seen.map_or(0, |seen| seen.version).saturating_add(1);
    if entry.version != expected {
        return Err(StepFault::VersionGap { expected, found: entry.version });
    }
    if in_force.iter().all(|in_force| in_force.definition.owner != *entry.issuer) {
        return Err(StepFault::Issuer { issuer: entry.issuer.clone() });
    }
    if in_force.iter().all(|in_force| in_force.closed) && !is_order(entry) {
        return Err(StepFault::Closed);
    }
    let entry_type = entry.entry_type.clone();
    if in_force.iter().all(|in_force| in_force.definition.entry_type(entry_type.as_str()).is_none()) {
        return Err(StepFault::UnknownType { entry_type });
    }
    if after.is_empty() {
        let from = seen.map(|seen| seen.statuses.clone()).unwrap_or_default();
        return Err(StepFault::Status { entry_type, from });
    }
    Ok(())
}

/// A closed register takes orders all the same.
fn is_order(entry: &StepView<'_>) -> bool {
    withholding::is_order(entry.register.as_str(), entry.entry_type.as_str())
}

/// The statuses that an allowed step can lead to.
fn after(in_force: &[Arc<InForce>], seen: Option<&Seen>, entry: &StepView<'_>) -> BTreeSet<String> {
    let open = |in_force: &InForce| !in_force.closed || is_order(entry);
    let rules =
        in_force.iter().filter(|in_force| open(in_force) && in_force.definition.owner == *entry.issuer);
    let mut after = BTreeSet::new();
    for rule in rules.filter_map(|in_force| in_force.definition.entry_type(entry.entry_type.as_str())) {
        match seen {
            None if rule.from.is_none() => after.extend(rule.to.clone()),
            None => {}
            Some(seen) => {
                let from = seen.statuses.iter().filter(|status| rule.follows(status));
                after.extend(from.map(|status| rule.to.clone().unwrap_or_else(|| status.clone())));
            }
        }
    }
    after
}

/// The statuses that the step would lead to if it were allowed.
fn anyhow(in_force: &[Arc<InForce>], seen: Option<&Seen>, entry: &StepView<'_>) -> BTreeSet<String> {
    let rules =
        in_force.iter().filter_map(|in_force| in_force.definition.entry_type(entry.entry_type.as_str()));
    let led_to: BTreeSet<String> = rules.filter_map(|rule| rule.to.clone()).collect();
    if led_to.is_empty() { seen.map(|seen| seen.statuses.clone()).unwrap_or_default() } else { led_to }
}

#[cfg(test)]
mod tests;
