//! The history of definitions: which definition of a register was in force where, and when; and of registers' keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use proofs::note::VerifierKey;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::definition::Definition;
use crate::entry::EntryView;
use crate::error::DomainError;
use crate::facts::Step;
use crate::fault::Fault;
use crate::platform::REGISTERS;
use crate::register_keys::{KEY_ADDED, KEY_COMPROMISED, KEY_RETIRED, RegisterKeys};

/// A definition, and the entry in `registers` that put it in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The register's record in `registers`.
    pub record: Uuid,
    /// The version of that record: with it, what a guard needs.
    pub version: u64,
    /// The entry's position: the definition rules entries after it.
    pub position: u64,
    /// When the entry was recorded.
    pub recorded_at: Timestamp,
    /// The newest of the keys that the register's checkpoints are signed with.
    pub key: VerifierKey,
    /// Is the register closed, so that it takes no more entries?
    pub closed: bool,
}

/// All definitions that were ever in force. Folded from the entries of the register `registers`, in order.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    registers: BTreeMap<Slug, Vec<Arc<InForce>>>,
    records: BTreeMap<Uuid, Slug>,
    keys: BTreeMap<Slug, RegisterKeys>,
    position: u64,
}

impl Definitions {
    /// Takes one entry in, if it is of the register `registers`; answers with the register that it changed.
    /// An entry at or before the last one taken in is passed over.
    pub fn apply(&mut self, entry: &EntryView<'_>) -> Result<Option<Slug>, DomainError> {
        if *entry.register != *REGISTERS || (entry.position != 0 && entry.position <= self.position) {
            return Ok(None);
        }
        let change = match entry.entry_type.as_str() {
            "defined" => Some(self.define(entry)?),
            "redefined" => {
                let before = self.latest(entry)?;
                Some(InForce { definition: definition(entry)?, ..at(before, entry) })
            }
            KEY_ADDED | KEY_RETIRED | KEY_COMPROMISED => Some(self.rekey(entry)?),
            "closed" => Some(InForce { closed: true, ..at(self.latest(entry)?, entry) }),
            // Another type of entry, such as one that withholds, changes no definition but makes a version.
            _ => self.latest(entry).ok().map(|before| at(before, entry)),
        };
        self.position = self.position.max(entry.position);
        Ok(change.map(|in_force| self.insert(in_force)))
    }

    fn define(&mut self, entry: &EntryView<'_>) -> Result<InForce, DomainError> {
        let in_force = defined(entry)?;
        let keys = RegisterKeys::first(in_force.key.clone(), entry.recorded_at);
        self.keys.insert(in_force.definition.slug.clone(), keys);
        Ok(in_force)
    }

    fn rekey(&mut self, entry: &EntryView<'_>) -> Result<InForce, DomainError> {
        let mut in_force = at(self.latest(entry)?, entry);
        let keys = self.keys.get_mut(&in_force.definition.slug).ok_or_else(|| DomainError::order(entry))?;
        keys.step(entry)?;
        in_force.key = keys.newest().ok_or_else(|| DomainError::order(entry))?.clone();
        Ok(in_force)
    }

    fn insert(&mut self, in_force: InForce) -> Slug {
        let slug = in_force.definition.slug.clone();
        self.records.insert(in_force.record, slug.clone());
        self.registers.entry(slug.clone()).or_default().push(Arc::new(in_force));
        slug
    }

    fn latest(&self, entry: &EntryView<'_>) -> Result<&InForce, DomainError> {
        let of_record = self.records.get(&entry.record).and_then(|slug| self.registers.get(slug));
        of_record
            .and_then(|history| history.last())
            .map(AsRef::as_ref)
            .ok_or_else(|| DomainError::order(entry))
    }

    /// The definition in force now. Of a closed register, its last, with `closed` set.
    pub fn current(&self, register: &Slug) -> Option<Arc<InForce>> {
        self.registers.get(register)?.last().cloned()
    }

    /// All keys that a register ever had, with their terms.
    pub fn keys_of(&self, register: &Slug) -> Option<&RegisterKeys> {
        self.keys.get(register)
    }

