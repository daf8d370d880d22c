//! What a rule sees of the registers: folded records, by person.

use std::collections::{BTreeSet, HashMap};

use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::content::Content;
use crate::definition::Definition;
use crate::platform::PERSONS;
use crate::record::RecordEvent;
use crate::subject::{self, Subject};

/// A record as of some entry, with all that a rule may ask of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneRecord {
    /// The register that holds it.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
    /// Its version.
    pub version: u64,
    /// Its status.
    pub status: String,
    /// Does it have legal effect in that status?
    pub in_force: bool,
    /// Whom it concerns.
    pub subjects: Vec<Subject>,
    /// What its entries say of it.
    pub content: Content,
    /// When its first entry took effect.
    pub opened_at: Timestamp,
    /// When its last entry took effect.
    pub effective_at: Timestamp,
}

impl SceneRecord {
    /// The record that these events make, in the order of their versions. `None` when there are none.
    pub fn of(events: &[RecordEvent], definition: &Definition) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let mut scene = Self::opened(first, definition);
        for event in rest {
            scene.step(event, definition);
        }
        Some(scene)
    }

    /// The record that its first event makes.
    pub fn opened(event: &RecordEvent, definition: &Definition) -> Self {
        let mut scene = Self {
            register: event.register.clone(),
            record: event.record,
            version: 0,
            status: String::new(),
            in_force: false,
            subjects: Vec::new(),
            content: Content::default(),
            opened_at: event.effective_at,
            effective_at: event.effective_at,
        };
        scene.step(event, definition);
        scene
    }

    /// Takes one event in. `definition` says which statuses have legal effect.
    pub fn step(&mut self, event: &RecordEvent, definition: &Definition) {
        self.version = event.version;
        self.effective_at = event.effective_at;
        if let Some(to) = &event.step.to {
            self.status.clone_from(to);
        }
        self.in_force = definition.in_force(&self.status);
        self.content.step(event.step.effect, event.body.as_ref());
        self.subjects = self.content.members.get(subject::MEMBER).map(subject::read).unwrap_or_default();
    }

    /// The people whom it concerns, each once: its subjects; of a record in `persons`, the person.
    pub fn people(&self) -> BTreeSet<Uuid> {
        if self.register == *PERSONS {
            return BTreeSet::from([self.record]);
        }
        self.subjects.iter().filter_map(Subject::person).collect()
    }

    /// The people in a role, in the order of the content.
    pub fn in_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = Uuid> + 'a {
        self.subjects.iter().filter(move |subject| subject.role == role).filter_map(Subject::person)
    }

    /// The roles that a person has in it.
    pub fn roles_of(&self, person: Uuid) -> impl Iterator<Item = &str> {
        let of = self.subjects.iter().filter(move |subject| subject.person() == Some(person));
        of.map(|subject| subject.role.as_str())
    }

    /// A member of the content; dots lead into objects.
    pub fn member(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let first = self.content.members.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }
}

/// What rules are evaluated over: the records of the people concerned. Whoever evaluates gets together what
/// [`super::CompiledRule::needs`] names.
pub trait Source {
    /// The record in `persons`.
    fn person(&self, person: Uuid) -> Option<&SceneRecord>;
    /// The records of a register in which the person has a role, those opened first first.
    fn records_of(&self, person: Uuid, register: &Slug) -> Vec<&SceneRecord>;
}

/// Records in memory.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    records: HashMap<Uuid, SceneRecord>,
    by_person: HashMap<Uuid, BTreeSet<Uuid>>,
}

impl MemorySource {
    /// Puts a record in, in place of what there was of it.
    pub fn insert(&mut self, record: SceneRecord) {
        let before = self.records.get(&record.record).map(SceneRecord::people).unwrap_or_default();
        self.put(record, &before);
    }

    /// Takes one event of a record in; answers with the record as it is then.
    pub fn step(&mut self, event: &RecordEvent, definition: &Definition) -> &SceneRecord {
        let (scene, before) = match self.records.remove(&event.record) {
            Some(mut scene) => {
                let before = scene.people();
                scene.step(event, definition);
                (scene, before)
            }
            None => (SceneRecord::opened(event, definition), BTreeSet::new()),
        };
        self.put(scene, &before);
        &self.records[&event.record]
    }

    fn put(&mut self, record: SceneRecord, before: &BTreeSet<Uuid>) {
        let after = record.people();
        for person in before.difference(&after) {
            if let Some(records) = self.by_person.get_mut(person) {
                records.remove(&record.record);
            }
        }
        for person in after.difference(before) {
            self.by_person.entry(*person).or_default().insert(record.record);
        }
        self.records.insert(record.record, record);
    }

    /// A record.
    pub fn record(&self, record: Uuid) -> Option<&SceneRecord> {
        self.records.get(&record)
    }

    /// All records, in no order.
    pub fn records(&self) -> impl Iterator<Item = &SceneRecord> {
        self.records.values()
    }
}

impl Source for MemorySource {
    fn person(&self, person: Uuid) -> Option<&SceneRecord> {
        self.records.get(&person).filter(|record| record.register == *PERSONS)
    }

    fn records_of(&self, person: Uuid, register: &Slug) -> Vec<&SceneRecord> {
        let records = self.by_person.get(&person).into_iter().flatten();
        let mut records: Vec<_> = records
            .filter_map(|record| self.records.get(record))
            .filter(|record| record.register == *register)
            .collect();
        records.sort_by_key(|record| (record.opened_at, record.record));
        records
    }
}
