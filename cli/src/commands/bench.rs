//! `reestr bench`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum as _};

use crate::bench::{self, Request, Section};
use crate::failure::Failure;
use crate::output::line;
use crate::progress::Progress;

/// `reestr bench`.
#[derive(Args)]
pub struct Bench {
    /// PostgreSQL server to make a database on, as postgres://user@host/postgres: it is new, and dropped at the end. Without it, a
    /// temporary file of SQLite is measured.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Directory to make temporary files in: its disk is what is measured.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Seconds for each measurement.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Only these.
    #[arg(long, value_name = "SECTION", value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Callers at once, for each of which a measurement is made.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8,32,256", value_parser = clap::value_parser!(u16).range(1..=1024))]
    callers: Vec<u16>,
    /// Registers that entries are spread over, for each of which a measurement is made.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,50,1000", value_parser = clap::value_parser!(u16).range(1..=5000))]
    registers: Vec<u16>,
    /// Bytes of an entry's body.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    body_bytes: u32,
    /// What entries follow from: the same seed makes the same entries.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Shards of the store, whose appends run at the same time on PostgreSQL.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(eventstore::SHARDS_MAX)))]
    shards: u32,
    /// Entries of the store on which projections, reading and audits are measured.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    fill: u64,
    /// Instead of all that: append so many entries in process, and show what each step of the way costs; with the last number of
    /// callers and the first number of registers.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000), conflicts_with_all = ["only", "fill"])]
    entries: Option<u64>,
    /// Keep the store of --entries, and say how to open it.
    #[arg(long, requires = "entries")]
    keep: bool,
    /// File to write the report to as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures, and prints the table.
pub async fn run(args: Bench) -> Result<(), Failure> {
    let json = args.json;
    let request = Request {
        database: args.database,
        directory: args.directory,
        seconds: Duration::from_secs(args.seconds),
        only: if args.only.is_empty() { Section::value_variants().to_vec() } else { args.only },
        callers: args.callers.into_iter().map(usize::from).collect(),
        registers: args.registers.into_iter().map(usize::from).collect(),
        body_bytes: usize::try_from(args.body_bytes).unwrap_or(usize::MAX),
        shards: args.shards,
        seed: args.seed,
        fill: args.fill,
        growth: args.entries,
        keep: args.keep,
    };
    let (report, kept) = Box::pin(bench::run(request, Progress::detect())).await?;
    if let Some(file) = json {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::because("the report", &error))?;
        fs::write(&file, text + "\n")
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", file.display())))?;
    }
    line(report.to_string().trim_end());
    if let Some(arguments) = kept {
        line(&format!("\nkept: {arguments}"));
    }
    Ok(())
}
