//! A record: what an official may append to it, and what its entries make of it.

mod aggregate;
mod body;
mod command;
mod error;
mod event;

use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::facts::{Change, RecordState, Step};
pub use command::{Proposed, RecordCommand};
pub use error::{Reason, RecordError};
pub use event::{RecordEvent, resolve};

pub(crate) use aggregate::aggregate;

use crate::content::Content;
use crate::definition::TypeRule;
use crate::facts;
use crate::withholding::{self, Withholding};

/// Earliest legal effect: 1900-01-01. Nothing older is kept in the registers of the present state of affairs, and an earlier
/// date is almost always a typing error.
pub const EFFECTIVE_MIN: Timestamp = Timestamp::from_millis(-2_208_988_800_000);
/// Latest legal effect, counted from now: 10 years (of 365.25 days). Decisions are made for the near future.
pub const EFFECTIVE_AHEAD_MAX_MILLIS: i64 = 315_576_000_000;

/// A record as of its last entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Status, number, term, subjects.
    pub state: RecordState,
    /// What its entries' bodies say.
    pub content: Content,
    /// Which of them are withheld, and by which of its entries.
    #[serde(default)]
    pub withholding: Withholding,
}

impl Record {
    /// Decides on a proposed entry: the event, or the first rule that it breaks (of its body's faults, all).
    ///
    /// The order of the checks is the order in which a caller would want to learn: whose register it is, whether the caller
    /// has seen the last entry, whether the step is allowed, and only then the body.
    pub fn decide(&self, proposed: &Proposed) -> Result<RecordEvent, RecordError> {
        let definition = &proposed.definition.definition;
        let state = &self.state;
        if state.register.as_ref().is_some_and(|register| *register != definition.slug) {
            return Err(RecordError::OtherRegister {
                register: definition.slug.clone(),
                record: proposed.record,
            });
        }
        if proposed.issuer != definition.owner {
            return Err(RecordError::ForeignRegister {
                register: definition.slug.clone(),
                owner: definition.owner.clone(),
                issuer: proposed.issuer.clone(),
            });
        }
        let is_order = withholding::is_order(definition.slug.as_str(), proposed.entry_type.as_str());
        if proposed.definition.closed && !is_order {
            return Err(RecordError::Closed { register: definition.slug.clone() });
        }
        let next = state.version + 1;
        if let Some(version) = proposed.version.filter(|version| *version != next) {
            return Err(RecordError::Version { record: proposed.record, next, proposed: version });
        }
        let rule = self.allowed(proposed)?;
        effective(proposed)?;
        let step = Step::of(definition, rule);
        body::check(self, definition, rule, &step, &proposed.body)?;
        Ok(RecordEvent {
            register: definition.slug.clone(),
            record: proposed.record,
            version: next,
            entry_type: proposed.entry_type.clone(),
            effective_at: proposed.effective_at,
            recorded_at: proposed.now,
            issuer: proposed.issuer.clone(),
            position: 0,
            body: Some(proposed.body.clone()),
            step,
        })
    }

    /// The type's rule, when the type exists and may follow the record's status.
    fn allowed<'p>(&self, proposed: &'p Proposed) -> Result<&'p TypeRule, RecordError> {
        let definition = &proposed.definition.definition;
        let names =
            |rules: &mut dyn Iterator<Item = &TypeRule>| rules.map(|rule| rule.entry_type.clone()).collect();
        let entry_type = proposed.entry_type.clone();
        let Some(rule) = definition.entry_type(entry_type.as_str()) else {
            let known = names(&mut definition.types.iter());
            return Err(RecordError::UnknownType { register: definition.slug.clone(), entry_type, known });
        };
        let exists = self.state.version > 0;
        match (exists, &rule.from) {
            (false, None) => Ok(rule),
            (false, Some(_)) => {
                Err(RecordError::NoRecord { entry_type, opening: names(&mut definition.opening_types()) })
            }
            (true, Some(_)) if rule.follows(&self.state.status) => Ok(rule),
            (true, from) => {
                let status = self.state.status.clone();
                let allowed = names(&mut definition.types_from(&status));
                if from.is_none() {
                    Err(RecordError::RecordExists { entry_type, status, allowed })
                } else {
                    Err(RecordError::NotAllowed { entry_type, status, allowed })
                }
            }
        }
    }

    /// Takes one event in; [`Aggregate::apply`] without giving it away.
    pub fn step(&mut self, event: &RecordEvent) {
        facts::step(&mut self.state, &event.step, &event.view());
        self.content.step(event.step.effect, event.body.as_ref());
        if event.is_order() {
            self.withholding.step(event.version, event.body.as_ref());
        }
    }
}

fn effective(proposed: &Proposed) -> Result<(), RecordError> {
    if proposed.effective_at < EFFECTIVE_MIN {
        Err(RecordError::EffectiveTooEarly { earliest: EFFECTIVE_MIN })
    } else if proposed.effective_at > proposed.now.plus_millis(EFFECTIVE_AHEAD_MAX_MILLIS) {
        Err(RecordError::EffectiveTooLate { latest: proposed.now.plus_millis(EFFECTIVE_AHEAD_MAX_MILLIS) })
    } else {
        Ok(())
    }
}

crate::record::aggregate!(Record, "record");

#[cfg(test)]
mod tests;
