//! `reestr load`: a server of its own under a mixed load, at a multiple of what it sustains, and after it.
//!
//! In scope: a store made for it, a server process of this binary on loopback, requests that begin when they are due and not when the
//! one before has ended, and a look at everything that was acknowledged. Not in scope: what the machine could do at most (`bench`).
//!
//! Latency counts from when a request was due: a server that stands still for a second makes every request of that second late.

mod acknowledged;
mod calls;
mod child;
mod drive;
mod report;
mod tally;
mod watch;
mod world;

use std::sync::Arc;
use std::time::Duration;

pub use report::Report;

use crate::bench::store::Places;
use crate::failure::Failure;
use crate::progress::Progress;
use drive::phase;
use report::Phase;
use watch::Watch;
use world::World;

/// The first rate that is tried: any machine sustains it.
const RATE_FIRST: f64 = 20.0;
/// From one rate to the next, until one is too much; that is 200,000 a second after all of them.
const RATE_STEP: f64 = 1.6;
const STEPS_MAX: u32 = 20;
/// Then the room between the last that was sustained and the first that was not is halved so often.
const HALVINGS: u32 = 2;
/// A rate is sustained when so few are turned away or fail, and so few are answered later than that.
const TURNED_AWAY_SHARE: f64 = 0.01;
const LATE_MICROS: u32 = 1_000_000;

/// What to do.
pub struct Request {
    /// The PostgreSQL server to make a database on; without it, a file of SQLite.
    pub database: Option<String>,
    /// How long more than it sustains is asked of the server.
    pub length: Duration,
    /// How many times as much.
    pub times: f64,
    /// What the server sustains, where it is known.
    pub rate: Option<f64>,
    /// What entries and choices follow from.
    pub seed: u64,
}

/// Loads a server, and removes what it made; also when it is interrupted.
pub async fn run(request: Request, progress: Progress) -> Result<Report, Failure> {
    let places = Places::new(request.database.as_deref(), None, 1)?;
    let interrupted = crate::serving::shutdown()?;
    let loaded = tokio::select! {
        loaded = load(&request, &places, progress) => loaded,
        () = interrupted => Err(Failure::failed("interrupted; what was made is removed")),
    };
    let cleaned = places.clean(None).await;
    loaded.and_then(|report| cleaned.map(|()| report))
}

async fn load(request: &Request, places: &Places, progress: Progress) -> Result<Report, Failure> {
    let bar = progress.bar("phases", 5);
    bar.say("a store and a server");
    let (world, child) = World::make(places, request.seed).await?;
    let world = Arc::new(world);
    let watch = Watch::start(&child, &world);
    let ready = watch.settled().await;
    ready
        .ok_or_else(|| Failure::failed("the server does not come to rest before anything is asked of it"))?;
    let step = (request.length / 20).clamp(Duration::from_secs(1), Duration::from_secs(15));
    let quiet = (request.length / 5).max(Duration::from_secs(2));
    bar.add(1);
    bar.say("what it sustains");
    let (sustained, steps) = match request.rate {
        Some(rate) => (rate, Vec::new()),
        None => sustained(async |rate| keeps(&world, &watch, rate, step).await).await?,
    };
    let mut phases = Vec::new();
    for (name, rate, length) in [
        ("before", sustained / 2.0, quiet),
        ("overload", sustained * request.times, request.length),
        ("after", sustained / 2.0, quiet),
    ] {
        bar.add(1);
        bar.say(name);
        watch.begin();
        let tally = phase(&world, rate, length).await?;
        let settled = watch.settled().await;
        phases.push(Phase::new(name, rate, length, tally, watch.seen(), settled));
    }
    bar.add(1);
    bar.say("everything that was acknowledged");
    let acknowledged = acknowledged::check(&world, &child.url).await?;
    let rss = watch.stop().await;
    let report = Report::new(request, places.kind(), sustained, steps, phases, acknowledged, rss);
    bar.finish();
    child.stop().await?;
    Ok(report)
}

/// The highest rate that is kept, and what was tried.
async fn sustained(
    mut keeps: impl AsyncFnMut(f64) -> Result<bool, Failure>,
) -> Result<(f64, Vec<(f64, bool)>), Failure> {
    let mut tried = Vec::new();
    let (mut good, mut rate) = (RATE_FIRST, RATE_FIRST);
    let mut bad = None;
    for _ in 0..STEPS_MAX {
        let kept = keeps(rate).await?;
        tried.push((rate, kept));
        if !kept {
            bad = Some(rate);
            break;
        }
        good = rate;
        rate *= RATE_STEP;
    }
    if let Some(mut bad) = bad {
        for _ in 0..HALVINGS {
            let rate = f64::midpoint(good, bad);
            let kept = keeps(rate).await?;
            tried.push((rate, kept));
            if kept { good = rate } else { bad = rate }
        }
    }
    Ok((good, tried))
}

/// Whether nearly all is answered in time at a rate. What is left over from it is no burden for what comes next.
async fn keeps(world: &Arc<World>, watch: &Watch, rate: f64, step: Duration) -> Result<bool, Failure> {
    let tally = phase(world, rate, step).await?;
    let settled = watch.settled().await.is_some();
    let in_time = tally.p99().is_some_and(|p99| p99 <= LATE_MICROS);
    Ok(settled && in_time && tally.share_not_served() <= TURNED_AWAY_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_highest_rate_that_is_kept_is_found() {
        for limit in [25.0, 333.0, 4_000.0] {
            let (rate, tried) = sustained(async |rate| Ok(rate <= limit)).await.unwrap();
            assert!(rate <= limit && rate > limit * 0.8, "{rate} of {limit}");
            assert!(tried.iter().all(|(rate, kept)| *kept == (*rate <= limit)));
        }
        let (_, tried) = sustained(async |_| Ok(true)).await.unwrap();
        assert_eq!(tried.len(), STEPS_MAX as usize);
    }
}
