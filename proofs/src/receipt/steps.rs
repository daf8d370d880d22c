//! A receipt examined step by step, for people: what was looked at, and how it turned out.
//!
//! One rule for everyone who verifies a receipt: `reestr verify receipt` prints these steps, the page `/verify` goes the same
//! way in the browser, and `fixtures/vectors/receipts` hold both to it.

use serde::Serialize;
use uuid::Uuid;

use super::{Receipt, ReceiptError, check_body};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::hash::leaf_hash;
use crate::keyring::{Keyring, RegisterKey};
use crate::leaf::Leaf;
use crate::merkle::{ProofError, verify_inclusion};
use crate::note::{NoteError, SignedNote};
use crate::policy::{self, Policy};
use crate::slug::{EntryType, Slug};
use crate::time::Timestamp;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// It is a receipt: its members, the proof and the checkpoint are written as the format says.
    Receipt,
    /// The leaf is one: a time, and a statement.
    Leaf,
    /// The path is as long as it must be from this leaf in a tree of this size.
    Path,
    /// The path leads to the root in the checkpoint.
    Root,
    /// The register's key signed the checkpoint.
    Checkpoint,
    /// Witnesses cosigned the checkpoint.
    Witnesses,
    /// The issuer's key signed the statement.
    Statement,
    /// That key was in force when the entry was recorded.
    Key,
    /// The body is the one that was stated.
    Body,
}

/// All of them.
pub const STEPS: [StepName; 9] = [
    StepName::Receipt,
    StepName::Leaf,
    StepName::Path,
    StepName::Root,
    StepName::Checkpoint,
    StepName::Witnesses,
    StepName::Statement,
    StepName::Key,
    StepName::Body,
];

impl StepName {
    /// As it is written in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Leaf => "leaf",
            Self::Path => "path",
            Self::Root => "root",
            Self::Checkpoint => "checkpoint",
            Self::Witnesses => "witnesses",
            Self::Statement => "statement",
            Self::Key => "key",
            Self::Body => "body",
        }
    }
}

/// How a step turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it must be.
    Passed,
    /// As it must be, but by a key that was declared compromised: someone else may have made it.
    Doubtful,
    /// Wrong.
    Failed,
    /// There was nothing to look at.
    Absent,
    /// Not looked at, since a step before failed.
    Unchecked,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub step: StepName,
    /// How it turned out.
    pub outcome: Outcome,
    /// In words. Nothing of the body is in them.
    pub detail: String,
}

/// What all steps come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is wrong.
    Verified,
    /// Nothing is wrong, but who signed the statement is in doubt.
    Doubtful,
    /// Something is wrong: the receipt proves nothing.
    Faulty,
}

/// What a receipt that is not faulty proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// The register.
    pub register: Slug,
    /// The entry's index in it.
    pub index: u64,
    /// The record.
    pub record: Uuid,
    /// Its version that the entry made.
    pub version: u64,
    /// The entry's type.
    #[serde(rename = "type")]
    pub entry_type: EntryType,
    /// The department that stated it.
    pub issuer: Slug,
    /// From when it has legal effect.
    pub effective_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Entries in the register by the checkpoint.
    pub size: u64,
    /// Who cosigned the checkpoint, and when: the entry is not younger than the first of them.
    pub witnessed: Vec<Witnessed>,
    /// Is what the entry says shown, and proved?
    pub body_shown: bool,
}

/// A witness that cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// Its name in the policy.
    pub witness: String,
    /// When.
    pub at: Timestamp,
}

/// What an examination found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// The verdict.
    pub verdict: Verdict,
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// What is proved; nothing when something is wrong.
    pub proven: Option<Proven>,
}

impl Examination {
    /// The step that failed.
    pub fn failed(&self) -> Option<StepName> {
        self.steps.iter().find(|step| step.outcome == Outcome::Failed).map(|step| step.step)
    }
}

