//! Which records have which base date: what falls due is found without looking at the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use chrono::NaiveDate;
use uuid::Uuid;

use crate::trigger::Period;

#[derive(Debug, Default)]
pub(super) struct DueIndex {
    by_base: BTreeMap<NaiveDate, BTreeSet<Uuid>>,
    bases: HashMap<Uuid, NaiveDate>,
}

impl DueIndex {
    /// The record has this base date now, or none.
    pub(super) fn put(&mut self, record: Uuid, base: Option<NaiveDate>) {
        let before = match base {
            Some(base) => self.bases.insert(record, base),
            None => self.bases.remove(&record),
        };
        if before == base {
            return;
        }
        if let Some(before) = before
            && let Some(records) = self.by_base.get_mut(&before)
        {
            records.remove(&record);
            if records.is_empty() {
                self.by_base.remove(&before);
            }
        }
        if let Some(base) = base {
            self.by_base.entry(base).or_default().insert(record);
        }
    }

    /// What falls due after a day and not after another: the day, the base, the record; in the order of days and records.
    pub(super) fn falling(
        &self,
        period: Period,
        after: NaiveDate,
        until: NaiveDate,
    ) -> Vec<(NaiveDate, NaiveDate, Uuid)> {
        let Some((from, to)) = period.bases(after, until) else { return Vec::new() };
        if to <= from {
            return Vec::new();
        }
        let bases = self.by_base.range((Bound::Excluded(from), Bound::Included(to)));
        let mut falling: Vec<_> = bases
            .filter_map(|(base, records)| Some((period.due(*base)?, *base, records)))
            .flat_map(|(due, base, records)| records.iter().map(move |record| (due, base, *record)))
            .collect();
        falling.sort_unstable_by_key(|(due, _, record)| (*due, *record));
        falling
    }
}
