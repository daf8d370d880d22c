//! What an audit found, as a table and as JSON.

use std::fmt;

use proofs::key::Kid;
use proofs::keyring::Keyring;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Target;
use super::records::Withheld;

/// Faults of one register that are told in full; the rest are counted.
pub const FAULTS_MAX: usize = 100;
/// Doubtful statements of one register that are named; the rest are counted. At 150 bytes each, 150 MB.
pub const DOUBTS_MAX: usize = 1_000_000;
/// Doubtful statements of one register that the table names; the JSON names all.
const DOUBTS_SHOWN: usize = 100;

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

/// A statement that may be a thief's: its key was in force, and was declared compromised later, since a time before the statement
/// was recorded. It is in the log, and it stands until those whom the law names say otherwise: a doubt is no fault.
#[derive(Debug, Serialize)]
pub struct Doubt {
    /// Leaf index.
    pub index: u64,
    /// Its record.
    pub record: Uuid,
    /// The key.
    pub kid: Kid,
    /// Since when the key may have been in other hands.
    pub since: Timestamp,
}

/// A witness's cosignature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// The witness, by its name in the policy.
    pub witness: String,
    /// As of when.
    pub at: Timestamp,
}

/// What a witness cosigned of a server.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct WitnessReport {
    /// The witness, by its name in the policy.
    pub witness: String,
    /// Registers whose checkpoint it cosigned.
    pub registers: u64,
    /// The oldest of those cosignatures.
    pub oldest: Option<Timestamp>,
    /// The newest.
    pub newest: Option<Timestamp>,
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
    /// Entries whose bodies orders have taken away: lawfully missing.
    pub withheld: Vec<Withheld>,
    /// Size of the checkpoint kept from the last audit, if there was one.
    pub consistent_with: Option<u64>,
    /// Who cosigned the checkpoint, of the witnesses of the policy, and when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cosigned: Vec<Cosigned>,
    /// What is wrong, in order; at most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more_faults: u64,
    /// Statements that a declaration of compromise makes doubtful, in order; at most [`DOUBTS_MAX`].
    pub doubtful: Vec<Doubt>,
    /// How many more there are.
    pub more_doubtful: u64,
}

impl RegisterReport {
    /// A report with nothing found yet.
    pub fn new(register: Slug) -> Self {
        Self {
            register,
            entries: 0,
            records: 0,
            bodies: 0,
            withheld: Vec::new(),
            consistent_with: None,
            cosigned: Vec::new(),
            faults: Vec::new(),
            more_faults: 0,
            doubtful: Vec::new(),
            more_doubtful: 0,
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

    /// Notes a fault. Those of the log as a whole stand first, the others in the order of the log, whenever they are found.
    pub fn fault(&mut self, fault: Fault) {
        let place = self.faults.partition_point(|known| known.index <= fault.index);
        if place < FAULTS_MAX {
            self.faults.insert(place, fault);
        }
        if place >= FAULTS_MAX || self.faults.len() > FAULTS_MAX {
            self.faults.truncate(FAULTS_MAX);
            self.more_faults += 1;
        }
    }

    /// Whether a fault of an entry is told already.
    pub fn tells(&self, index: Option<u64>) -> bool {
        self.faults.binary_search_by_key(&index, |fault| fault.index).is_ok()
    }

    /// Takes in what was found of a part of the register.
    pub fn merge(&mut self, part: Self) {
        self.entries += part.entries;
        self.records += part.records;
        self.bodies += part.bodies;
        self.withheld.extend(part.withheld);
        self.more_faults += part.more_faults;
        self.more_doubtful += part.more_doubtful;
        part.faults.into_iter().for_each(|fault| self.fault(fault));
        part.doubtful.into_iter().for_each(|doubt| self.doubt(doubt));
    }

    /// Notes a doubtful statement.
    pub fn doubt(&mut self, doubt: Doubt) {
        if self.doubtful.len() < DOUBTS_MAX {
            self.doubtful.push(doubt);
        } else {
            self.more_doubtful += 1;
        }
    }

    /// How many statements are doubtful.
    fn doubts(&self) -> u64 {
        self.doubtful.len() as u64 + self.more_doubtful
    }
}

/// What was found of a server, or of archives.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The server; null when files were audited.
    pub url: Option<String>,
    /// The archives; none when a server was.
    pub archives: Vec<String>,
    /// True when no fault was found.
    pub verified: bool,
    /// Statements of all registers that declarations of compromise make doubtful.
    pub doubtful: u64,
    /// The most memory that the audit had, in bytes; null where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// By register.
    pub registers: Vec<RegisterReport>,
    /// All keys with their terms; nothing when the registers that say them are at fault.
    #[serde(skip)]
    pub keys: Option<Keyring>,
    /// By witness, where a policy was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessReport>,
}

impl Report {
    /// A report of nothing found yet.
    pub fn new(target: &Target) -> Self {
        let (url, archives) = match target {
            Target::Server { url, .. } => (Some(url.clone()), Vec::new()),
            Target::Archives(files) => (None, files.iter().map(|file| file.display().to_string()).collect()),
        };
        Self {
            url,
            archives,
            verified: true,
            doubtful: 0,
            peak_memory_bytes: None,
            registers: Vec::new(),
            witnesses: Vec::new(),
            keys: None,
        }
    }

