//! Callers: each makes one call after another until the time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::failure::Failure;

/// When callers stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When the time is up, or when the first of them has nothing left: from then on there would be fewer callers.
    Time(Duration),
    /// When all is done.
    Done,
}

/// What callers did.
pub struct Driven {
    /// From the first call's beginning to the last one's end.
    pub elapsed: Duration,
    /// How long each call took, in microseconds.
    pub micros: Vec<u32>,
    /// What the calls counted: entries, mostly.
    pub units: u64,
}

impl Driven {
    /// Nothing yet.
    pub fn none() -> Self {
        Self { elapsed: Duration::ZERO, micros: Vec::new(), units: 0 }
    }

    /// Adds another run of the same kind.
    pub fn add(&mut self, other: Self) {
        self.elapsed += other.elapsed;
        self.micros.extend(other.micros);
        self.units += other.units;
    }

    /// Units a second.
    pub fn rate(&self) -> f64 {
        per(self.units, self.elapsed)
    }
}

/// So many in that time, a second.
#[expect(clippy::cast_precision_loss, reason = "nothing is counted here that needs 53 bits")]
pub fn per(units: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { units as f64 / elapsed.as_secs_f64() }
}

/// Splits what there is to call among callers, in turn.
pub fn lanes<T>(calls: impl IntoIterator<Item = T>, callers: usize) -> Vec<Vec<T>> {
    let mut lanes: Vec<Vec<T>> = (0..callers.max(1)).map(|_| Vec::new()).collect();
    for (at, call) in calls.into_iter().enumerate() {
        let lane = at % lanes.len();
        lanes[lane].push(call);
    }
    lanes
}

/// Lets a caller loose on each lane, all at once. The first error ends it. Dropped, the callers end.
pub async fn drive<L, F, W>(on: &Handle, lanes: Vec<L>, until: Until, call: F) -> Result<Driven, Failure>
where
    L: IntoIterator<Item: Send, IntoIter: Send> + Send + 'static,
    F: Fn(L::Item) -> W + Clone + Send + 'static,
    W: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(lanes.len() + 1));
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for lane in lanes {
        let (start, stop, call) = (Arc::clone(&start), Arc::clone(&stop), call.clone());
        callers.spawn_on(caller(lane, until, start, stop, call), on);
    }
    start.wait().await;
    let began = Instant::now();
    let mut driven = Driven::none();
    while let Some(ended) = callers.join_next().await {
        let (micros, units) = ended.map_err(|error| Failure::because("a caller has ended", &error))??;
        driven.micros.extend(micros);
        driven.units += units;
    }
    driven.elapsed = began.elapsed();
    Ok(driven)
}

async fn caller<L, F, W>(
    lane: L,
    until: Until,
    start: Arc<Barrier>,
    stop: Arc<AtomicBool>,
    call: F,
) -> Result<(Vec<u32>, u64), Failure>
where
    L: IntoIterator<Item: Send, IntoIter: Send> + Send,
    F: Fn(L::Item) -> W,
    W: Future<Output = Result<u64, Failure>>,
{
    let (mut micros, mut units) = (Vec::new(), 0);
    start.wait().await;
    let began = Instant::now();
    for next in lane {
        if let Until::Time(limit) = until
            && (stop.load(Ordering::Relaxed) || began.elapsed() >= limit)
        {
            return Ok((micros, units));
        }
        let before = Instant::now();
        units += call(next).await?;
        micros.push(u32::try_from(before.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    stop.store(true, Ordering::Relaxed);
    Ok((micros, units))
}

/// How long calls took, in microseconds: the time that so many of them did not exceed.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them.
    pub p50: u32,
    /// 99 of 100.
    pub p99: u32,
    /// 999 of 1,000.
    pub p99_9: u32,
    /// All.
    pub max: u32,
}

impl Latency {
    /// From the time of each call.
    pub fn of(mut micros: Vec<u32>) -> Option<Self> {
        micros.sort_unstable();
        // The nearest rank: a time that some call took.
        let at = |share: usize| micros.get((micros.len() * share).div_ceil(1_000).max(1) - 1).copied();
        Some(Self { p50: at(500)?, p99: at(990)?, p99_9: at(999)?, max: *micros.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        assert_eq!(Latency::of(vec![]), None);
        assert_eq!(Latency::of(vec![7]), Some(Latency { p50: 7, p99: 7, p99_9: 7, max: 7 }));
        let thousand = (1..=1_000).rev().collect();
        assert_eq!(Latency::of(thousand), Some(Latency { p50: 500, p99: 990, p99_9: 999, max: 1_000 }));
    }

    #[tokio::test]
    async fn every_call_is_counted_and_an_error_ends_it() {
        let on = Handle::current();
        let three = |fail: u64| {
            move |call: u64| async move { if call == fail { Err(Failure::failed("no")) } else { Ok(3) } }
        };
        let driven = drive(&on, lanes(0..100, 8), Until::Done, three(100)).await.unwrap();
        assert_eq!((driven.micros.len(), driven.units), (100, 300));
        assert!(drive(&on, lanes(0..100, 8), Until::Done, three(57)).await.is_err());
        let none = drive(&on, lanes(0..100, 8), Until::Time(Duration::ZERO), three(100)).await.unwrap();
        assert_eq!(none.units, 0);
    }
}
