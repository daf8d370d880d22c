//! `reestr report`: what auditors should look at.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use api::routes::v1::reports::accesses::{ReportDocument, ReportQuery};
use clap::{Args, Subcommand};
use eventstore::Clock as _;
use serde_json::Value;

use crate::args::StoreArgs;
use crate::failure::{Failure, chain};
use crate::http::Trust;
use crate::output::line;
use crate::system::SystemClock;
use crate::why::{Why, WhyArgs};
use crate::wire;

/// `reestr report …`.
#[derive(Subcommand)]
pub enum Report {
    /// What is unusual in how officials look at what concerns people.
    Accesses(Box<Accesses>),
}

/// `reestr report accesses`.
#[derive(Args)]
pub struct Accesses {
    /// Accesses recorded at this time (RFC 3339) or later; 30 days before the end when nothing is said.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Accesses recorded before this time; now when nothing is said.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// So many persons of one official within --minutes are unusual.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub persons: u32,
    /// Length of that time.
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub minutes: u32,
    /// One purpose of one official for so many persons is unusual.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub purpose_persons: u32,
    /// So many days after its last entry about a person a department still has to do with them.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub recent_days: u32,
    /// Where the night (22:00 to 6:00) is: minutes ahead of UTC.
    #[arg(long, value_name = "N", default_value_t = 180, allow_hyphen_values = true)]
    pub utc_offset: i32,
    /// Server to ask; without it, the store is read here.
    #[arg(long, value_name = "URL", requires = "token_file")]
    pub url: Option<String>,
    /// Whom it trusts.
    #[command(flatten)]
    pub trust: Trust,
    /// File with an auditor's bearer token for the server.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<std::path::PathBuf>,
    /// Why you read.
    #[command(flatten)]
    pub why: WhyArgs,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// The store, without --url.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Makes the report and prints it.
pub async fn run(report: Report) -> Result<(), Failure> {
    let Report::Accesses(args) = report;
    let why = args.why.said()?;
    let found = match (&args.url, &args.token_file) {
        (Some(url), Some(file)) => over_http(&args, url, file, &why).await?,
        _ => here(&args, &why).await?,
    };
    if args.json {
        let text = serde_json::to_string_pretty(&found);
        line(&text.map_err(|error| Failure::because("the report", &error))?);
    } else {
        line(&table(&found));
    }
    Ok(())
}

impl Accesses {
    fn query(&self) -> ReportQuery {
        ReportQuery {
            from: self.from.clone(),
            to: self.to.clone(),
            persons: Some(self.persons),
            minutes: Some(self.minutes),
            purpose_persons: Some(self.purpose_persons),
            recent_days: Some(self.recent_days),
            utc_offset: Some(self.utc_offset),
        }
    }
}

async fn over_http(args: &Accesses, url: &str, file: &std::path::Path, why: &Why) -> Result<Value, Failure> {
    let token = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read the token in {}: {error}", file.display())))?;
    let client = args.trust.client(Duration::from_mins(1))?;
    let mut query = vec![
        ("persons", args.persons.to_string()),
        ("minutes", args.minutes.to_string()),
        ("purpose_persons", args.purpose_persons.to_string()),
        ("recent_days", args.recent_days.to_string()),
        ("utc_offset", args.utc_offset.to_string()),
    ];
    query.extend(args.from.clone().map(|from| ("from", from)));
    query.extend(args.to.clone().map(|to| ("to", to)));
    let url = format!("{}/v1/reports/accesses", url.trim_end_matches('/'));
    let mut address = reqwest::Url::parse(&url)
        .map_err(|_| Failure::usage(format!("{url:?} is not a URL such as https://registers.example.gov")))?;
    address.query_pairs_mut().extend_pairs(query);
    let request = client.get(address).bearer_auth(token.trim());
    let request = request.header("purpose", &why.purpose).header("legal-basis", &why.legal_basis);
    let answer = request.send().await;
    let answer =
        answer.map_err(|error| Failure::failed(format!("no answer from {url}: {}", chain(&error))))?;
    let status = answer.status();
    let document: Value = answer.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(document);
    }
    let said = |member: &str| document[member].as_str().unwrap_or_default().to_owned();
    Err(Failure::failed(format!("{url} answered {status}: {} {}", said("detail"), said("action"))))
}