    /// The keys that sign a register's checkpoints now, the newest first.
    pub fn keys_now(&self, register: &Slug) -> Vec<&VerifierKey> {
        self.keys_of(register).map(|keys| keys.now().map(|key| &key.vkey).collect()).unwrap_or_default()
    }

    /// The definition that rules an entry at this position: the last one before it. The platform's first entries, recorded
    /// together with the definitions of their own registers, are ruled by the first.
    pub fn at_position(&self, register: &Slug, position: u64) -> Option<Arc<InForce>> {
        let history = self.registers.get(register)?;
        history
            .iter()
            .rev()
            .find(|in_force| in_force.position < position)
            .or_else(|| history.first())
            .cloned()
    }

    /// All definitions in force at some moment of that millisecond, oldest first. An auditor who sees times but not
    /// positions accepts any of them.
    pub fn at_time(&self, register: &Slug, time: Timestamp) -> Vec<Arc<InForce>> {
        let history = self.registers.get(register).map(Vec::as_slice).unwrap_or_default();
        let before = history.iter().rposition(|in_force| in_force.recorded_at < time);
        let from = before.unwrap_or_default();
        history[from..].iter().take_while(|in_force| in_force.recorded_at <= time).cloned().collect()
    }

    /// The definition that was in force at the end of a moment; nothing when the register was not defined yet.
    pub fn recorded_by(&self, register: &Slug, time: Timestamp) -> Option<Arc<InForce>> {
        self.history(register).iter().rev().find(|in_force| in_force.recorded_at <= time).cloned()
    }

    /// All definitions of a register, oldest first.
    pub fn history(&self, register: &Slug) -> &[Arc<InForce>] {
        self.registers.get(register).map(Vec::as_slice).unwrap_or_default()
    }

    /// The definitions in force now, by slug.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InForce>> {
        self.registers.values().filter_map(|history| history.last())
    }

    /// The registers that a department owns now, closed ones too.
    pub fn owned_by<'a>(&'a self, department: &'a Slug) -> impl Iterator<Item = &'a Arc<InForce>> {
        self.iter().filter(move |in_force| in_force.definition.owner == *department)
    }

    /// The register whose definition is this record of `registers`.
    pub fn register_of(&self, record: Uuid) -> Option<&Slug> {
        self.records.get(&record)
    }

    /// Position of the last entry taken in.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The step that a recorded entry is, under the definition that rules it.
    pub fn step(&self, entry: &EntryView<'_>) -> Result<Step, DomainError> {
        let (register, position) = (entry.register.clone(), entry.position);
        let Some(in_force) = self.at_position(entry.register, entry.position) else {
            return Err(DomainError::NoDefinition { register, position });
        };
        match in_force.definition.entry_type(entry.entry_type.as_str()) {
            Some(rule) => Ok(Step::of(&in_force.definition, rule)),
            None => {
                Err(DomainError::UnknownType { register, entry_type: entry.entry_type.clone(), position })
            }
        }
    }
}

/// The definition that an entry of type `defined` puts in force.
fn defined(entry: &EntryView<'_>) -> Result<InForce, DomainError> {
    let key = body(entry)?["key"].as_str().and_then(|key| key.parse().ok());
    Ok(InForce {
        definition: definition(entry)?,
        record: entry.record,
        version: entry.version,
        position: entry.position,
        recorded_at: entry.recorded_at,
        key: key.ok_or_else(|| fault(entry, vec![Fault::new("/key", "is not a verifier key")]))?,
        closed: false,
    })
}

fn at(before: &InForce, entry: &EntryView<'_>) -> InForce {
    InForce {
        version: entry.version,
        position: entry.position,
        recorded_at: entry.recorded_at,
        ..before.clone()
    }
}

fn definition(entry: &EntryView<'_>) -> Result<Arc<Definition>, DomainError> {
    Definition::trusted(&body(entry)?["definition"])
        .map_err(|faults| fault(entry, faults.into_iter().map(|fault| fault.under("/definition")).collect()))
}

fn body<'b>(entry: &EntryView<'b>) -> Result<&'b Value, DomainError> {
    entry.body.ok_or_else(|| DomainError::withheld(entry))
}

fn fault(entry: &EntryView<'_>, faults: Vec<Fault>) -> DomainError {
    DomainError::body(entry, faults)
}

#[cfg(test)]
mod tests;
