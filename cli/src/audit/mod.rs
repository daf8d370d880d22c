//! `reestr audit`: verifies registers over HTTP or from archives alone, trusting nothing that they say of themselves.
//!
//! The order of things: every checkpoint is fetched first; then `departments` and `registers` are verified, since
//! they say which keys and which definitions were in force when; then each register asked for.
//! A fault is evidence (exit 1); not being able to look is not (exit 2).

pub mod archive;
pub mod fetch;
pub mod head;
pub mod homes;
pub mod log;
pub mod platform;
pub mod records;
pub mod register;
pub mod report;
pub mod source;
pub mod spill;
pub mod state;
mod witnesses;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::definitions::Definitions;
use domain::departments::Departments;
use proofs::keyring::Keyring;
use proofs::policy::Policy;
use proofs::slug::Slug;

use crate::memory;
use crate::progress::Progress;
use archive::Found;
use fetch::{CouldNotCheck, Credential, Fetch};
use homes::Homes;
use log::Log;
use report::{Fault, RegisterReport, Report};
use source::Source;
use state::Pins;

/// Tries to see no key of a register end between its checkpoint and `registers` being read.
const TRIES: usize = 3;

/// Between two such tries: a server that shows only what witnesses have seen shows its registers one after the other.
const PAUSE: Duration = Duration::from_secs(1);

/// What to audit.
pub enum Target {
    /// A server.
    Server {
        /// Its base URL.
        url: String,
        /// Bearer token, and why it is used: what it may see is checked too.
        credential: Option<Credential>,
        /// What asks it.
        client: reqwest::Client,
    },
    /// Archives of one installation.
    Archives(Vec<PathBuf>),
}

/// What to audit, and against what.
pub struct Request {
    /// What to audit.
    pub target: Target,
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

/// Audits a server, or archives. `Err` means that it could not be checked, not that it is wrong.
pub async fn run(request: &Request, progress: Progress) -> Result<Report, CouldNotCheck> {
    let mut audit = Audit {
        policy: request.policy.as_ref(),
        pins: Pins::open(request.state.clone())?,
        homes: Homes::default(),
        report: Report::new(&request.target),
        progress,
    };
    match &request.target {
        Target::Server { url, credential, client } => {
            let source = Source::Http(Fetch::new(url, credential.clone(), client.clone())?);
            audit.server(&source, request.register.as_ref()).await?;
        }
        Target::Archives(files) => audit.archives(files).await?,
    }
    std::mem::take(&mut audit.homes).conclude(&mut audit.report)?;
    for faulty in audit.report.registers.iter().filter(|register| !register.faults.is_empty()) {
        audit.pins.give_up(&faulty.register);
    }
    audit.report.conclude();
    let summary = audit.policy.map(|policy| witnesses::summary(policy, &audit.report));
    audit.report.witnesses = summary.unwrap_or_default();
    audit.pins.save()?;
    audit.report.peak_memory_bytes = memory::peak_bytes();
    Ok(audit.report)
}

/// An audit under way.
struct Audit<'a> {
    policy: Option<&'a Policy>,
    pins: Pins,
    homes: Homes,
    report: Report,
    progress: Progress,
}

impl Audit<'_> {
    /// Everything that a server says it has, or one register of it.
    async fn server(&mut self, source: &Source, only: Option<&Slug>) -> Result<(), CouldNotCheck> {
        let listed = source.registers().await?;
        if let Some(slug) = only
            && !listed.contains(slug)
            && self.pins.get(slug).is_none()
        {
            return Err(CouldNotCheck::NoSuchRegister(slug.to_string()));
        }
        // Whoever asks for one register asks of no other whether it is there.
        let asked = |slug: &&Slug| only.is_none_or(|only| only == *slug);
        for slug in self.pins.registers().filter(asked).filter(|slug| !listed.contains(slug)) {
            self.report.add(RegisterReport::missing(slug.clone()));
        }
        let wanted: Vec<Slug> = listed.iter().filter(asked).cloned().collect();
        let trust = self.logs(source, &wanted).await?;
        let hidden = if only.is_none() { hidden(source, &trust, &listed).await? } else { Vec::new() };
        for slug in hidden.into_iter().filter(|slug| self.pins.get(slug).is_none()) {
            self.report.add(RegisterReport::hidden(slug));
        }
        Ok(())
    }

    /// Archives, the oldest first: so each is checked against those before it, as against what was kept.
    async fn archives(&mut self, files: &[PathBuf]) -> Result<(), CouldNotCheck> {
        let mut found = files.iter().map(|file| Found::open(file)).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|found| archive::age(found.heads()));
        for found in found {
            match found {
                Found::Broken(heads, fault) => {
                    let mut report = RegisterReport::new(heads.register);
                    report.fault(fault);
                    self.report.add(report);
                }
                Found::Whole(archive) => {
                    let mut opened = RegisterReport::new(archive.register().clone());
                    archive.faults().into_iter().for_each(|fault| opened.fault(fault));
                    self.report.add(opened);
                    let wanted = [archive.register().clone()];
                    self.logs(&Source::Archive(archive), &wanted).await?;
                }
            }
        }
        Ok(())
    }

    /// The two registers that all rest on, and these.
    async fn logs(&mut self, source: &Source, wanted: &[Slug]) -> Result<Arc<Trust>, CouldNotCheck> {
        let mut tries = TRIES;
        let (logs, trust, roots) = loop {
            let mut logs = Vec::with_capacity(wanted.len());
            for slug in wanted.iter().filter(|slug| !platform::is_root(slug)) {
                logs.push(Log::open(source, slug, &self.pins).await?);
            }
            // Fetched last, so that every key and definition which the other logs rely on is in them.
            let (trust, roots) = platform::verify(source, &self.pins, &mut self.homes, self.progress).await?;
            tries -= 1;
            if tries == 0 || !logs.iter().any(|log| head::is_stale(log, &trust)) {
                break (logs, trust, roots);
            }
            tokio::time::sleep(PAUSE).await;
        };
        // What rests on registers with a fault is not verified.
        let sound = roots.iter().all(|root| root.report.faults.is_empty());
        self.report.keys = if sound { trust.keyring() } else { None };
        for mut root in roots {
            witnessed(self.policy, &mut root);
            finish(root, &mut self.report, &mut self.pins);
        }
        let trust = Arc::new(trust);
        let entries: u64 = logs.iter().map(Log::size).sum();
        let bar = self.progress.bar("entries verified", entries);
        for log in logs {
            let mut outcome = register::verify(source, log, &trust, &mut self.homes, &bar).await?;
            witnessed(self.policy, &mut outcome);
            let outcome = if sound { outcome } else { Outcome { pin: None, ..outcome } };
            finish(outcome, &mut self.report, &mut self.pins);
        }
        bar.finish();
        Ok(trust)
    }
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
    report.add(outcome.report);
}

/// A fault that concerns a register as a whole.
pub(crate) fn log_fault(rule: &'static str, detail: impl Into<String>) -> Fault {
    Fault { index: None, record: None, rule, detail: detail.into() }
}
