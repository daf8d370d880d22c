//! What a batch of causes needs to be judged: records of the people concerned and of their relatives, read with few queries
//! and folded from their entries, as of any position.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::definition::Definition;
use domain::platform::PERSONS;
use domain::record::{RecordEvent, resolve};
use domain::subject::{self, Subject};
use domain::trigger::{BIRTHS, CompiledRule, MARRIAGES, MemorySource, SceneRecord};
use eventstore::StoredEntry;
use projections::account;
use proofs::slug::Slug;
use uuid::Uuid;

use super::EngineError;
use crate::registry::{Knowledge, KnowledgeError, Registry, parse_body, view};

/// The register of deaths: who is recorded there gets nothing any more.
const DEATHS: &str = "deaths";
/// The role in it of the one who died.
const DECEASED: &str = "deceased";

/// Records, each with all its events.
#[derive(Default)]
pub struct Library {
    records: BTreeMap<Uuid, Vec<RecordEvent>>,
    knowledge: Arc<Knowledge>,
}

impl Library {
    /// Reads records that are not here yet. What does not exist is not read.
    pub async fn read(
        &mut self,
        registry: &Registry,
        records: impl IntoIterator<Item = Uuid>,
    ) -> Result<(), EngineError> {
        let missing: BTreeSet<Uuid> =
            records.into_iter().filter(|record| !self.records.contains_key(record)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<Uuid> = missing.into_iter().collect();
        let stored = registry.store().read_records(&missing).await?;
        // After the entries: what defines their registers was committed before they were.
        self.knowledge = registry.refresh().await?;
        for entries in stored.chunk_by(|one, next| one.record() == next.record()) {
            match self.fold(entries) {
                Ok(events) => drop(self.records.insert(entries[0].record(), events)),
                // One record that contradicts its definition must not end the proposals of everyone else.
                Err(error) => {
                    let record = entries[0].record();
                    tracing::error!(%error, %record, "a record cannot be read, and is left out of proposals");
                }
            }
        }
        Ok(())
    }

    fn fold(&self, entries: &[StoredEntry]) -> Result<Vec<RecordEvent>, KnowledgeError> {
        let event = |entry: &StoredEntry| {
            let body = parse_body(entry)?;
            Ok(resolve(&view(entry, body.as_ref()), &self.knowledge.definitions)?)
        };
        entries.iter().map(event).collect()
    }

    /// Reads what these rules may ask of these persons, and of their relatives where they ask of relatives.
    pub async fn gather<'r>(
        &mut self,
        registry: &Registry,
        rules: impl IntoIterator<Item = &'r CompiledRule>,
        persons: BTreeSet<Uuid>,
    ) -> Result<(), EngineError> {
        let (mut registers, mut steps) = (BTreeSet::from([slug(DEATHS)?]), 0);
        for rule in rules {
            let needs = rule.needs();
            registers.extend(needs.registers.iter().cloned());
            steps = steps.max(u8::from(needs.family) + u8::from(needs.step));
        }
        let (mut next, mut done) = (persons, BTreeSet::new());
        for step in 0..=steps {
            let records = account::ever_concerned(registry.store().db(), &next, &registers).await?;
            self.read(registry, records.into_iter().chain(next.iter().copied())).await?;
            done.append(&mut next.clone());
            if step < steps {
                next = self.kin(&next)?.difference(&done).copied().collect();
            }
        }
        Ok(())
    }

    /// Everyone who ever stood in a record of births or marriages with one of these.
    fn kin(&self, persons: &BTreeSet<Uuid>) -> Result<BTreeSet<Uuid>, EngineError> {
        let registers = [slug(BIRTHS)?, slug(MARRIAGES)?];
        let mut kin = BTreeSet::new();
        for events in self.records.values().filter(|events| registers.contains(&events[0].register)) {
            let named: BTreeSet<Uuid> = events.iter().flat_map(people_of).collect();
            if named.iter().any(|person| persons.contains(person)) {
                kin.extend(named);
            }
        }
        Ok(kin)
    }

    /// The records as of a position.
    pub fn until(&self, position: u64) -> MemorySource {
        let mut source = MemorySource::default();
        for event in self.in_order().into_iter().take_while(|event| event.position <= position) {
            self.step(&mut source, event);
        }
        source
    }

    /// All events, in the order of the journal.
    pub fn in_order(&self) -> Vec<&RecordEvent> {
        let mut events: Vec<_> = self.records.values().flatten().collect();
        events.sort_unstable_by_key(|event| event.position);
        events
    }

    /// Takes an event into what rules see, under the definition that rules it.
    pub fn step(&self, source: &mut MemorySource, event: &RecordEvent) {
        if let Some(definition) = self.definition(event) {
            source.step(event, &definition);
        }
    }

    /// The definition that rules an event.
    pub fn definition(&self, event: &RecordEvent) -> Option<Arc<Definition>> {
        let in_force = self.knowledge.definitions.at_position(&event.register, event.position)?;
        Some(Arc::clone(&in_force.definition))
    }

    /// The events of a record.
    pub fn events(&self, record: Uuid) -> &[RecordEvent] {
        self.records.get(&record).map(Vec::as_slice).unwrap_or_default()
    }

    /// A record after a version, or after its last.
    pub fn after(&self, record: Uuid, version: Option<u64>) -> Option<SceneRecord> {
        let (first, rest) = self.events(record).split_first()?;
        let mut scene = SceneRecord::opened(first, &*self.definition(first)?);
        for event in rest.iter().take_while(|event| version.is_none_or(|version| event.version <= version)) {
            scene.step(event, &*self.definition(event)?);
        }
        Some(scene)
    }

    /// Can the person still be offered anything: an account that is in force, and no death that stands?
    pub fn is_reachable(&self, person: Uuid) -> bool {
        let has_account =
            self.after(person, None).is_some_and(|account| account.register == *PERSONS && account.in_force);
        let deaths = self.records.iter().filter(|(_, events)| events[0].register == *DEATHS);
        has_account
            && !deaths
                .filter_map(|(record, _)| self.after(*record, None))
                .any(|death| death.in_force && death.in_role(DECEASED).any(|dead| dead == person))
    }
}

/// The persons whom an event's body names.
fn people_of(event: &RecordEvent) -> Vec<Uuid> {
    let subjects = event.body.as_ref().and_then(|body| body.get(subject::MEMBER));
    let subjects = subjects.map(subject::read).unwrap_or_default();
    subjects.iter().filter_map(Subject::person).collect()
}

pub fn slug(name: &str) -> Result<Slug, EngineError> {
    let wrong = |error| eventstore::StoreError::Internal(format!("{name}: {error}"));
    name.parse().map_err(wrong).map_err(EngineError::from)
}
