//! From what the store holds to what the domain folds.

use domain::EntryView;
use domain::any_record::AnyRecord;
use domain::record::resolve;
use eventstore::{StoreError, StoredEntry};
use serde_json::Value;
use uuid::Uuid;

use super::knowledge::{Knowledge, KnowledgeError};

/// The body of a stored entry; `None` when it is withheld.
pub fn parse_body(entry: &StoredEntry) -> Result<Option<Value>, StoreError> {
    let parse = |bytes: &Vec<u8>| {
        // serde's message could quote the body; that it does not parse is all there is to say.
        serde_json::from_slice(bytes)
            .map_err(|_| StoreError::corrupt("entry", "body", entry.position, "is not JSON"))
    };
    entry.body.as_ref().map(parse).transpose()
}

/// A stored entry as the domain sees it.
pub fn view<'a>(entry: &'a StoredEntry, body: Option<&'a Value>) -> EntryView<'a> {
    let statement = entry.statement.statement();
    EntryView {
        register: &entry.register,
        record: statement.record,
        version: statement.version,
        entry_type: &statement.entry_type,
        effective_at: statement.effective_at,
        recorded_at: entry.recorded_at,
        issuer: &statement.issuer,
        position: entry.position,
        body,
    }
}

/// A record folded from its entries, and what it was after each.
pub struct Folded {
    /// As of its last entry.
    pub record: AnyRecord,
    /// After each entry, in order: version, status, and the persons whom it then concerned.
    pub steps: Vec<FoldedStep>,
}

/// A record after one of its entries.
pub struct FoldedStep {
    /// The version.
    pub version: u64,
    /// The status.
    pub status: String,
    /// Whom it concerned.
    pub persons: Vec<Uuid>,
    /// The organisations that it concerned, by their numbers in the register of legal entities.
    pub organisations: Vec<String>,
}

impl Folded {
    /// Folds a record's entries, which are in the order of their versions.
    pub fn fold(entries: &[StoredEntry], knowledge: &Knowledge) -> Result<Self, KnowledgeError> {
        let mut record = AnyRecord::default();
        let mut steps = Vec::with_capacity(entries.len());
        for entry in entries {
            let body = parse_body(entry)?;
            let event = resolve(&view(entry, body.as_ref()), &knowledge.definitions)?;
            record.step(&event);
            let state = &record.record().state;
            let version = state.version;
            steps.push(FoldedStep {
                version,
                status: state.status.clone(),
                persons: persons(&record),
                organisations: organisations(&record),
            });
        }
        Ok(Self { record, steps })
    }

    /// The record after this version.
    pub fn at(&self, version: u64) -> Option<&FoldedStep> {
        self.steps.iter().find(|step| step.version == version)
    }
}

/// The persons whom a record concerns now. A record of `persons` is the person.
fn persons(record: &AnyRecord) -> Vec<Uuid> {
    let state = &record.record().state;
    if state.register.as_ref().is_some_and(|register| *register == *domain::platform::PERSONS) {
        return vec![state.record];
    }
    state.subjects.iter().filter_map(domain::subject::Subject::person).collect()
}

/// The organisations that a record concerns now.
fn organisations(record: &AnyRecord) -> Vec<String> {
    let organisation = |subject: &domain::subject::Subject| subject.organisation()?.ogrn.clone();
    record.record().state.subjects.iter().filter_map(organisation).collect()
}
