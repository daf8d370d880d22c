//! What an audit found, as a table and as JSON.

use std::fmt;

use proofs::slug::Slug;
use serde::Serialize;
use uuid::Uuid;

/// Faults of one register that are told in full; the rest are counted.
pub const FAULTS_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub struct Fault {
    /// Leaf index, where one entry is at fault.
    pub index: Option<u64>,
    /// Its record.
    pub record: Option<Uuid>,
    /// The rule that is broken; `docs/auditors.md` lists them.
    pub rule: &'static str,
    /// What was found.
    pub detail: String,
}

/// What was found of one register.
#[derive(Debug, Serialize)]
pub struct RegisterReport {
    /// The register.
    pub register: Slug,
    /// Entries verified.
    pub entries: u64,
    /// Records that they are about.
    pub records: u64,
    /// Bodies whose digest was checked: those the auditor may see.
    pub bodies: u64,
    /// Size of the checkpoint kept from the last audit, if there was one.
    pub consistent_with: Option<u64>,
    /// What is wrong, in order; at most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more_faults: u64,
}

impl RegisterReport {
    /// A report with nothing found yet.
    pub fn new(register: Slug) -> Self {
        Self {
            register,
            entries: 0,
            records: 0,
            bodies: 0,
            consistent_with: None,
            faults: Vec::new(),
            more_faults: 0,
        }
    }

    /// A register that was there at the last audit and is not now.
    pub fn missing(register: Slug) -> Self {
        let mut report = Self::new(register);
        report.fault(super::log_fault(
            "register-missing",
            "it was there at the last audit, and is not served now",
        ));
        report
    }

    /// A register that is defined, and that the server does not list.
    pub fn hidden(register: Slug) -> Self {
        let mut report = Self::new(register);
        let detail = "an entry of `registers` defines it, and the list of registers does not show it";
        report.fault(super::log_fault("register-hidden", detail));
        report
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }
}

/// What was found of a server.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The server.
    pub url: String,
    /// True when no fault was found.
    pub verified: bool,
    /// By register.
    pub registers: Vec<RegisterReport>,
}

impl Report {
    /// A report of a server, nothing found yet.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), verified: true, registers: Vec::new() }
    }

    /// Sets the verdict; called when every register has been looked at.
    pub fn conclude(&mut self) {
        self.registers.sort_by(|a, b| a.register.cmp(&b.register));
        self.verified = self.registers.iter().all(|register| register.faults.is_empty());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.registers.iter().map(|r| r.register.as_ref().len()).max().unwrap_or(8).max(8);
        writeln!(
            f,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>10}  result",
            "register", "entries", "records", "bodies", "since"
        )?;
        for r in &self.registers {
            let since = r.consistent_with.map_or_else(|| "first".to_owned(), |size| size.to_string());
            let faults = r.faults.len() as u64 + r.more_faults;
            let result = if faults == 0 { "verified".to_owned() } else { format!("FAULTS: {faults}") };
            writeln!(
                f,
                "{:width$}  {:>9}  {:>9}  {:>9}  {since:>10}  {result}",
                r.register.as_ref(),
                r.entries,
                r.records,
                r.bodies
            )?;
        }
        for r in &self.registers {
            for fault in &r.faults {
                write!(f, "\n{}", r.register)?;
                if let Some(index) = fault.index {
                    write!(f, " index {index}")?;
                }
                if let Some(record) = fault.record {
                    write!(f, " record {record}")?;
                }
                write!(f, ": {}: {}", fault.rule, fault.detail)?;
            }
            if r.more_faults > 0 {
                write!(f, "\n{}: {} more faults", r.register, r.more_faults)?;
            }
        }
        let entries: u64 = self.registers.iter().map(|r| r.entries).sum();
        let bodies: u64 = self.registers.iter().map(|r| r.bodies).sum();
        let verdict = if self.verified { "verified" } else { "SOMETHING IS WRONG" };
        write!(f, "\n{verdict}: {} registers, {entries} entries, {bodies} bodies", self.registers.len())
    }
}
