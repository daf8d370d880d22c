//! What everyone needs to know of a record: status, number, term, subjects. Folded here, once, for the aggregate and for
//! projectors alike.

use std::fmt;

use chrono::NaiveDate;
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::checks;
use crate::definition::{Definition, Effect, TypeRule};
use crate::entry::EntryView;
use crate::subject::{self, Subject};

/// What one entry does to its record: its type's rule under the definition in force, with all that a fold needs of the
/// definition. It is stored with the event, so that folding needs no definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Does it make the record?
    pub opens: bool,
    /// The status that it leads to; `None` when the status stays.
    pub to: Option<String>,
    /// What its body does to the content.
    pub effect: Effect,
    /// The member that is the official number.
    pub number: Option<String>,
    /// The member with the first day of validity.
    pub valid_from: Option<String>,
    /// The member with the last day of validity.
    pub valid_until: Option<String>,
}

impl Step {
    /// The step that an entry of this type is under this definition.
    pub fn of(definition: &Definition, rule: &TypeRule) -> Self {
        Self {
            opens: rule.from.is_none(),
            to: rule.to.clone(),
            effect: rule.effect,
            number: definition.number.as_ref().map(|number| number.member.clone()),
            valid_from: definition.validity.as_ref().map(|validity| validity.from.clone()),
            valid_until: definition.validity.as_ref().map(|validity| validity.until.clone()),
        }
    }

    /// The official number that a body gives its record, if it does.
    pub fn number_of<'b>(&self, body: &'b Value) -> Option<&'b str> {
        if self.effect == Effect::None {
            return None;
        }
        body.get(self.number.as_deref()?)?.as_str()
    }
}

/// The facts of a record as of some entry.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RecordState {
    /// The register that holds it; `None` before its first entry.
    pub register: Option<Slug>,
    /// The record.
    pub record: Uuid,
    /// Number of its entries; 0 before the first.
    pub version: u64,
    /// Its status; empty before the first entry.
    pub status: String,
    /// Its official number.
    pub number: Option<String>,
    /// First day of validity.
    pub valid_from: Option<NaiveDate>,
    /// Last day of validity; `None` is indefinite (or the record has no term).
    pub valid_until: Option<NaiveDate>,
    /// Whom it concerns.
    pub subjects: Vec<Subject>,
    /// Is any of number, term and subjects unknown, because a body is withheld?
    pub withheld: bool,
    /// The last entry.
    pub changed: Option<Change>,
}

/// When and by whom a record was last changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Type of the entry.
    pub entry_type: EntryType,
    /// The department that signed it.
    pub issuer: Slug,
    /// From when it has legal effect.
    pub effective_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl fmt::Debug for RecordState {
    /// Neither number nor subjects: they may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let register = self.register.as_ref().map_or("", Slug::as_str);
        write!(f, "RecordState({register} {} version {} {})", self.record, self.version, self.status)
    }
}

/// Takes one entry in. Entries come in the order of their versions.
pub fn step(state: &mut RecordState, step: &Step, entry: &EntryView<'_>) {
    state.register.get_or_insert_with(|| entry.register.clone());
    state.record = entry.record;
    state.version = entry.version;
    if let Some(to) = &step.to {
        state.status.clone_from(to);
    }
    match (step.effect, entry.body.and_then(Value::as_object)) {
        (Effect::None, _) => {}
        (Effect::Sets, Some(body)) => {
            clear(state);
            take(state, step, body);
            state.withheld = false;
        }
        (Effect::Amends, Some(body)) => take(state, step, body),
        (Effect::Sets, None) => {
            clear(state);
            state.withheld = true;
        }
        (Effect::Amends, None) => state.withheld = true,
    }
    state.changed = Some(Change {
        entry_type: entry.entry_type.clone(),
        issuer: entry.issuer.clone(),
        effective_at: entry.effective_at,
        recorded_at: entry.recorded_at,
    });
}

fn clear(state: &mut RecordState) {
    (state.number, state.valid_from, state.valid_until) = (None, None, None);
    state.subjects.clear();
}

/// Members that a body has replace what was known; null removes (RFC 7396).
fn take(state: &mut RecordState, step: &Step, body: &Map<String, Value>) {
    let member = |name: &Option<String>| name.as_deref().and_then(|name| body.get(name));
    if let Some(number) = member(&step.number) {
        state.number = number.as_str().map(str::to_owned);
    }
    if let Some(day) = member(&step.valid_from) {
        state.valid_from = date(day);
    }
    if let Some(day) = member(&step.valid_until) {
        state.valid_until = date(day);
    }
    if let Some(subjects) = body.get(subject::MEMBER) {
        state.subjects = subject::read(subjects);
    }
}

fn date(member: &Value) -> Option<NaiveDate> {
    checks::date(member.as_str()?).ok()
}

#[cfg(test)]
mod tests;
