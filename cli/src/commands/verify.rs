//! `reestr verify`: what a person holds in their hand, checked.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use proofs::keyring::Keyring;
use proofs::receipt::{self, Examination, Outcome, Verdict};

use super::audit::policy;
use crate::audit::fetch::{CouldNotCheck, Fetch, TIMEOUT};
use crate::failure::{Failure, chain};
use crate::http::Trust;
use crate::output::line;

/// The receipt proves nothing.
const WRONG: u8 = 1;
/// Where the keys are on a server.
const KEYS_PATH: &str = "/v1/keys";

/// `reestr verify …`.
#[derive(Subcommand)]
pub enum Verify {
    /// Verify a receipt, or a page that shows one: exit 0 verified, 1 something is wrong, 2 could not check.
    Receipt(Receipt),
}

/// `reestr verify receipt`.
#[derive(Args)]
pub struct Receipt {
    /// The receipt as JSON, or the page or text that has one.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The keys that you trust: a file that `reestr audit --keys-out` wrote, or a server, whose word is then taken.
    #[arg(long, value_name = "FILE|URL")]
    keys: String,
    /// Whom it trusts.
    #[command(flatten)]
    trust: Trust,
    /// C2SP tlog-policy: witnesses that must have cosigned the checkpoint.
    #[arg(long, value_name = "FILE")]
    witness_policy: Option<PathBuf>,
    /// Print every step as JSON.
    #[arg(long)]
    json: bool,
}

/// Verifies, prints each step, and says by its exit code what was found.
pub async fn run(args: Verify) -> Result<ExitCode, Failure> {
    let Verify::Receipt(args) = args;
    let document = fs::read(&args.file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.file.display())))?;
    let receipt = receipt::text::find(&document).ok_or_else(|| {
        let file = args.file.display();
        Failure::usage(format!("{file} has no receipt: it is neither JSON nor a text or page that holds one"))
    })?;
    let keys = keys(&args.keys, &args.trust).await?;
    let policy = args.witness_policy.as_deref().map(policy).transpose()?;
    let found = receipt::examine(&receipt, &keys, policy.as_ref().map(|(_, policy)| policy));
    if args.json {
        let json = serde_json::to_string_pretty(&found);
        line(&json.map_err(|error| Failure::because("the result", &error))?);
    } else {
        line(&table(&found));
    }
    Ok(if found.verdict == Verdict::Faulty { ExitCode::from(WRONG) } else { ExitCode::SUCCESS })
}

/// The keys in a file, or those that a server says it has.
async fn keys(from: &str, trust: &Trust) -> Result<Keyring, Failure> {
    let bytes = if from.starts_with("http://") || from.starts_with("https://") {
        let client = trust.client(TIMEOUT)?;
        let served = served(from, client).await;
        served.map_err(|error| Failure::usage(format!("could not check: {}", chain(&error))))?
    } else {
        fs::read(from).map_err(|error| Failure::usage(format!("cannot read the keys in {from}: {error}")))?
    };
    Keyring::parse(&bytes).map_err(|error| Failure::usage(format!("{from}: {error}")))
}

async fn served(url: &str, client: reqwest::Client) -> Result<Vec<u8>, CouldNotCheck> {
    let url = url.trim_end_matches('/');
    let base = url.strip_suffix(KEYS_PATH).unwrap_or(url);
    Fetch::new(base, None, client)?.bytes(KEYS_PATH).await
}

fn table(found: &Examination) -> String {
    let mut text = String::new();
    for step in &found.steps {
        let outcome = match step.outcome {
            Outcome::Passed => "ok",
            Outcome::Doubtful => "DOUBTFUL",
            Outcome::Failed => "WRONG",
            Outcome::Absent | Outcome::Unchecked => "-",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:10}  {outcome:8}  {}", step.step.as_str(), step.detail);
    }
    let verdict = match (&found.proven, found.verdict) {
        (Some(proven), verdict) => {
            let says = if proven.body_shown {
                "and says what the receipt shows"
            } else {
                "what it says is not shown"
            };
            let doubt = if verdict == Verdict::Doubtful { "DOUBTFUL: " } else { "" };
            format!(
                "{doubt}verified: {} recorded `{}` as entry {} of {} at {}; {says}",
                proven.issuer, proven.entry_type, proven.index, proven.register, proven.recorded_at
            )
        }
        (None, _) => "SOMETHING IS WRONG: the receipt proves nothing".to_owned(),
    };
    let _ = write!(text, "\n{verdict}");
    text
}
