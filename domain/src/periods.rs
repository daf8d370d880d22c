//! The statuses of a record over both times: which it had when, and as it was known when.
//!
//! For every moment of recording and every moment of effect, the one period that holds both says the status that
//! [`asof::fold`](crate::asof::fold) says: a table of them answers every question as of a time.

use proofs::time::Timestamp;

use crate::definitions::Definitions;
use crate::entry::EntryView;
use crate::error::DomainError;

/// A status that a record had for some time, by what was known for some time. Each time counts from its first moment on, up
/// to and without its last; without a last it has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The status.
    pub status: String,
    /// From when the record had it.
    pub effective_from: Timestamp,
    /// Until when.
    pub effective_until: Option<Timestamp>,
    /// From when this was known.
    pub recorded_from: Timestamp,
    /// Until when.
    pub recorded_until: Option<Timestamp>,
}

impl Period {
    fn same_effect(&self, other: &Self) -> bool {
        self.status == other.status
            && self.effective_from == other.effective_from
            && self.effective_until == other.effective_until
    }
}

/// The periods of a record, whose entries are given in the order of their versions: first what was known first, and of that
/// first what had effect first. What was known for no millisecond is left out.
pub fn periods<'e>(
    entries: impl IntoIterator<Item = EntryView<'e>>,
    definitions: &Definitions,
) -> Result<Vec<Period>, DomainError> {
    let mut ended = Vec::new();
    // What is known: from when the record exists, without gaps and without end.
    let mut known: Vec<Period> = Vec::new();
    for entry in entries {
        let step = definitions.step(&entry)?;
        let since = match known.first() {
            // An entry that has effect before the record exists counts from when it does.
            Some(first) => entry.effective_at.max(first.effective_from),
            None if entry.version == 1 => entry.effective_at,
            None => continue,
        };
        let to = match step.to {
            Some(to) => to,
            None if entry.version == 1 => String::new(),
            None => continue,
        };
        learn(&mut known, &mut ended, since, &to, entry.recorded_at);
    }
    ended.append(&mut known);
    ended.sort_by_key(|period| (period.recorded_from, period.effective_from));
    Ok(ended)
}

/// Takes in that from `since` on the status is `to`.
fn learn(known: &mut Vec<Period>, ended: &mut Vec<Period>, since: Timestamp, to: &str, recorded: Timestamp) {
    let after = known.partition_point(|period| period.effective_from < since);
    let before = known.split_off(after.saturating_sub(1));
    let period = |status: &str, from, until| Period {
        status: status.to_owned(),
        effective_from: from,
        effective_until: until,
        recorded_from: recorded,
        recorded_until: None,
    };
    let mut now = Vec::new();
    match before.first().filter(|_| after > 0) {
        Some(first) if first.status == to => now.push(period(to, first.effective_from, None)),
        Some(first) => {
            now.push(period(&first.status, first.effective_from, Some(since)));
            now.push(period(to, since, None));
        }
        None => now.push(period(to, since, None)),
    }
    for old in before {
        match now.iter_mut().find(|new| new.same_effect(&old)) {
            Some(new) => *new = old,
            None if old.recorded_from == recorded => {}
            None => ended.push(Period { recorded_until: Some(recorded), ..old }),
        }
    }
    known.append(&mut now);
}

#[cfg(test)]
mod tests;
