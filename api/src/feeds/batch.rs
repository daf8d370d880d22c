//! Entries as those who follow the journal need them: what each did, and whom it concerns.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use eventstore::{StoreError, StoredEntry};
use proofs::body::Salt;
use serde_json::Value;
use uuid::Uuid;

use crate::registry::{Folded, InForce, Knowledge, KnowledgeError, Registry, parse_body};

/// Entries of one read: a bundle's width, some 600 kB with their bodies.
pub const BATCH_ENTRIES: u32 = 256;

/// Entries in a row.
#[derive(Debug)]
pub struct Batch {
    /// The position before the first.
    pub after: u64,
    /// The position of the last.
    pub last: u64,
    /// The entries, in order, none missing.
    pub facts: Vec<Fact>,
}

/// An entry without its body, and what it did.
#[derive(Debug)]
pub struct Fact {
    /// The entry.
    pub entry: StoredEntry,
    /// Its register as it is defined now.
    pub register: Option<Arc<InForce>>,
    /// The record's status after it.
    pub status: String,
    /// Whom the record concerns after it.
    pub persons: Vec<Uuid>,
    /// Whom it concerned until then.
    pub former: Vec<Uuid>,
}

impl Batch {
    /// The facts after a position.
    pub fn after(&self, position: u64) -> &[Fact] {
        let from = self.facts.partition_point(|fact| fact.entry.position <= position);
        &self.facts[from..]
    }
}

/// Reads the entries after a position: one query for them, one for their records.
pub async fn read_facts(registry: &Registry, after: u64) -> Result<Option<Batch>, KnowledgeError> {
    let entries = registry.store().read_after(after, BATCH_ENTRIES).await?;
    let Some(last) = entries.last().map(|last| last.position) else { return Ok(None) };
    let mut knowledge = registry.knowledge();
    if entries.iter().any(|entry| knowledge.definitions.current(&entry.register).is_none()) {
        knowledge = registry.refresh().await?;
    }
    let folded = fold(registry, &knowledge, &entries).await?;
    let facts = entries.into_iter().map(|entry| fact(entry, &knowledge, &folded)).collect();
    Ok(Some(Batch { after, last, facts }))
}

/// The entry at a position, with its body where it has one.
pub async fn fact_at(
    registry: &Registry,
    position: u64,
) -> Result<Option<(Fact, Option<(Value, Salt)>)>, KnowledgeError> {
    let found = registry.store().read_after(position.saturating_sub(1), 1).await?;
    let Some(entry) = found.into_iter().next() else { return Ok(None) };
    let body = parse_body(&entry)?.zip(entry.salt);
    let mut knowledge = registry.knowledge();
    if knowledge.definitions.current(&entry.register).is_none() {
        knowledge = registry.refresh().await?;
    }
    let folded = fold(registry, &knowledge, std::slice::from_ref(&entry)).await?;
    Ok(Some((fact(entry, &knowledge, &folded), body)))
}

/// Each record folded. One that does not fold is told of without what folding would say: its statements are public all the
/// same, and nobody else's must wait for it.
async fn fold(
    registry: &Registry,
    knowledge: &Knowledge,
    entries: &[StoredEntry],
) -> Result<HashMap<Uuid, Folded>, KnowledgeError> {
    let records: BTreeSet<Uuid> = entries.iter().map(StoredEntry::record).collect();
    let records: Vec<Uuid> = records.into_iter().collect();
    if records.is_empty() {
        return Ok(HashMap::new());
    }
    let stored = registry.store().read_records(&records).await?;
    let mut all = HashMap::new();
    for of_record in stored.chunk_by(|one, next| one.record() == next.record()) {
        match Folded::fold(of_record, knowledge) {
            Ok(folded) => {
                all.insert(of_record[0].record(), folded);
            }
            Err(error) => {
                let (register, position) = (&of_record[0].register, of_record[0].position);
                tracing::error!(%register, position, %error, "a record does not fold; feeds do not say whom it concerns");
            }
        }
    }
    Ok(all)
}

/// Whom the record of each of these entries concerned after it.
pub async fn concerned(
    registry: &Registry,
    knowledge: &Knowledge,
    entries: &[StoredEntry],
) -> Result<Vec<Vec<Uuid>>, KnowledgeError> {
    let folded = fold(registry, knowledge, entries).await?;
    let persons = |entry: &StoredEntry| {
        let step = folded.get(&entry.record()).and_then(|folded| folded.at(entry.version()));
        step.map(|step| step.persons.clone()).unwrap_or_default()
    };
    Ok(entries.iter().map(persons).collect())
}

fn fact(mut entry: StoredEntry, knowledge: &Knowledge, folded: &HashMap<Uuid, Folded>) -> Fact {
    (entry.body, entry.salt) = (None, None);
    let register = knowledge.definitions.current(&entry.register);
    let folded = folded.get(&entry.record());
    let step = folded.and_then(|folded| folded.at(entry.version()));
    let before = folded.and_then(|folded| folded.at(entry.version().saturating_sub(1)));
    let persons = step.map(|step| step.persons.clone()).unwrap_or_default();
    let mut former = before.map(|step| step.persons.clone()).unwrap_or_default();
    former.retain(|person| !persons.contains(person));
    let status = step.map(|step| step.status.clone()).unwrap_or_default();
    Fact { entry, register, status, persons, former }
}

/// Faults that pass: whoever follows tries again.
pub fn passes(error: &KnowledgeError) -> bool {
    matches!(error, KnowledgeError::Store(error) if error.is_transient())
        || matches!(error, KnowledgeError::Store(StoreError::OutcomeUnknown(_)))
}
