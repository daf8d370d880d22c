//! `reestr audit`: verifies registers over HTTP alone, trusting nothing that the server says of itself.
//!
//! The order of things: every checkpoint is fetched first; then `departments` and `registers` are verified, since
//! they say which keys and which definitions were in force when; then each register asked for.
//! A fault is evidence (exit 1); not being able to look is not (exit 2).

pub mod fetch;
pub mod head;
pub mod log;
pub mod platform;
pub mod register;
pub mod report;
pub mod source;
pub mod state;
pub mod withheld;
mod witnesses;

use std::path::PathBuf;
use std::time::Duration;

use domain::definitions::Definitions;
use domain::departments::Departments;
use proofs::keyring::Keyring;
use proofs::policy::Policy;
use proofs::slug::Slug;

use crate::progress::Progress;
use fetch::{CouldNotCheck, Credential, Fetch};
use log::Log;
use register::Homes;
use report::{Fault, RegisterReport, Report};
use source::Source;
use state::Pins;

/// Tries to see no key of a register end between its checkpoint and `registers` being read.
const TRIES: usize = 3;

/// Between two such tries: a server that shows only what witnesses have seen shows its registers one after the other.
const PAUSE: Duration = Duration::from_secs(1);

/// What to audit, and against what.
pub struct Request {
    /// Base URL of the server.
    pub url: String,
    /// Bearer token, and why it is used: what it may see is checked too.
    pub credential: Option<Credential>,
    /// Only this register (the platform's own are verified all the same).
    pub register: Option<Slug>,
    /// Where checkpoints and keys are kept from one audit to the next.
    pub state: Option<PathBuf>,
    /// Whose cosignatures each checkpoint must have.
    pub policy: Option<Policy>,
}

/// What the platform's own registers say: who may sign, and what is allowed.
pub struct Trust {
    /// Keys of departments, and when each was in force.
    pub departments: Departments,
    /// Definitions of registers, and when each was in force.
    pub definitions: Definitions,
    /// What the origins of their checkpoints begin with.
    pub log_name: Option<String>,
}

impl Trust {
    /// All keys with their terms.
    fn keyring(&self) -> Option<Keyring> {
        let log_name = self.log_name.as_deref()?;
        Some(domain::keyring::keyring(log_name, &self.definitions, &self.departments, None))
    }
}

/// Audits a server. `Err` means that it could not be checked, not that it is wrong.
pub async fn run(request: &Request, progress: Progress) -> Result<Report, CouldNotCheck> {
    let fetch = Source::Http(Fetch::new(&request.url, request.credential.clone())?);
    let mut pins = Pins::open(request.state.clone())?;
    let listed = fetch.registers().await?;
    if let Some(slug) = &request.register
        && !listed.contains(slug)
        && pins.get(slug).is_none()
    {
        return Err(CouldNotCheck::NoSuchRegister(slug.to_string()));
    }
    let mut report = Report::new(&request.url);
    let policy = request.policy.as_ref();
    for slug in pins.registers().filter(|slug| !listed.contains(slug)) {
        report.registers.push(RegisterReport::missing(slug.clone()));
    }

    let others: Vec<Slug> = listed.iter().filter(|slug| !platform::is_root(slug)).cloned().collect();
    let wanted: Vec<Slug> =
        others.into_iter().filter(|slug| request.register.as_ref().is_none_or(|only| only == slug)).collect();
    let mut homes = Homes::default();
    let mut tries = TRIES;
    let (logs, trust, roots) = loop {
        let mut logs = Vec::with_capacity(wanted.len());
        for slug in &wanted {
            logs.push(Log::open(&fetch, slug, &pins).await?);
        }
        // Fetched last, so that every key and definition which the other logs rely on is in them.
        let (trust, roots) = platform::verify(&fetch, &pins, &mut homes, progress).await?;
        tries -= 1;
        if tries == 0 || !logs.iter().any(|log| head::is_stale(log, &trust)) {
            break (logs, trust, roots);
        }
        tokio::time::sleep(PAUSE).await;
    };
    // What rests on registers with a fault is not verified.
    let sound = roots.iter().all(|root| root.report.faults.is_empty());
    for slug in hidden(&fetch, &trust, &listed).await?.into_iter().filter(|slug| pins.get(slug).is_none()) {
        report.registers.push(RegisterReport::hidden(slug));
    }
    if sound {
        report.keys = trust.keyring();
    }
    for mut root in roots {
        witnessed(policy, &mut root);
        finish(root, &mut report, &mut pins);
    }
    let entries: u64 = logs.iter().map(Log::size).sum();
    let bar = progress.bar("entries verified", entries);
    for log in logs {
        let mut outcome = register::verify(&fetch, log, &trust, &mut homes, &bar).await?;
        witnessed(policy, &mut outcome);
        let outcome = if sound { outcome } else { Outcome { pin: None, ..outcome } };
        finish(outcome, &mut report, &mut pins);
    }
    bar.finish();
    report.conclude();
    report.witnesses = policy.map(|policy| witnesses::summary(policy, &report)).unwrap_or_default();
    pins.save()?;
    Ok(report)
}

/// Registers that are defined and not listed. One defined since the list was read is in the next.
async fn hidden(fetch: &Source, trust: &Trust, listed: &[Slug]) -> Result<Vec<Slug>, CouldNotCheck> {
    let defined = trust.definitions.iter().map(|in_force| &in_force.definition.slug);
    let mut hidden: Vec<Slug> = defined.filter(|slug| !listed.contains(slug)).cloned().collect();
    if !hidden.is_empty() {
        let listed = fetch.registers().await?;
        hidden.retain(|slug| !listed.contains(slug));
    }
    Ok(hidden)
}

/// One register's outcome: what to report, and the checkpoint to keep if all was well.
pub struct Outcome {
    /// For the report.
    pub report: RegisterReport,
    /// The checkpoint and verifier key that were verified.
    pub pin: Option<state::Pin>,
}

/// Holds a register's verified checkpoint against the auditor's policy.
fn witnessed(policy: Option<&Policy>, outcome: &mut Outcome) {
    if let (Some(policy), Some(pin)) = (policy, &outcome.pin) {
        witnesses::check(policy, &pin.note, &mut outcome.report);
    }
}

fn finish(outcome: Outcome, report: &mut Report, pins: &mut Pins) {
    // A log with a fault keeps its old pin: the next audit must find the fault again.
    if outcome.report.faults.is_empty()
        && let Some(pin) = outcome.pin
    {
        pins.keep(outcome.report.register.clone(), pin);
    }
    report.registers.push(outcome.report);
}

/// A fault that concerns a register as a whole.
pub(crate) fn log_fault(rule: &'static str, detail: impl Into<String>) -> Fault {
    Fault { index: None, record: None, rule, detail: detail.into() }
}
