//! Whose cosignatures suffice (C2SP tlog-policy): logs, witnesses, and a quorum of them.
//!
//! A policy is the reader's own rule; a log that publishes only what is cosigned has one too. Names in it mean nothing outside it.
//! Names must be UTF-8 here, as the rest of the file; a policy of opaque bytes that are not is refused.

mod parse;

pub use parse::{PolicyError, PolicyFault};

use crate::note::{NoteError, SignedNote, VerifierKey};

/// Longest policy we read.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;
/// Most logs, most witnesses and most groups, each: the specification asks for 32 at least.
pub const LINES_MAX: usize = 1_024;

/// A policy, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Quorum,
}

/// A log that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the key's name is its origin.
    pub key: VerifierKey,
    /// Where it is.
    pub url: Option<String>,
}

/// A witness that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name in the policy.
    pub name: String,
    /// Its key, of type 0x04.
    pub key: VerifierKey,
    /// Its submission prefix.
    pub url: Option<String>,
}

/// Who witnesses: an index into the policy's witnesses or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    None,
    Of(Member),
}

/// What a policy says of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The names of those who cosigned, as the policy has them, and when (seconds since 1970).
    pub cosigned: Vec<(String, u64)>,
    /// Witnesses whose line is in the note and does not verify: it spoils the note.
    pub false_lines: Vec<String>,
    /// Whether they suffice, and no line is false.
    pub quorum: bool,
    /// Whether one of the policy's logs signed it; true where the policy names none.
    pub log: bool,
}

impl Policy {
    /// The logs; where there are none, which log it is must be known from elsewhere.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether no cosignature is needed at all.
    pub fn asks_for_none(&self) -> bool {
        self.quorum == Quorum::None
    }

    /// Whether the quorum is met when those witnesses cosigned for whom `cosigned` holds.
    pub fn met(&self, cosigned: impl Fn(&Witness) -> bool) -> bool {
        let Quorum::Of(quorum) = self.quorum else { return true };
        let signed: Vec<bool> = self.witnesses.iter().map(cosigned).collect();
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        // A group names only what stands before it: one pass settles all, however deep they are nested.
        for group in &self.groups {
            let met = group.members.iter().filter(|member| holds(**member, &signed, &groups)).count();
            groups.push(met >= group.threshold);
        }
        holds(quorum, &signed, &groups)
    }

    /// What it says of a note. Whether the text is the checkpoint that the reader means is the reader's to check.
    pub fn check(&self, note: &SignedNote) -> Verdict {
        let mut verdict = Verdict {
            cosigned: Vec::new(),
            false_lines: Vec::new(),
            quorum: false,
            log: self.logs.is_empty(),
        };
        for witness in &self.witnesses {
            match note.cosigned_at(&witness.key) {
                Ok(time) => verdict.cosigned.push((witness.name.clone(), time)),
                Err(NoteError::NotSigned) => {}
                Err(_) => verdict.false_lines.push(witness.name.clone()),
            }
        }
        let signed = |witness: &Witness| verdict.cosigned.iter().any(|(name, _)| *name == witness.name);
        verdict.quorum = verdict.false_lines.is_empty() && self.met(signed);
        let origin = note.text().split('\n').next();
        verdict.log |=
            self.logs.iter().any(|log| Some(log.key.name()) == origin && note.verify(&log.key).is_ok());
        verdict
    }
}

fn holds(member: Member, witnesses: &[bool], groups: &[bool]) -> bool {
    match member {
        Member::Witness(index) => witnesses.get(index).copied(),
        Member::Group(index) => groups.get(index).copied(),
    }
    .unwrap_or(false)
}

#[cfg(test)]
mod tests;
