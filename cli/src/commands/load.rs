//! `reestr load`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::failure::Failure;
use crate::load::{self, Request};
use crate::output::line;
use crate::progress::Progress;

/// `reestr load`.
#[derive(Args)]
pub struct Load {
    /// PostgreSQL server to make a database on, as postgres://user@host/postgres: it is new, and dropped at the end. Without it, a
    /// temporary file of SQLite is served.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Minutes for which more is asked than the server sustains.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// How many times as much.
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    times: f64,
    /// Requests a second that it sustains; without it, they are found out first.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// What entries and choices follow from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// File to write the report to as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Loads a server of its own, and prints what came of it. The exit code is 1 when it was not as it should be.
pub async fn run(args: Load) -> Result<ExitCode, Failure> {
    let within = |name: &str, value: f64, from: f64, to: f64| {
        if (from..=to).contains(&value) {
            return Ok(value);
        }
        Err(Failure::usage(format!("--{name} is {from} to {to}")))
    };
    let request = Request {
        database: args.database,
        length: Duration::from_secs_f64(within("minutes", args.minutes, 0.01, 1_440.0)? * 60.0),
        times: within("times", args.times, 0.1, 1_000.0)?,
        rate: args.rate.map(|rate| within("rate", rate, 1.0, 100_000.0)).transpose()?,
        seed: args.seed,
    };
    let report = load::run(request, Progress::detect()).await?;
    if let Some(file) = args.json {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::because("the report", &error))?;
        fs::write(&file, text + "\n")
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", file.display())))?;
    }
    line(&report.to_string());
    Ok(if report.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
