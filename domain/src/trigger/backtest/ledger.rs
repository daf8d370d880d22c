//! Two versions of a rule side by side: what each says of each person and cause.

use std::collections::{BTreeMap, BTreeSet};

use proofs::hash::sha256;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::report::{Comparison, Example, Side};
use crate::trigger::Proposal;

/// What a version says of a person and a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It holds. Of each value, by its name, the beginning of its digest: enough to see that it changed.
    Holds(BTreeMap<String, u64>),
    /// It does not, for this reason.
    Not(String),
}

impl Outcome {
    pub(super) fn holds(proposal: &Proposal) -> Self {
        let mut values: BTreeMap<String, u64> =
            proposal.values.iter().map(|(name, value)| (name.clone(), digest(value))).collect();
        for (at, service) in proposal.prefilled.iter().enumerate() {
            let filled = service.iter().map(|(name, value)| (format!("services/{at}/{name}"), digest(value)));
            values.extend(filled);
        }
        Self::Holds(values)
    }
}

fn digest(value: &Value) -> u64 {
    let hash = sha256(value.to_string().as_bytes());
    hash.as_bytes()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    example: Example,
    before: Option<Outcome>,
    after: Option<Outcome>,
}

/// Everything that either version looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    rows: BTreeMap<String, Row>,
}

impl Ledger {
    /// What one of the two says: 0 is the version before.
    pub(super) fn note(&mut self, side: usize, key: String, example: Example, outcome: Outcome) {
        let row = self.rows.entry(key).or_insert_with(|| Row { example, before: None, after: None });
        let said = if side == 0 { &mut row.before } else { &mut row.after };
        // A cause comes once; should it come again, what held stays.
        if !matches!(said, Some(Outcome::Holds(_))) {
            *said = Some(outcome);
        }
    }

    pub(super) fn compare(&self, examples: usize) -> Comparison {
        let mut comparison = Comparison::default();
        let (mut gains, mut loses) = (BTreeSet::new(), BTreeSet::new());
        let (mut had, mut has) = (BTreeSet::new(), BTreeSet::new());
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by(|a, b| a.example.cmp(&b.example));
        for row in rows {
            let person = row.example.person;
            match (&row.before, &row.after) {
                (Some(Outcome::Holds(before)), Some(Outcome::Holds(after))) => {
                    had.insert(person);
                    has.insert(person);
                    comparison.kept(before, after);
                }
                (Some(Outcome::Holds(_)), after) => {
                    had.insert(person);
                    loses.insert(person);
                    let why = reason(after.as_ref(), "the new version does not look at it");
                    comparison.loses.add(&row.example, why, examples);
                }
                (before, Some(Outcome::Holds(_))) => {
                    has.insert(person);
                    gains.insert(person);
                    let why = reason(before.as_ref(), "the old version did not look at it");
                    comparison.gains.add(&row.example, why, examples);
                }
                _ => {}
            }
        }
        settle(&mut comparison.gains, &gains, &had);
        settle(&mut comparison.loses, &loses, &has);
        comparison
    }
}

fn reason<'o>(other: Option<&'o Outcome>, unseen: &'o str) -> &'o str {
    match other {
        Some(Outcome::Not(reason)) => reason,
        Some(Outcome::Holds(_)) | None => unseen,
    }
}

fn settle(side: &mut Side, people: &BTreeSet<Uuid>, on_the_other: &BTreeSet<Uuid>) {
    side.people = people.len() as u64;
    side.people_entirely = people.difference(on_the_other).count() as u64;
}
