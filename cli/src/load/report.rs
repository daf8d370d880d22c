//! What was seen: as JSON, and as a table.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::Serialize;

use super::Request;
use super::acknowledged::Acknowledged;
use super::tally::{Line, Tally};
use super::watch::Seen;

/// A time at one rate.
#[derive(Serialize, Debug)]
pub struct Phase {
    /// `before`, `overload` or `after`.
    pub name: &'static str,
    /// Requests a second that were due.
    pub rate: f64,
    /// For how long.
    pub seconds: f64,
    /// How many were due, served, and turned away with `Retry-After`.
    pub due: u64,
    /// Answered with success.
    pub served: u64,
    /// Answered with 429 or 503 and `Retry-After`.
    pub turned_away: u64,
    /// The same without `Retry-After`: none.
    pub without_retry_after: u64,
    /// Answered with any other status: none.
    pub failed: u64,
    /// Not answered.
    pub unanswered: u64,
    /// Due, and not sent, since the client had as many under way as it may.
    pub unsent: u64,
    /// By what they did.
    pub kinds: Vec<Line>,
    /// The most that was seen of the server.
    pub seen: Seen,
    /// How long after the last request until nothing waited and the projections had caught up; null when that never came.
    pub settled_seconds: Option<f64>,
    /// The first answer that should not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub odd: Option<String>,
}

impl Phase {
    /// From what was counted.
    pub fn new(
        name: &'static str,
        rate: f64,
        length: Duration,
        mut tally: Tally,
        seen: Seen,
        settled: Option<Duration>,
    ) -> Self {
        let seconds = length.as_secs_f64();
        Self {
            name,
            rate,
            seconds,
            due: tally.due(),
            served: tally.served(),
            turned_away: tally.turned_away,
            without_retry_after: tally.without_retry_after,
            failed: tally.failed,
            unanswered: tally.unanswered(),
            unsent: tally.unsent,
            odd: tally.odd.take(),
            kinds: tally.lines(seconds),
            seen,
            settled_seconds: settled.map(|settled| settled.as_secs_f64()),
        }
    }

    fn whole(&self) -> bool {
        self.served == self.due && self.settled_seconds.is_some()
    }
}

/// A load and what came of it.
#[derive(Serialize, Debug)]
pub struct Report {
    /// Of the program.
    pub version: &'static str,
    /// Whether it was built for speed.
    pub optimised: bool,
    /// `sqlite` or `postgres`.
    pub store: &'static str,
    /// What choices followed from.
    pub seed: u64,
    /// How many times what is sustained was asked.
    pub times: f64,
    /// Requests a second that are sustained, with the clients on the same machine.
    pub sustained_per_second: f64,
    /// The rates that were tried to find it, and whether each was sustained.
    pub tried: Vec<(f64, bool)>,
    /// Before, during and after.
    pub phases: Vec<Phase>,
    /// Whether all was served after the overload, and nothing was left waiting.
    pub recovered: bool,
    /// The most memory that the server ever had.
    pub rss_bytes_max: u64,
    /// What was acknowledged.
    pub acknowledged: Acknowledged,
}

impl Report {
    /// From its parts.
    pub fn new(
        request: &Request,
        store: &'static str,
        sustained: f64,
        tried: Vec<(f64, bool)>,
        phases: Vec<Phase>,
        acknowledged: Acknowledged,
        rss_bytes_max: u64,
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            optimised: !cfg!(debug_assertions),
            store,
            seed: request.seed,
            times: request.times,
            sustained_per_second: sustained,
            tried,
            recovered: phases.last().is_some_and(Phase::whole),
            phases,
            rss_bytes_max,
            acknowledged,
        }
    }

    /// Nothing was lost, nobody was turned away without being told when to come back, and all was well after.
    pub fn good(&self) -> bool {
        let told = |phase: &Phase| phase.without_retry_after + phase.failed + phase.unanswered == 0;
        self.recovered
            && self.phases.iter().all(told)
            && self.acknowledged.lost == 0
            && self.acknowledged.verified
    }
}

fn millis(micros: u32) -> String {
    format!("{:.1}", f64::from(micros) / 1e3)
}

impl Display for Report {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            to,
            "{} {}{}: sustained {:.0} requests a second, 90 % reads, clients on the same machine",
            self.store,
            self.version,
            if self.optimised { "" } else { " (debug build: figures mean nothing)" },
            self.sustained_per_second
        )?;
        for phase in &self.phases {
            writeln!(
                to,
                "\n{}: {:.0}/s for {:.0} s: {} due, {} served, {} turned away, {} not answered, {} failed, {} not sent",
                phase.name,
                phase.rate,
                phase.seconds,
                phase.due,
                phase.served,
                phase.turned_away,
                phase.unanswered,
                phase.failed,
                phase.unsent
            )?;
            writeln!(
                to,
                "  {:<10} {:>9} {:>9} {:>9} {:>9} {:>9}  answers by status",
                "", "per s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
            )?;
            for line in &phase.kinds {
                let kind = format!("{:?}", line.kind).to_lowercase();
                let latency = line.latency_micros.map_or_else(<[String; 4]>::default, |latency| {
                    [latency.p50, latency.p99, latency.p99_9, latency.max].map(millis)
                });
                let [p50, p99, p99_9, max] = latency;
                let statuses: Vec<String> =
                    line.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
                writeln!(
                    to,
                    "  {kind:<10} {:>9.1} {p50:>9} {p99:>9} {p99_9:>9} {max:>9}  {}",
                    line.per_second,
                    statuses.join(", ")
                )?;
            }
            let gauges: Vec<String> =
                phase.seen.gauges.iter().map(|(name, value)| format!("{} {value}", &name[7..])).collect();
            writeln!(to, "  at most: {} MiB; {}", phase.seen.rss_bytes >> 20, gauges.join(", "))?;
            match phase.settled_seconds {
                Some(seconds) => writeln!(to, "  nothing waited {seconds:.1} s after")?,
                None => writeln!(to, "  something waited still two minutes after")?,
            }
            if let Some(odd) = &phase.odd {
                writeln!(to, "  odd: {odd}")?;
            }
        }
        let yes = |yes: bool| if yes { "yes" } else { "NO" };
        write!(
            to,
            "\n{} entries acknowledged, lost: {}; logs verified: {}; recovered: {}; memory at most {} MiB",
            self.acknowledged.entries,
            self.acknowledged.lost,
            yes(self.acknowledged.verified),
            yes(self.recovered),
            self.rss_bytes_max >> 20
        )
    }
}