/// Examines a receipt's JSON with the keys that its reader trusts.
///
/// `policy` is the reader's own rule on witnesses, which must be met. Where the reader has none, that of the installation
/// among the keys says whom to look for, but an older receipt may have fewer of them.
pub fn examine(receipt: &[u8], keys: &Keyring, policy: Option<&Policy>) -> Examination {
    // A keyring that was read has a policy that can be read.
    let installation = keys.policy().ok().flatten();
    let rule = policy.or(installation.as_ref());
    let mut walk = Walk { keys, rule, required: policy.is_some(), steps: Vec::with_capacity(STEPS.len()) };
    let proven = walk.walk(receipt);
    let mut steps = walk.steps;
    let proven = proven.map_err(|step| steps.push(step)).ok();
    // A later step is looked at only when those before it are right: what follows a fault is not known.
    for step in STEPS.into_iter().skip(steps.len()) {
        steps.push(Step { step, outcome: Outcome::Unchecked, detail: "not looked at".to_owned() });
    }
    let doubtful = steps.iter().any(|step| step.outcome == Outcome::Doubtful);
    let verdict = match (&proven, doubtful) {
        (None, _) => Verdict::Faulty,
        (Some(_), true) => Verdict::Doubtful,
        (Some(_), false) => Verdict::Verified,
    };
    Examination { verdict, steps, proven }
}

struct Walk<'a> {
    keys: &'a Keyring,
    /// The rule on witnesses.
    rule: Option<&'a Policy>,
    /// Must it be met?
    required: bool,
    steps: Vec<Step>,
}

fn failed(step: StepName, detail: String) -> Step {
    Step { step, outcome: Outcome::Failed, detail }
}

