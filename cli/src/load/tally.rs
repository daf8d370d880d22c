//! What became of requests.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::calls::Kind;
use crate::bench::load::Latency;

/// The record of an entry in the hot register; each is of a record of its own.
pub type Place = Uuid;

/// Of one kind.
#[derive(Default, Debug)]
pub struct OfKind {
    /// From when they were due to their answer, of those that were served.
    pub micros: Vec<u32>,
    /// How many were answered with each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many were not answered: cut, or later than the client waits.
    pub unanswered: u64,
}

/// Of all.
#[derive(Default, Debug)]
pub struct Tally {
    /// By kind.
    pub kinds: BTreeMap<Kind, OfKind>,
    /// Turned away with `Retry-After`.
    pub turned_away: u64,
    /// Turned away without it, which must never be.
    pub without_retry_after: u64,
    /// Answered with another status than success and being turned away, which must never be.
    pub failed: u64,
    /// Due, and not sent: the client had as many under way as it may.
    pub unsent: u64,
    /// The first answer that should not be, for whoever looks for its cause.
    pub odd: Option<String>,
}

/// A kind's line in the report.
#[derive(Serialize, Debug)]
pub struct Line {
    /// What requests did.
    pub kind: Kind,
    /// How many were served.
    pub served: usize,
    /// How many a second.
    pub per_second: f64,
    /// From when they were due to their answer.
    pub latency_micros: Option<Latency>,
    /// How many were answered with each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many were not answered.
    pub unanswered: u64,
}

impl Tally {
    /// All that were due.
    pub fn due(&self) -> u64 {
        let answered: u64 = self.kinds.values().flat_map(|of| of.statuses.values()).sum();
        answered + self.unanswered() + self.unsent
    }

    /// Served.
    pub fn served(&self) -> u64 {
        self.kinds.values().map(|of| of.micros.len() as u64).sum()
    }

    /// Not answered.
    pub fn unanswered(&self) -> u64 {
        self.kinds.values().map(|of| of.unanswered).sum()
    }

    /// Of all that were due, those that were not served.
    #[expect(clippy::cast_precision_loss, reason = "nothing is counted here that needs 53 bits")]
    pub fn share_not_served(&self) -> f64 {
        let due = self.due().max(1);
        due.saturating_sub(self.served()) as f64 / due as f64
    }

    /// What 99 of 100 of those served did not exceed.
    pub fn p99(&self) -> Option<u32> {
        Latency::of(self.kinds.values().flat_map(|of| of.micros.iter().copied()).collect()).map(|of| of.p99)
    }

    /// A line for each kind.
    pub fn lines(self, seconds: f64) -> Vec<Line> {
        let lines = self.kinds.into_iter().map(|(kind, of)| Line {
            kind,
            served: of.micros.len(),
            per_second: f64::from(u32::try_from(of.micros.len()).unwrap_or(u32::MAX)) / seconds,
            latency_micros: Latency::of(of.micros),
            statuses: of.statuses,
            unanswered: of.unanswered,
        });
        lines.collect()
    }
}
