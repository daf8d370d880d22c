//! Numbers about appending, as plain atomics: `api` gives them to Prometheus.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proofs::time::Timestamp;

use crate::error::StoreError;

/// Upper bounds of append latency in microseconds: from what a group commit on a fast disk takes to what a caller gives up at.
pub const LATENCY_BOUNDS_MICROS: [u64; 12] =
    [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 512_000, 2_000_000, 8_000_000];
/// Upper bounds of entries in a batch, up to the default bound.
pub const BATCH_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// Counts of values up to each bound, and beyond the last.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// (upper bound, how many values were in this bucket alone); the last bound is `None`, for infinity.
    pub fn buckets(&self) -> Vec<(Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// What the appender of this process has done since it started.
#[derive(Debug)]
pub struct AppendMetrics {
    pub(crate) entries: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) overloaded: AtomicU64,
    pub(crate) failed_batches: AtomicU64,
    pub(crate) decided_again: AtomicU64,
    pub(crate) unlocked: AtomicU64,
    pub(crate) overtaken: AtomicU64,
    pub(crate) mistaken: AtomicU64,
    pub(crate) waiting: AtomicU64,
    pub(crate) latency_micros: Histogram,
    pub(crate) batch_entries: Histogram,
    clock_ahead_millis: AtomicU64,
    clock_refuses: AtomicBool,
    recorded_ahead_millis: AtomicU64,
}

impl AppendMetrics {
    pub(crate) fn new() -> Self {
        Self {
            entries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            overloaded: AtomicU64::new(0),
            failed_batches: AtomicU64::new(0),
            decided_again: AtomicU64::new(0),
            unlocked: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
            mistaken: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            latency_micros: Histogram::new(&LATENCY_BOUNDS_MICROS),
            batch_entries: Histogram::new(&BATCH_BOUNDS),
            clock_ahead_millis: AtomicU64::new(0),
            clock_refuses: AtomicBool::new(false),
            recorded_ahead_millis: AtomicU64::new(0),
        }
    }

    /// Batches committed.
    pub fn batches(&self) -> u64 {
        self.batch_entries.count()
    }

    /// Entries appended.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Submissions refused for a conflict.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Submissions turned away because the queue was full.
    pub fn overloaded(&self) -> u64 {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// Batches that failed as a whole.
    pub fn failed_batches(&self) -> u64 {
        self.failed_batches.load(Ordering::Relaxed)
    }

    /// Batches that were decided twice, since another shard's came between and changed what they rest on, or was stamped later.
    pub fn decided_again(&self) -> u64 {
        self.decided_again.load(Ordering::Relaxed)
    }

    /// Batches that were written without a lock: nobody else had appended since the one before.
    pub fn unlocked(&self) -> u64 {
        self.unlocked.load(Ordering::Relaxed)
    }

    /// Batches that were to be written without a lock, when another server had been first.
    pub fn overtaken(&self) -> u64 {
        self.overtaken.load(Ordering::Relaxed)
    }

    /// Batches that were taken to make nothing but what is new, and did not: they were looked at and decided again.
    pub fn mistaken(&self) -> u64 {
        self.mistaken.load(Ordering::Relaxed)
    }

    /// Entries that wait to be appended now.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Microseconds from a submission's arrival to its answer.
    pub fn latency_micros(&self) -> &Histogram {
        &self.latency_micros
    }

    /// Entries of each batch that was committed.
    pub fn batch_entries(&self) -> &Histogram {
        &self.batch_entries
    }

    /// Seconds that this process's clock was ahead of the database's when they were compared last.
    pub fn clock_ahead_seconds(&self) -> u64 {
        self.clock_ahead_millis.load(Ordering::Relaxed) / 1_000
    }

    /// Whether that is too much, so that entries are refused.
    pub fn clock_refuses(&self) -> bool {
        self.clock_refuses.load(Ordering::Relaxed)
    }

    /// Seconds that the last entry's time of recording was ahead of this process's clock, when it last looked: so long will new
    /// entries have that same time.
    pub fn recorded_ahead_seconds(&self) -> u64 {
        self.recorded_ahead_millis.load(Ordering::Relaxed) / 1_000
    }

    /// Notes how our clock and the database's were found to be, and how what is recorded is with ours.
    pub(crate) fn clock(
        &self,
        ahead: Result<u64, StoreError>,
        recorded_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let millis = match &ahead {
            Ok(millis) => *millis,
            Err(StoreError::ClockAhead { ahead_seconds }) => ahead_seconds * 1_000,
            Err(_) => return ahead.map(|_| ()),
        };
        self.clock_ahead_millis.store(millis, Ordering::Relaxed);
        self.clock_refuses.store(ahead.is_err(), Ordering::Relaxed);
        self.recorded(recorded_at, now);
        ahead.map(|_| ())
    }

    pub(crate) fn recorded(&self, recorded_at: Timestamp, now: Timestamp) {
        let millis = u64::try_from(recorded_at.millis() - now.millis()).unwrap_or_default();
        self.recorded_ahead_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, waited: Duration, entries: u64) {
        self.waiting.fetch_sub(entries, Ordering::Relaxed);
        self.latency_micros.observe(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_puts_each_value_under_its_bound() {
        let histogram = Histogram::new(&BATCH_BOUNDS);
        for value in [1, 2, 3, 1_024, 5_000] {
            histogram.observe(value);
        }
        let buckets = histogram.buckets();
        assert_eq!(buckets[..3], [(Some(1), 1), (Some(2), 1), (Some(4), 1)]);
        assert_eq!(buckets[10..], [(Some(1_024), 1), (None, 1)]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 6_030));
    }
}
