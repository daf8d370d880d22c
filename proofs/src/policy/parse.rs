//! Reading a policy, line by line. What is refused is refused with its line and the reason.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use super::{Group, LINES_MAX, Member, POLICY_BYTES_MAX, Policy, PolicyLog, Quorum, Witness};
use crate::key::PublicKey;
use crate::note::{KeyType, NoteError, VerifierKey};

/// The name of no witness.
const NONE: &str = "none";

/// Why a policy is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct PolicyFault {
    /// The line, from 1; that after the last, where something is missing.
    pub line: usize,
    /// What is wrong there.
    #[source]
    pub fault: PolicyError,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than [`POLICY_BYTES_MAX`], or more than [`LINES_MAX`] logs, witnesses or groups.
    #[error("the policy is too long")]
    TooLong,
    /// A control character other than tab and newline.
    #[error("a policy has no control characters but tabs and newlines")]
    Character,
    /// The last line has no newline.
    #[error("each line ends in a newline")]
    Newline,
    /// The first word is none of the four.
    #[error("a line begins with log, witness, group or quorum, or with # for a comment")]
    Keyword,
    /// Too few or too many words.
    #[error("write log VKEY [URL], witness NAME VKEY [URL], group NAME all|any|K NAME…, or quorum NAME")]
    Words,
    /// The verifier key is malformed.
    #[error("the key is refused: {0}")]
    Key(#[from] NoteError),
    /// A log with a key of another type.
    #[error("a log's key is of type 0x01 (Ed25519)")]
    LogKey,
    /// A witness with a key of another type.
    #[error("a witness's key is of type 0x04 (Ed25519 cosignature)")]
    WitnessKey,
    /// The same public key twice, under whatever names.
    #[error("the same public key stands on an earlier line")]
    DuplicateKey,
    /// A name twice, or `none`.
    #[error("the name is taken: witnesses and groups share their names, and none is no name")]
    DuplicateName,
    /// A name that no line before defines.
    #[error("no witness or group of this name is defined before this line")]
    UnknownName,
    /// A member of two groups, or twice of one.
    #[error("a witness or group is a member of one group at most, once")]
    DuplicateMember,
    /// The threshold is not 1 to the number of members.
    #[error("the threshold is all, any, or a decimal from 1 to the number of members")]
    Threshold,
    /// A second quorum.
    #[error("there is one quorum line, and this is the second")]
    SecondQuorum,
    /// No quorum.
    #[error("there is no quorum line")]
    NoQuorum,
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    logs: Vec<PolicyLog>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Quorum>,
    names: HashMap<String, Member>,
    log_keys: HashSet<PublicKey>,
    witness_keys: HashSet<PublicKey>,
    members: HashSet<String>,
}

impl FromStr for Policy {
    type Err = PolicyFault;

    fn from_str(text: &str) -> Result<Self, PolicyFault> {
        let at = |line: usize, fault: PolicyError| PolicyFault { line, fault };
        if text.len() > POLICY_BYTES_MAX {
            return Err(at(1, PolicyError::TooLong));
        }
        let mut reading = Reading::default();
        let mut last = 0;
        for (line, words) in (1..).zip(text.split_inclusive('\n')) {
            last = line;
            let words = words.strip_suffix('\n').ok_or_else(|| at(line, PolicyError::Newline))?;
            if words.bytes().any(|byte| byte == 0x7f || (byte < 0x20 && byte != b'\t')) {
                return Err(at(line, PolicyError::Character));
            }
            reading.line(words).map_err(|fault| at(line, fault))?;
        }
        let quorum = reading.quorum.ok_or_else(|| at(last + 1, PolicyError::NoQuorum))?;
        let Reading { logs, witnesses, groups, .. } = reading;
        Ok(Self { logs, witnesses, groups, quorum })
    }
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<(), PolicyError> {
        // White space is spaces and tabs only: any other is part of a word.
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(()) };
        let words: Vec<&str> = words.collect();
        match (first, words.as_slice()) {
            ("log", [key]) => self.log(key, None),
            ("log", [key, url]) => self.log(key, Some(url)),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("group", [name, threshold, members @ ..]) if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            ("quorum", [name]) => self.quorum(name),
            ("log" | "witness" | "group" | "quorum", _) => Err(PolicyError::Words),
            _ => Err(PolicyError::Keyword),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), PolicyError> {
        let key: VerifierKey = key.parse()?;
        if key.key_type() != KeyType::Ed25519 {
            return Err(PolicyError::LogKey);
        }
        if !self.log_keys.insert(*key.key()) {
            return Err(PolicyError::DuplicateKey);
        }
        bounded(self.logs.len())?;
        self.logs.push(PolicyLog { key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), PolicyError> {
        let key: VerifierKey = key.parse()?;
        if key.key_type() != KeyType::Cosignature {
            return Err(PolicyError::WitnessKey);
        }
        if !self.witness_keys.insert(*key.key()) {
            return Err(PolicyError::DuplicateKey);
        }
        bounded(self.witnesses.len())?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: name.to_owned(), key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), PolicyError> {
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            members.push(*self.names.get(*member).ok_or(PolicyError::UnknownName)?);
            if !self.members.insert((*member).to_owned()) {
                return Err(PolicyError::DuplicateMember);
            }
        }
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            decimal => crate::encoding::decimal(decimal)
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| (1..=members.len()).contains(k))
                .ok_or(PolicyError::Threshold)?,
        };
        bounded(self.groups.len())?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyError> {
        if self.quorum.is_some() {
            return Err(PolicyError::SecondQuorum);
        }
        let quorum = match name {
            NONE => Quorum::None,
            name => Quorum::Of(*self.names.get(name).ok_or(PolicyError::UnknownName)?),
        };
        self.quorum = Some(quorum);
        Ok(())
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), PolicyError> {
        if name == NONE || self.names.insert(name.to_owned(), member).is_some() {
            return Err(PolicyError::DuplicateName);
        }
        Ok(())
    }
}

fn bounded(lines: usize) -> Result<(), PolicyError> {
    if lines < LINES_MAX { Ok(()) } else { Err(PolicyError::TooLong) }
}