/// From the store itself. Whoever can read it needs no leave; that they did is written down all the same.
async fn here(args: &Accesses, why: &Why) -> Result<Value, Failure> {
    let opened = wire::open(&args.store).await?;
    let query = args.query();
    let period = query.period(SystemClock.now()).map_err(Failure::usage)?;
    let thresholds = query.thresholds().map_err(Failure::usage)?;
    let runner = projections::Runner::start(&opened.store, projections::Options::default());
    let made = made(&opened, &runner, period, &thresholds, why).await;
    runner.stop().await;
    opened.store.close().await;
    made
}

async fn made(
    opened: &wire::Opened,
    runner: &projections::Runner,
    period: (proofs::time::Timestamp, proofs::time::Timestamp),
    thresholds: &projections::accesses::Thresholds,
    why: &Why,
) -> Result<Value, Failure> {
    let failed = |error: projections::ProjectionError| Failure::because("the report", &error);
    let position = opened.store.position().await.map_err(|error| Failure::because("the store", &error))?;
    for projection in ["accesses", "account"] {
        let caught_up = runner.handle().wait_for(projection, position, Duration::from_hours(1)).await;
        caught_up.map_err(failed)?;
    }
    api::routes::v1::reports::accesses::look(&opened.registry, api::accesses::Looker::local(), &purpose(why))
        .await
        .map_err(|problem| Failure::failed(format!("the report cannot be made: {}", problem.kind().title)))?;
    let knowledge = opened.registry.knowledge();
    let found = projections::accesses::report(&opened.store, &knowledge.definitions, period, thresholds);
    let found = found.await.map_err(failed)?;
    let found = found.ok_or_else(|| {
        let most = projections::accesses::ACCESSES_MAX;
        Failure::usage(format!("officials looked more than {most} times in that time; ask for a shorter one"))
    })?;
    serde_json::to_value(ReportDocument::of(found, period, thresholds))
        .map_err(|error| Failure::because("the report", &error))
}

fn purpose(why: &Why) -> api::accesses::Purpose {
    api::accesses::Purpose {
        purpose: api::accesses::words(&why.purpose),
        legal_basis: api::accesses::words(&why.legal_basis),
    }
}

/// What the patterns are called.
const PATTERNS: [(&str, &str); 5] = [
    ("outside_cases", "outside their department's cases"),
    ("many_persons", "many persons in a short time"),
    ("own_records", "their own records"),
    ("night", "by night"),
    ("same_purpose", "one purpose for many persons"),
];

/// The report for a reader: one line a finding.
fn table(report: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = format!(
        "from {} to {}: {} looks of {} officials\n",
        text(&report["from"]),
        text(&report["to"]),
        report["looks"],
        report["officials"]
    );
    for (member, title) in PATTERNS {
        let findings = report[member].as_array().map(Vec::as_slice).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(out, "\n{title}: {}\n", findings.len());
        for finding in findings {
            let _ = write!(
                out,
                "  {} of {}: {} looks at {} persons",
                text(&finding["official"]),
                text(&finding["department"]),
                finding["looks"],
                finding["persons"]
            );
            if finding["from"].is_string() {
                let _ = write!(out, ", {} to {}", text(&finding["from"]), text(&finding["to"]));
            }
            if let Some(purpose) = finding["purpose"].as_str() {
                let _ = write!(out, ", for {purpose:?}");
            }
            let first = finding["evidence"].get(0).map(text).unwrap_or_default();
            let _ = writeln!(out, "; first access {first}");
        }
    }
    out.push_str("\nA finding is a reason to ask, and no verdict. With --json, each names its accesses.");
    out
}
