//! How long projectors rest between batches. Each batch costs a projector ten round trips, and is read and made once for all who take it: so
//! that they take the same while much is appended, all rest for as long then, after the slowest of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// At most: appends that come meanwhile are the next batch.
const REST_MAX: Duration = Duration::from_millis(200);
/// Times what it took last.
const REST_TIMES: u32 = 4;
/// Fewer entries are not much: a projector that applied them rests after itself alone.
const MUCH: u64 = 16;

/// What each projector of a runner took to catch up last.
#[derive(Debug, Default)]
pub(crate) struct Rest(Mutex<BTreeMap<&'static str, Duration>>);

impl Rest {
    /// How long a projector rests that took so long for so many entries.
    pub(crate) fn after(&self, projector: &'static str, took: Duration, entries: u64) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(projector, took);
        let slowest = all.values().max().copied().filter(|_| entries >= MUCH);
        slowest.unwrap_or(took).saturating_mul(REST_TIMES).min(REST_MAX)
    }

    /// One that stands still keeps nobody waiting.
    pub(crate) fn forget(&self, projector: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(projector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rest_after_the_slowest() {
        let (rest, ms) = (Rest::default(), Duration::from_millis);
        assert_eq!(rest.after("account", ms(2), 100), ms(8));
        assert_eq!(rest.after("search", ms(30), 100), ms(120));
        assert_eq!(rest.after("account", ms(3), MUCH), ms(120));
        assert_eq!(rest.after("account", ms(3), MUCH - 1), ms(12));
        assert_eq!(rest.after("search", ms(90), 100), REST_MAX);
        rest.forget("search");
        assert_eq!(rest.after("account", ms(3), 100), ms(12));
    }
}
