//! What a backtest found.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::trigger::Cause;

/// What a backtest found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The first day on which causes counted.
    pub from: Option<NaiveDate>,
    /// The last.
    pub to: NaiveDate,
    /// How many entries were taken in.
    pub entries: u64,
    /// The position of the last of them.
    pub position: u64,
    /// The rule; or the version before, and the one after.
    pub rules: Vec<RuleReport>,
    /// What changed between the two.
    pub comparison: Option<Comparison>,
}

/// What one rule would have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// The rule.
    pub slug: Slug,
    /// Entries and dates that made it look.
    pub causes: u64,
    /// People whom it looked at, once for each cause.
    pub evaluated: u64,
    /// Proposals.
    pub proposals: u64,
    /// People to whom.
    pub people: u64,
    /// Proposals by month.
    pub by_month: BTreeMap<String, u64>,
    /// Proposals by the person's region at the time.
    pub by_region: BTreeMap<String, u64>,
    /// Why causes did not count.
    pub unfit: BTreeMap<String, u64>,
    /// Which condition failed how often.
    pub failed: BTreeMap<String, u64>,
    /// What could not be evaluated.
    pub errors: BTreeMap<String, u64>,
    /// The first proposals.
    pub examples: Vec<Example>,
}

impl RuleReport {
    pub(super) fn new(slug: &Slug) -> Self {
        Self {
            slug: slug.clone(),
            causes: 0,
            evaluated: 0,
            proposals: 0,
            people: 0,
            by_month: BTreeMap::new(),
            by_region: BTreeMap::new(),
            unfit: BTreeMap::new(),
            failed: BTreeMap::new(),
            errors: BTreeMap::new(),
            examples: Vec::new(),
        }
    }
}

/// A person and a cause, by their records; no names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Example {
    /// The day.
    pub day: NaiveDate,
    /// The person: the record in `persons`.
    pub person: Uuid,
    /// The register of the cause.
    pub register: Slug,
    /// The record of the cause.
    pub record: Uuid,
    /// The version that caused it; of a date, the version at that time.
    pub version: u64,
    /// Why, in a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Example {
    pub(super) fn of(cause: &Cause, person: Uuid, day: NaiveDate, why: Option<String>) -> Self {
        let record = cause.record();
        let (register, record, version) = (record.register.clone(), record.record, record.version);
        Self { day, person, register, record, version, why }
    }
}

/// Two versions of a rule compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Proposals of both versions, with the same values.
    pub same: u64,
    /// Proposals of both versions, with other values.
    pub changed: u64,
    /// Of these, which values changed how often.
    pub changed_values: BTreeMap<String, u64>,
    /// What only the new version proposes.
    pub gains: Side,
    /// What only the old version proposed.
    pub loses: Side,
}

/// What only one of two versions proposes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Proposals.
    pub proposals: u64,
    /// People to whom.
    pub people: u64,
    /// Of these, people to whom the other version proposes nothing at all.
    pub people_entirely: u64,
    /// Why the other version does not propose it.
    pub why: BTreeMap<String, u64>,
    /// The first of them.
    pub examples: Vec<Example>,
}

impl Side {
    pub(super) fn add(&mut self, example: &Example, why: &str, examples: usize) {
        self.proposals += 1;
        *self.why.entry(why.to_owned()).or_default() += 1;
        if self.examples.len() < examples {
            self.examples.push(Example { why: Some(why.to_owned()), ..example.clone() });
        }
    }
}

impl Comparison {
    /// A proposal of both versions.
    pub(super) fn kept(&mut self, before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) {
        if before == after {
            self.same += 1;
            return;
        }
        self.changed += 1;
        for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
            if before.get(name) != after.get(name) {
                *self.changed_values.entry(name.clone()).or_default() += 1;
            }
        }
    }
}