    /// Adds what was found of a register. Where several archives were verified in turn, each with a copy of the same log, the
    /// newest says how far it reaches; faults of the others stand before its own.
    pub fn add(&mut self, mut newer: RegisterReport) {
        let known = self.registers.iter_mut().find(|known| known.register == newer.register);
        let Some(known) = known else { return self.registers.push(newer) };
        let faults = std::mem::take(&mut newer.faults);
        let older = std::mem::replace(known, newer);
        known.more_faults += older.more_faults;
        older.faults.into_iter().chain(faults).for_each(|fault| known.fault(fault));
    }

    /// Notes a fault of a register that was looked at.
    pub fn fault(&mut self, register: &Slug, fault: Fault) {
        let known = self.registers.iter_mut().find(|known| known.register == *register);
        if let Some(known) = known {
            known.fault(fault);
        }
    }

    /// The statements that are in doubt.
    fn doubts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for r in self.registers.iter().filter(|r| r.doubts() > 0) {
            for Doubt { index, record, kid, since } in r.doubtful.iter().take(DOUBTS_SHOWN) {
                write!(f, "\n{} index {index} record {record}: doubtful: ", r.register)?;
                write!(f, "signed with {kid}, declared compromised since {since}")?;
            }
            let more = r.doubts().saturating_sub(DOUBTS_SHOWN as u64);
            if more > 0 {
                write!(f, "\n{}: {more} more doubtful statements (--json names them)", r.register)?;
            }
        }
        Ok(())
    }

    /// Sets the verdict; called when every register has been looked at.
    pub fn conclude(&mut self) {
        self.registers.sort_by(|a, b| a.register.cmp(&b.register));
        self.doubtful = self.registers.iter().map(RegisterReport::doubts).sum();
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
            let mut result = if faults == 0 { "verified".to_owned() } else { format!("FAULTS: {faults}") };
            if r.doubts() > 0 {
                result = format!("{result}, {} doubtful", r.doubts());
            }
            writeln!(
                f,
                "{:width$}  {:>9}  {:>9}  {:>9}  {since:>10}  {result}",
                r.register.as_ref(),
                r.entries,
                r.records,
                r.bodies
            )?;
        }
        for w in &self.witnesses {
            write!(
                f,
                "\nwitness {} cosigned {} of {} registers",
                w.witness,
                w.registers,
                self.registers.len()
            )?;
            if let (Some(oldest), Some(newest)) = (w.oldest, w.newest) {
                write!(f, ", between {oldest} and {newest}")?;
            }
        }
        if !self.witnesses.is_empty() {
            writeln!(f)?;
        }
        for r in &self.registers {
            for withheld in &r.withheld {
                let Withheld { index, record, version, by } = withheld;
                write!(
                    f,
                    "\n{} index {index} record {record}: version {version} is lawfully withheld",
                    r.register
                )?;
                write!(f, ", by the order at index {by}")?;
            }
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
        self.doubts(f)?;
        let entries: u64 = self.registers.iter().map(|r| r.entries).sum();
        let bodies: u64 = self.registers.iter().map(|r| r.bodies).sum();
        let verdict = if self.verified { "verified" } else { "SOMETHING IS WRONG" };
        let doubtful =
            if self.doubtful > 0 { format!(", {} doubtful", self.doubtful) } else { String::new() };
        write!(
            f,
            "\n{verdict}{doubtful}: {} registers, {entries} entries, {bodies} bodies",
            self.registers.len()
        )?;
        let withheld: usize = self.registers.iter().map(|r| r.withheld.len()).sum();
        if withheld > 0 {
            write!(f, ", {withheld} withheld")?;
        }
        Ok(())
    }
}
