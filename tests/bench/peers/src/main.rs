//! Other event stores beside ours: the same entries, on the same server, one after another, in one table.
//!
//! Entries and callers are those of `reestr bench`, by its own source files. Ours is measured by `reestr bench --only journal` of the
//! same run, whose report this program takes. README.md says what each store does and does not do.

#[allow(dead_code, reason = "`reestr bench` needs more of it")]
#[path = "../../../../cli/src/bench/entries.rs"]
mod entries;
mod failure;
#[allow(dead_code, reason = "`reestr bench` needs more of it")]
#[path = "../../../../cli/src/bench/load.rs"]
mod load;
mod store;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use proofs::slug::Slug;
use serde_json::Value;

use entries::{Generator, Signed};
use failure::Failure;
use load::{Driven, Latency, Until, drive, lanes};
use store::{Peer, Place};

/// The allocator that `reestr` has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entries made before a measurement at most, as of `reestr bench`.
const POOL_ENTRIES_MAX: u64 = 500_000;
/// How long the second warm-up takes.
const WARM_UP: Duration = Duration::from_secs(1);
/// Entries beyond what the warm-up foretells.
const SPARE: f64 = 1.3;

/// A line of the table.
struct Line {
    name: String,
    callers: u64,
    rate: f64,
    latency: [f64; 4],
    wal: Option<f64>,
    stored: Option<f64>,
}

impl Line {
    fn print(&self) {
        let Self { name, callers, rate, latency: [p50, p99, p999, max], wal, stored } = self;
        let bytes = |bytes: &Option<f64>| bytes.map(|bytes| format!("{bytes:.0}")).unwrap_or_default();
        println!(
            "{name:<34} {callers:>7} {rate:>10.0} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.2} {:>8} {:>9}",
            bytes(wal),
            bytes(stored)
        );
    }
}

#[tokio::main]
async fn main() {
    if let Err(failure) = run().await {
        eprintln!("peers: {failure}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Failure> {
    let usage = || Failure::failed("usage: reestr-peers URL SECONDS REPORT.json (see tests/bench/run)");
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or_else(usage)?;
    let seconds =
        args.next().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs).ok_or_else(usage)?;
    let report = std::fs::read(args.next().ok_or_else(usage)?)
        .map_err(|error| Failure::because("the report", &error))?;
    let report: Value =
        serde_json::from_slice(&report).map_err(|error| Failure::because("the report", &error))?;
    let ours = ours(&report);
    let number = |member: &str| report[member].as_u64().unwrap_or_default();
    let generator =
        Generator::new(number("seed"), slug("bench")?, usize::try_from(number("body_bytes")).unwrap_or(600));
    let generator = Arc::new(generator);
    let mut lines = Vec::new();
    for line in &ours {
        // Each store has a place of its own for each number of callers: none inherits a large one.
        let callers = usize::try_from(line.callers).unwrap_or(1);
        for kind in store::KINDS {
            eprintln!("{} with {callers} callers", kind.name());
            let place = Place::make(&url, callers).await?;
            let measured = measure(kind, &place, &generator, callers, seconds).await;
            place.remove().await?;
            lines.push(measured?);
        }
    }
    // At the end: one of them prints what it does meanwhile.
    println!(
        "\n{:<34} {:>7} {:>10} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}",
        "", "callers", "a second", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "wal B", "stored B"
    );
    for (nth, line) in ours.iter().enumerate() {
        line.print();
        lines.iter().skip(nth * store::KINDS.len()).take(store::KINDS.len()).for_each(Line::print);
    }
    Ok(())
}

fn slug(text: &str) -> Result<Slug, Failure> {
    text.parse().map_err(|error| Failure::because(text, &error))
}

/// What `reestr bench` measured of its journal.
fn ours(report: &Value) -> Vec<Line> {
    let stored =
        report["storage"].as_array().into_iter().flatten().find(|storage| storage["section"] == "journal");
    let stored = stored.and_then(|storage| storage["journal_bytes_per_entry"].as_f64());
    let all = report["measurements"].as_array().into_iter().flatten();
    let line = |measured: &Value| {
        let millis = |name: &str| measured["latency_micros"][name].as_f64().unwrap_or_default() / 1_000.0;
        Line {
            name: "reestr (signed, in a Merkle tree)".to_owned(),
            callers: measured["callers"].as_u64().unwrap_or_default(),
            rate: measured["per_second"].as_f64().unwrap_or_default(),
            latency: ["p50", "p99", "p99_9", "max"].map(millis),
            wal: measured["wal_bytes_per_unit"].as_f64(),
            stored,
        }
    };
    all.filter(|measured| measured["section"] == "journal").map(line).collect()
}

async fn measure(
    kind: store::Kind,
    place: &Place,
    generator: &Arc<Generator>,
    callers: usize,
    seconds: Duration,
) -> Result<Line, Failure> {
    let peer = Arc::new(Peer::open(kind, place).await?);
    let registers = [slug("bench-0001")?];
    let run = async |part: &str, count: u64, until: Until| -> Result<Driven, Failure> {
        let (generator, registers, label) =
            (Arc::clone(generator), registers.clone(), format!("{callers}/{part}"));
        let made = tokio::task::spawn_blocking(move || generator.fresh(&label, 0, count, &registers)).await;
        let made: Vec<Signed> = made.map_err(|error| Failure::because("entries", &error))??;
        let ready: Vec<store::Ready> =
            made.into_iter().map(|entry| peer.prepare(entry)).collect::<Result<_, _>>()?;
        let peer = Arc::clone(&peer);
        let call = move |ready| {
            let peer = Arc::clone(&peer);
            async move { peer.append(ready).await.map(|()| 1) }
        };
        drive(&tokio::runtime::Handle::current(), lanes(ready, callers), until, call).await
    };
    let smallest = callers as u64 * 4;
    let first = run("first", smallest, Until::Done).await?;
    let warm_up = WARM_UP.min(seconds);
    let second = run("second", wanted(first.rate(), warm_up, smallest), Until::Time(warm_up)).await?;
    let before = place.wal_bytes().await?;
    let driven = run("measured", wanted(second.rate(), seconds, smallest), Until::Time(seconds)).await?;
    let after = place.wal_bytes().await?;
    let (rate, units) = (driven.rate(), driven.units);
    let all = first.units + second.units + units;
    let (bytes, wal) = match kind {
        store::Kind::Uma => (place.file_bytes()?, None),
        _ => (place.table_bytes().await?, Some((after - before) as f64 / units as f64)),
    };
    let found = Latency::of(driven.micros).ok_or_else(|| Failure::failed("nothing was appended"))?;
    let latency = [found.p50, found.p99, found.p99_9, found.max].map(|micros| f64::from(micros) / 1_000.0);
    // Every append that was answered must be there.
    let counted = peer.count().await?;
    if counted < all {
        return Err(Failure::failed(format!(
            "{}: {all} were acknowledged, and {counted} are there",
            kind.name()
        )));
    }
    Ok(Line {
        name: kind.name().to_owned(),
        callers: callers as u64,
        rate,
        latency,
        wal,
        stored: Some(bytes as f64 / counted as f64),
    })
}

fn wanted(rate: f64, time: Duration, smallest: u64) -> u64 {
    let wanted = (rate * time.as_secs_f64() * SPARE).ceil() as u64;
    wanted.max(smallest).min(POOL_ENTRIES_MAX)
}
