//! A rule as an aggregate: a record of `triggers`, and what must hold of its text.

use serde::{Deserialize, Serialize};

use super::compile::CompiledRule;
use crate::fault::{self, Fault};
use crate::record::{Proposed, Reason, Record, RecordError, RecordEvent};

/// Why an entry about a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// The rule has faults. All of them, sorted by place.
    #[error("the rule has faults: {}", fault::list(faults))]
    Rule {
        /// What is wrong; pointers are into the body.
        faults: Vec<Fault>,
    },
    /// The body's `slug` is not the rule's.
    #[error("`slug` must be the slug of the rule")]
    Slug,
    /// The rule was published under another name.
    #[error("`slug` must stay the one that the rule was published with")]
    Renamed,
}

impl TriggerError {
    /// Whose fault it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Rule { .. } | Self::Slug => Reason::Invalid,
            Self::Renamed => Reason::Conflict,
        }
    }

    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rule { .. } => "rule-invalid",
            Self::Slug => "rule-slug",
            Self::Renamed => "rule-change",
        }
    }

    /// What is wrong, with pointers into the body.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Rule { faults } => faults.clone(),
            Self::Slug | Self::Renamed => vec![Fault::new("/slug", self.to_string())],
        }
    }
}

/// A rule as of the last entry about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Trigger {
    /// What it is as a record.
    pub record: Record,
}

impl Trigger {
    /// Decides on a proposed entry.
    pub fn decide(&self, proposed: &Proposed) -> Result<RecordEvent, RecordError> {
        let event = self.record.decide(proposed)?;
        self.check(proposed)?;
        Ok(event)
    }

    /// The rules beyond those of any record. The body has passed its schema.
    fn check(&self, proposed: &Proposed) -> Result<(), TriggerError> {
        if !matches!(proposed.entry_type.as_str(), "published" | "changed") {
            return Ok(());
        }
        let body = &proposed.body;
        let compiled = CompiledRule::compile(&body["rule"]).map_err(|faults| TriggerError::Rule {
            faults: faults.into_iter().map(|fault| fault.under("/rule")).collect(),
        })?;
        if body["slug"] != compiled.rule().slug.as_str() {
            return Err(TriggerError::Slug);
        }
        let before = self.record.content.members.get("slug");
        if before.is_some_and(|before| *before != body["slug"]) {
            return Err(TriggerError::Renamed);
        }
        Ok(())
    }

    /// Takes one event in.
    pub fn step(&mut self, event: &RecordEvent) {
        self.record.step(event);
    }
}
