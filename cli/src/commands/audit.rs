//! `reestr audit`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use proofs::keyring::Keyring;
use proofs::policy::Policy;

use crate::args::Audit;
use crate::audit::fetch::{Credential, TIMEOUT};
use crate::audit::{self, Request, Target};
use crate::failure::{Failure, chain};
use crate::memory;
use crate::output::line;
use crate::progress::Progress;

/// Something is wrong with what was audited.
const WRONG: u8 = 1;
/// The audit could not be made.
const COULD_NOT_CHECK: u8 = 2;

/// Reads whose cosignatures are asked for: the text, and what it says.
pub(super) fn policy(file: &Path) -> Result<(String, Policy), Failure> {
    let wrong = |what: &dyn std::fmt::Display| {
        Failure::usage(format!("the witness policy {}: {what}", file.display()))
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let policy = text.parse().map_err(|error| wrong(&error))?;
    Ok((text, policy))
}

/// Audits, prints the report, and says by its exit code what was found.
pub async fn run(args: Audit) -> Result<ExitCode, Failure> {
    let credential = match &args.token_file {
        Some(file) => {
            let why = args.why.said()?;
            let token = fs::read_to_string(file).map_err(|error| {
                Failure::usage(format!("cannot read the token in {}: {error}", file.display()))
            })?;
            Some(Credential { token: token.trim().to_owned(), why })
        }
        None => None,
    };
    let (rule, policy) = args.witness_policy.as_deref().map(policy).transpose()?.unzip();
    let target = match args.url {
        Some(url) => Target::Server { url, credential, client: args.trust.client(TIMEOUT)? },
        None => Target::Archives(args.archive),
    };
    let request = Request { target, register: args.register, state: args.state, policy };
    let progress = if args.json { Progress::Silent } else { Progress::detect() };
    let report = match audit::run(&request, progress).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("reestr: could not check: {}", chain(&error));
            return Ok(ExitCode::from(COULD_NOT_CHECK));
        }
    };
    if let Some(file) = &args.keys_out {
        // What the auditor asked of witnesses is verified; what the server asks of its own is only said.
        let keys = report.keys.clone().map(|keys| Keyring { witness_policy: rule, ..keys });
        write_keys(file, keys.as_ref())?;
    }
    if args.json {
        let json =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::because("the report", &error))?;
        line(&json);
    } else {
        line(&report.to_string());
        memory::tell();
    }
    Ok(if report.verified { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

/// Writes the keys that were verified; those of registers at fault are nothing to be trusted.
fn write_keys(file: &Path, keys: Option<&Keyring>) -> Result<(), Failure> {
    let Some(keys) = keys else {
        let file = file.display();
        eprintln!(
            "reestr: {file} is not written: the registers that say which keys there are could not be verified"
        );
        return Ok(());
    };
    let json = serde_json::to_string_pretty(keys).map_err(|error| Failure::because("the keys", &error))?;
    fs::write(file, json + "\n")
        .map_err(|error| Failure::usage(format!("cannot write the keys to {}: {error}", file.display())))
}