impl Walk<'_> {
    fn note(&mut self, step: StepName, outcome: Outcome, detail: impl Into<String>) {
        self.steps.push(Step { step, outcome, detail: detail.into() });
    }

    fn pass(&mut self, step: StepName, detail: impl Into<String>) {
        self.note(step, Outcome::Passed, detail);
    }

    fn walk(&mut self, receipt: &[u8]) -> Result<Proven, Step> {
        let (receipt, note, checkpoint) = self.receipt(receipt)?;
        let leaf = self.leaf(&receipt)?;
        self.inclusion(&receipt, &checkpoint)?;
        let asked = self.rule.map(|rule| (rule, rule.check(&note)));
        self.checkpoint(&leaf, &note, &checkpoint, asked.as_ref())?;
        let witnessed = self.witnesses(asked.as_ref())?;
        self.statement(&leaf)?;
        let body_shown = self.body(&receipt, &leaf)?;
        let statement = leaf.statement.statement().clone();
        Ok(Proven {
            register: statement.register,
            index: receipt.index,
            record: statement.record,
            version: statement.version,
            entry_type: statement.entry_type,
            issuer: statement.issuer,
            effective_at: statement.effective_at,
            recorded_at: leaf.recorded_at,
            size: checkpoint.size,
            witnessed,
            body_shown,
        })
    }

    fn receipt(&mut self, bytes: &[u8]) -> Result<(Receipt, SignedNote, Checkpoint), Step> {
        let wrong = |error: ReceiptError| failed(StepName::Receipt, error.to_string());
        let receipt = Receipt::parse(bytes).map_err(wrong)?;
        if receipt.index != receipt.proof.index {
            return Err(wrong(ReceiptError::Index));
        }
        let note = SignedNote::parse(&receipt.proof.checkpoint);
        let note = note.map_err(|error| wrong(CheckpointError::from(error).into()))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| wrong(error.into()))?;
        self.pass(StepName::Receipt, "the receipt, its proof and its checkpoint are well formed");
        Ok((receipt, note, checkpoint))
    }

    fn leaf(&mut self, receipt: &Receipt) -> Result<Leaf, Step> {
        let leaf = Leaf::parse(&receipt.leaf).map_err(|error| failed(StepName::Leaf, error.to_string()))?;
        let statement = leaf.statement.statement();
        self.pass(
            StepName::Leaf,
            format!(
                "{} states `{}`, version {} of record {} of {}, recorded at {}",
                statement.issuer,
                statement.entry_type,
                statement.version,
                statement.record,
                statement.register,
                leaf.recorded_at
            ),
        );
        Ok(leaf)
    }

    fn inclusion(&mut self, receipt: &Receipt, checkpoint: &Checkpoint) -> Result<(), Step> {
        let (path, size) = (&receipt.proof.path, checkpoint.size);
        let result = verify_inclusion(&leaf_hash(&receipt.leaf), receipt.index, size, path, &checkpoint.root);
        if let Err(error) = result
            && error != ProofError::Root
        {
            return Err(failed(StepName::Path, error.to_string()));
        }
        let index = receipt.index;
        self.pass(StepName::Path, format!("{} hashes lead from entry {index} of {size}", path.len()));
        result.map_err(|error| failed(StepName::Root, error.to_string()))?;
        self.pass(StepName::Root, format!("they lead to the root in the checkpoint, {}", checkpoint.root));
        Ok(())
    }

    fn checkpoint(
        &mut self,
        leaf: &Leaf,
        note: &SignedNote,
        checkpoint: &Checkpoint,
        asked: Option<&Asked<'_>>,
    ) -> Result<(), Step> {
        let wrong = |detail: String| failed(StepName::Checkpoint, detail);
        let register = &leaf.statement.statement().register;
        let origin = checkpoint::origin(&self.keys.log_name, register);
        if checkpoint.origin != origin {
            return Err(wrong(format!(
                "the checkpoint is of {}, the statement of {origin}",
                checkpoint.origin
            )));
        }
        let mut signers = Vec::new();
        for key in self.keys.register(register) {
            match note.verify(&key.vkey) {
                Ok(()) => signers.push(key),
                Err(NoteError::NotSigned) => {}
                Err(error) => return Err(wrong(error.to_string())),
            }
        }
        if signers.is_empty() {
            let detail = "no key that is trusted for this register signed the checkpoint; if the receipt is newer than the keys, get them anew";
            return Err(wrong(detail.to_owned()));
        }
        // A receipt outlives the key: it is good under one that was retired since, but not under one retired before.
        signers.retain(|key| key.until.is_none_or(|until| leaf.recorded_at <= until));
        if signers.is_empty() {
            return Err(wrong("the key that signed it was retired before the entry was recorded".to_owned()));
        }
        if let Some(key) = signers.iter().find(|key| key.compromised_since.is_none()) {
            self.pass(StepName::Checkpoint, signed(key));
            return Ok(());
        }
        let older = |key: &&&RegisterKey| {
            key.compromised_since
                .is_some_and(|since| asked.is_some_and(|asked| witnessed_before(asked, since)))
        };
        let Some(key) = signers.iter().find(older) else { return Err(wrong(compromised(&signers))) };
        let detail =
            format!("{}; it was declared compromised, but witnesses saw this checkpoint before", signed(key));
        self.pass(StepName::Checkpoint, detail);
        Ok(())
    }

    fn witnesses(&mut self, asked: Option<&Asked<'_>>) -> Result<Vec<Witnessed>, Step> {
        let wrong = |detail: String| failed(StepName::Witnesses, detail);
        let Some((_, found)) = asked else {
            self.note(StepName::Witnesses, Outcome::Absent, "no rule on witnesses was given");
            return Ok(Vec::new());
        };
        let mut witnessed: Vec<Witnessed> = found
            .cosigned
            .iter()
            .map(|(name, time)| Witnessed { witness: name.clone(), at: moment(*time) })
            .collect();
        witnessed.sort_by_key(|witnessed| witnessed.at);
        let names: Vec<String> =
            witnessed.iter().map(|one| format!("{} ({})", one.witness, one.at)).collect();
        let names = names.join(", ");
        if !found.false_lines.is_empty() {
            return Err(wrong(format!(
                "the cosignature of {} does not verify",
                found.false_lines.join(", ")
            )));
        }
        if self.required && !found.log {
            return Err(wrong("no log that the rule on witnesses names signed the checkpoint".to_owned()));
        }
        if self.required && !found.quorum {
            let names = if names.is_empty() { "nobody" } else { &names };
            return Err(wrong(format!("the rule on witnesses is not met: {names} cosigned")));
        }
        match witnessed.first() {
            Some(first) => {
                let detail = format!(
                    "cosigned by {names}: the entry was in the register at {} at the latest",
                    first.at
                );
                self.pass(StepName::Witnesses, detail);
            }
            None => {
                self.note(StepName::Witnesses, Outcome::Absent, "no witness that the rule names cosigned");
            }
        }
        Ok(witnessed)
    }

    fn statement(&mut self, leaf: &Leaf) -> Result<(), Step> {
        let (issuer, kid) = (&leaf.statement.statement().issuer, leaf.statement.kid());
        let Some((key, public)) = self.keys.department(issuer, kid) else {
            let detail = format!(
                "{issuer} has no key {kid} among the keys; if the receipt is newer than the keys, get them anew"
            );
            return Err(failed(StepName::Statement, detail));
        };
        leaf.statement.verify(&public).map_err(|error| failed(StepName::Statement, error.to_string()))?;
        self.pass(StepName::Statement, format!("{issuer} signed it with its key {kid}"));
        if !key.in_force(leaf.recorded_at) {
            let until = key.until.map_or_else(String::new, |until| format!(" to {until}"));
            let detail =
                format!("the key was in force from {}{until}, and not when the entry was recorded", key.from);
            return Err(failed(StepName::Key, detail));
        }
        match key.compromised_since.filter(|since| *since <= leaf.recorded_at) {
            Some(since) => {
                let detail = format!(
                    "the key was in force, but was later declared compromised since {since}: whoever stole it may have signed this"
                );
                self.note(StepName::Key, Outcome::Doubtful, detail);
            }
            None => self.pass(StepName::Key, "the key was in force when the entry was recorded"),
        }
        Ok(())
    }

    fn body(&mut self, receipt: &Receipt, leaf: &Leaf) -> Result<bool, Step> {
        match (&receipt.body, &receipt.salt) {
            (None, None) => {
                self.note(
                    StepName::Body,
                    Outcome::Absent,
                    "the body is not in the receipt: withheld, or not shown to its reader",
                );
                Ok(false)
            }
            (Some(body), Some(salt)) => {
                check_body(body, salt, leaf).map_err(|error| failed(StepName::Body, error.to_string()))?;
                self.pass(StepName::Body, "the body is the one that was stated");
                Ok(true)
            }
            _ => Err(failed(StepName::Body, ReceiptError::Salt.to_string())),
        }
    }
}

/// A rule on witnesses, and what it says of the checkpoint.
type Asked<'a> = (&'a Policy, policy::Verdict);

/// Did witnesses who suffice cosign before this moment? A rule that asks for nobody shows nothing.
fn witnessed_before((rule, found): &Asked<'_>, since: Timestamp) -> bool {
    let before =
        |name: &str| found.cosigned.iter().any(|(witness, time)| witness == name && moment(*time) < since);
    !rule.asks_for_none() && found.false_lines.is_empty() && rule.met(|witness| before(&witness.name))
}

/// A time in seconds since 1970.
fn moment(seconds: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000))
}

fn signed(key: &RegisterKey) -> String {
    let retired = key.until.map_or_else(String::new, |until| format!(", retired at {until}"));
    format!("signed by {} with key {:08x}{retired}", key.vkey.name(), key.vkey.id())
}

fn compromised(signers: &[&RegisterKey]) -> String {
    let since = signers.iter().filter_map(|key| key.compromised_since).max();
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    format!(
        "it is signed only with a key declared compromised{since}, and no witnesses show that it is older"
    )
}
