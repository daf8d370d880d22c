//! A record as of a time: what the register said on a day, as it was known on another.
//!
//! Two times bound the entries that are folded: when they were recorded (what was known), and from when they have effect (what
//! was so). What is left is folded in the order of versions, each entry under the definition that rules it where it stands. So
//! with neither bound this is the present record; `docs/decisions/0017-time-travel.md` says why it is so and what it costs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate};
use proofs::time::Timestamp;
use uuid::Uuid;

use crate::checks;
use crate::definitions::Definitions;
use crate::entry::EntryView;
use crate::error::DomainError;
use crate::facts::{self, RecordState};
use crate::platform::PERSONS;
use crate::record::{Record, resolve};
use crate::subject::Subject;
use crate::withholding::Withholding;

/// One day, in milliseconds.
const DAY_MILLIS: i64 = 86_400_000;

/// Until when entries count: both bounds are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Recorded by then.
    pub recorded: Timestamp,
    /// Having effect by then.
    pub effective: Timestamp,
}

/// A bound as it is asked for: a moment, or a day, which means the end of it in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A moment.
    At(Timestamp),
    /// The end of a day.
    Day(NaiveDate),
}

/// Why there is no such past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AsOfError {
    /// Neither a day nor a moment.
    #[error(
        "a time is a day, YYYY-MM-DD, which means its end in UTC, or a moment of RFC 3339, as 2026-03-01T09:00:00Z \
         (in a URL the + of an offset is written %2B)"
    )]
    Form,
    /// What will be recorded is not known.
    #[error("the time of recording lies in the future: what will be recorded is not known yet")]
    Future,
}

impl Moment {
    /// The last millisecond that it takes in.
    pub fn until(self) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Day(day) => Timestamp::from_date(day).plus_millis(DAY_MILLIS - 1),
        }
    }
}

impl FromStr for Moment {
    type Err = AsOfError;

    fn from_str(text: &str) -> Result<Self, AsOfError> {
        if let Ok(day) = checks::date(text) {
            return Ok(Self::Day(day));
        }
        let moment = DateTime::parse_from_rfc3339(text).map_err(|_| AsOfError::Form)?;
        // Entries have whole milliseconds: what a bound has beyond them takes in nothing more.
        Timestamp::try_from(moment.timestamp_millis()).map(Self::At).map_err(|_| AsOfError::Form)
    }
}

impl AsOf {
    /// The present: all that is recorded, also what has effect later.
    pub const PRESENT: Self = Self { recorded: Timestamp::MAX, effective: Timestamp::MAX };

    /// From what is asked for; what is left out does not bound. A day that has not ended yet counts until now.
    pub fn new(
        recorded: Option<Moment>,
        effective: Option<Moment>,
        now: Timestamp,
    ) -> Result<Self, AsOfError> {
        let recorded = match recorded {
            None => Timestamp::MAX,
            Some(Moment::Day(day)) if day == now.date() => now,
            Some(moment) if moment.until() > now => return Err(AsOfError::Future),
            Some(moment) => moment.until(),
        };
        Ok(Self { recorded, effective: effective.map_or(Timestamp::MAX, Moment::until) })
    }

    /// Does the entry count?
    pub fn takes(&self, entry: &EntryView<'_>) -> bool {
        entry.recorded_at <= self.recorded && entry.effective_at <= self.effective
    }
}

/// An entry's place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its position.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// A record as it was.
#[derive(Clone, PartialEq)]
pub struct Past {
    /// Its facts and its content. The version is that of the last entry that counts; earlier ones may be left out.
    pub record: Record,
    /// The entry that made it.
    pub opened: Place,
    /// The last entry that counts.
    pub changed: Place,
    /// Of the entries that count, those whose bodies are withheld, each with the version of the order: also of one that came
    /// later, since a body that is gone is gone from the past too.
    pub withheld: Vec<(u64, u64)>,
    /// Whom it concerned.
    pub concerned: Vec<Uuid>,
    /// Of them, those who were still concerned when its last entry was recorded: they, and not someone whom the record had
    /// left by then, may see this past. An entry that takes effect earlier is no window onto what others wrote later.
    pub seen_by: Vec<Uuid>,
    /// The same of organisations, by their numbers in the register of legal entities.
    pub seen_by_organisations: Vec<String>,
}

impl fmt::Debug for Past {
    /// Neither content nor persons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Past({:?} opened at {})", self.record.state, self.opened.position)
    }
}

/// Folds a record's entries, given in the order of their versions, as of a time. Nothing when it did not exist then: no entry
/// is left, or the first that is does not make a record.
pub fn fold<'e>(
    entries: impl IntoIterator<Item = EntryView<'e>>,
    definitions: &Definitions,
    as_of: AsOf,
) -> Result<Option<Past>, DomainError> {
    let mut past: Option<Past> = None;
    // As it was recorded, whatever had effect.
    let mut recorded = RecordState::default();
    let mut withholding = Withholding::default();
    let mut counted = BTreeSet::new();
    for entry in entries {
        let event = resolve(&entry, definitions)?;
        facts::step(&mut recorded, &event.step, &entry);
        if event.is_order() {
            withholding.step(entry.version, entry.body);
        }
        if !as_of.takes(&entry) {
            continue;
        }
        let place = Place { position: entry.position, recorded_at: entry.recorded_at };
        let past = match &mut past {
            Some(past) => past,
            None if entry.version == 1 => past.insert(Past {
                record: Record::default(),
                opened: place,
                changed: place,
                withheld: Vec::new(),
                concerned: Vec::new(),
                seen_by: Vec::new(),
                seen_by_organisations: Vec::new(),
            }),
            None => return Ok(None),
        };
        past.record.step(&event);
        counted.insert(entry.version);
        past.changed = place;
        past.concerned = persons(&past.record.state);
        let still = persons(&recorded);
        past.seen_by = past.concerned.iter().copied().filter(|person| still.contains(person)).collect();
        let still = organisations(&recorded);
        let then = organisations(&past.record.state);
        past.seen_by_organisations = then.into_iter().filter(|ogrn| still.contains(ogrn)).collect();
    }
    if let Some(past) = &mut past {
        past.withheld = withholding.iter().filter(|(version, _)| counted.contains(version)).collect();
    }
    Ok(past)
}

/// The organisations that a record concerns and that have a number in the register of legal entities.
fn organisations(state: &RecordState) -> Vec<String> {
    let number = |subject: &Subject| subject.organisation()?.ogrn.clone();
    let mut numbers: Vec<String> = state.subjects.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The persons whom a record concerns. A record of `persons` is the person.
pub fn persons(state: &RecordState) -> Vec<Uuid> {
    if state.register.as_ref().is_some_and(|register| *register == *PERSONS) {
        return vec![state.record];
    }
    let mut persons: Vec<Uuid> = state.subjects.iter().filter_map(Subject::person).collect();
    persons.sort_unstable();
    persons.dedup();
    persons
}

#[cfg(test)]
mod tests;
