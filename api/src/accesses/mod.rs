//! Who looked: every time a body that concerns a person leaves for an official, a department's system, an auditor, the
//! operator, a third party or a representative, an entry in `accesses` says so, and is durable before the body leaves
//! (`docs/decisions/0015-accesses.md`).
//!
//! **To show a body in a new endpoint**: take the extractor [`Purpose`], collect a [`Disclosure`] for each record whose body,
//! number, reason or basis the answer will hold, and call [`disclose`] before answering. For what is public, for people who
//! read what concerns them, and for nothing at all it does nothing, so that it is called always.

mod body;
mod looker;
mod purpose;

pub use looker::Looker;
pub use purpose::{LEGAL_BASIS, PURPOSE, Purpose, value, words};

use std::collections::{BTreeMap, BTreeSet};

use domain::definition::Visibility;
use domain::platform::{ACCESSES, PLATFORM};
use eventstore::{Store, StoredEntry};
use proofs::slug::{EntryType, Slug};
use serde_json::Value;
use uuid::Uuid;

use crate::http::AppState;
use crate::problem::{self, Problem};
use crate::registry::{Actor, AppendRequest, ENTRIES_MAX, EntryRequest, Folded, Knowledge, Reason, Registry};

/// The entry that makes an access.
const RECORDED: &str = "recorded";

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// By which kind of question something was shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Endpoint { $($(#[$doc])* $name,)+ }

        impl Endpoint {
            /// As an access has it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

endpoints! {
    /// One record.
    Record = "record",
    /// The records of a register.
    Records = "records",
    /// The steps of a record.
    History = "history",
    /// A page of entries.
    Entries = "entries",
    /// One entry.
    Entry = "entry",
    /// A receipt.
    Receipt = "receipt",
    /// An official number.
    Number = "number",
    /// An account, or a part of it.
    Account = "account",
    /// What was found by words.
    Search = "search",
    /// A feed: entries or events as they come.
    Feed = "feed",
    /// What waits for a department.
    Tasks = "tasks",
    /// An offer.
    Offer = "offer",
    /// An application for a service.
    Request = "request",
    /// What stood at another time.
    AsOf = "as-of",
    /// Accesses themselves.
    Accesses = "accesses",
    /// A report.
    Report = "report",
    /// What a person lets a third party read.
    Consented = "consented",
    /// A whole register, written to a file.
    Export = "export",
}

/// Something that an answer will show: of a record, to do with these persons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The register.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
    /// Whom what is shown concerns.
    pub persons: Vec<Uuid>,
    /// Index of the entry, where one entry is shown.
    pub index: Option<u64>,
}

impl Disclosure {
    /// Of a record.
    pub fn new(register: &Slug, record: Uuid, persons: Vec<Uuid>) -> Self {
        Self { register: register.clone(), record, persons, index: None }
    }

    /// Of the entry at this index.
    #[must_use]
    pub fn at(self, index: u64) -> Self {
        Self { index: Some(index), ..self }
    }
}

/// Writes down what is about to be shown, and returns when it is durable: nothing may leave before. Refuses when the looker
/// has not said why, and when it cannot be written.
pub async fn disclose(
    state: &AppState,
    looker: impl Into<Looker>,
    purpose: &Purpose,
    endpoint: Endpoint,
    shown: &[Disclosure],
) -> Result<(), Problem> {
    disclose_in(state.registry(), looker.into(), purpose, endpoint, shown).await
}

/// The same, for whoever has a store and no server.
pub async fn disclose_in(
    registry: &Registry,
    looker: Looker,
    purpose: &Purpose,
    endpoint: Endpoint,
    shown: &[Disclosure],
) -> Result<(), Problem> {
    if looker == Looker::Free {
        return Ok(());
    }
    let knowledge = registry.knowledge();
    // Of a register that is not known here, nothing is known to be public.
    let is_public = |register: &Slug| {
        let current = knowledge.definitions.current(register);
        current.is_some_and(|current| current.definition.visibility == Visibility::Public)
    };
    let shown: Vec<&Disclosure> = shown.iter().filter(|one| !is_public(&one.register)).collect();
    let bodies = body::bodies(&looker, purpose, endpoint, &shown);
    if bodies.is_empty() {
        return Ok(());
    }
    if looker.must_say_why() {
        said(purpose)?;
    }
    record(registry, bodies).await
}

/// Both headers are there.
fn said(purpose: &Purpose) -> Result<(), Problem> {
    let missing = match purpose {
        Purpose { purpose: None, legal_basis: None } => "Purpose and Legal-Basis are",
        Purpose { purpose: None, .. } => "Purpose is",
        Purpose { legal_basis: None, .. } => "Legal-Basis is",
        Purpose { .. } => return Ok(()),
    };
    let detail = format!("What is asked for concerns people, who see who looked and why; {missing} missing.");
    Err(Problem::new(problem::PURPOSE_REQUIRED, detail))
}

/// Appends accesses: one submission, which the appender commits together with whatever else has arrived.
async fn record(registry: &Registry, bodies: Vec<Value>) -> Result<(), Problem> {
    for some in bodies.chunks(ENTRIES_MAX) {
        let mut entries = Vec::with_capacity(some.len());
        for body in some {
            entries.push(EntryRequest::Platform {
                record: None,
                version: None,
                entry_type: RECORDED.parse::<EntryType>().map_err(|error| Problem::internal(&error))?,
                effective_at: None,
                body: body.clone(),
            });
        }
        let by = Actor::local(slug(PLATFORM)?);
        let request = AppendRequest::new(slug(ACCESSES)?, by, entries);
        if let Err(refusal) = registry.append(request).await {
            if matches!(refusal.reason, Reason::Mirror) {
                let detail = "What concerns people is shown in office only when that was recorded, which a mirror cannot do.";
                return Err(Problem::new(problem::MIRROR, detail));
            }
            let seconds = match &refusal.reason {
                Reason::Overloaded { retry_after_seconds } => *retry_after_seconds,
                _ => 1,
            };
            // A refusal names no value of a body.
            tracing::error!(error = %refusal, "an access could not be recorded");
            let detail = "What is read here is recorded first, which is not possible now; nothing was shown.";
            return Err(Problem::new(problem::ACCESS_NOT_RECORDED, detail).retry_after(seconds));
        }
    }
    Ok(())
}

fn slug(name: &str) -> Result<Slug, Problem> {
    name.parse().map_err(|error| Problem::internal(&error))
}

/// Someone looks by some question: what [`disclose`] needs to know, carried to where bodies are taken out.
#[derive(Debug, Clone)]
pub struct Look<'a> {
    looker: Looker,
    purpose: &'a Purpose,
    endpoint: Endpoint,
}

impl<'a> Look<'a> {
    /// Who looks, why, and by which question.
    pub fn new(looker: impl Into<Looker>, purpose: &'a Purpose, endpoint: Endpoint) -> Self {
        Self { looker: looker.into(), purpose, endpoint }
    }

    /// Refuses whoever has not said why, before it is known what there is: where what is looked for are words or a number,
    /// that nothing was found would tell as much as a body, and to ask without a purpose would be to look without an access.
    pub fn said(&self) -> Result<(), Problem> {
        if self.looker.must_say_why() { said(self.purpose) } else { Ok(()) }
    }

    /// Writes down that these are shown.
    pub async fn at(&self, state: &AppState, shown: &[Disclosure]) -> Result<(), Problem> {
        disclose(state, self.looker.clone(), self.purpose, self.endpoint, shown).await
    }

    /// Writes down that the bodies of these entries are shown: whom the record concerned after each.
    pub async fn entries<'e>(
        &self,
        state: &AppState,
        knowledge: &Knowledge,
        entries: impl Iterator<Item = &'e StoredEntry>,
    ) -> Result<(), Problem> {
        if self.looker == Looker::Free {
            return Ok(());
        }
        self.at(state, &of_entries(state.store(), knowledge, entries).await?).await
    }

    /// Writes down that something of these records is shown: whom each concerns now.
    pub async fn records(
        &self,
        state: &AppState,
        knowledge: &Knowledge,
        register: &Slug,
        records: impl Iterator<Item = Uuid>,
    ) -> Result<(), Problem> {
        if self.looker == Looker::Free {
            return Ok(());
        }
        let folded = folded(state.store(), knowledge, records.collect()).await?;
        let of = |(record, folded): (&Uuid, &Folded)| of_folded(register, *record, folded);
        self.at(state, &folded.iter().map(of).collect::<Vec<_>>()).await
    }
}

/// What the bodies of these entries show: whom the record concerned after each.
pub async fn of_entries<'e>(
    store: &Store,
    knowledge: &Knowledge,
    entries: impl IntoIterator<Item = &'e StoredEntry>,
) -> Result<Vec<Disclosure>, Problem> {
    let entries: Vec<&StoredEntry> = entries.into_iter().collect();
    let folded = folded(store, knowledge, entries.iter().map(|entry| entry.record()).collect()).await?;
    let of = |entry: &&StoredEntry| {
        let step = folded.get(&entry.record()).and_then(|folded| folded.at(entry.version()));
        let persons = step.map(|step| step.persons.clone()).unwrap_or_default();
        Disclosure::new(&entry.register, entry.record(), persons).at(entry.index)
    };
    Ok(entries.iter().map(of).collect())
}

/// What a record shows as it is now.
pub fn of_folded(register: &Slug, record: Uuid, folded: &Folded) -> Disclosure {
    let persons = folded.steps.last().map(|step| step.persons.clone()).unwrap_or_default();
    Disclosure::new(register, record, persons)
}

/// These records, folded from their entries.
pub async fn folded(
    store: &Store,
    knowledge: &Knowledge,
    records: BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, Folded>, Problem> {
    let records: Vec<Uuid> = records.into_iter().collect();
    let mut all = BTreeMap::new();
    if records.is_empty() {
        return Ok(all);
    }
    let stored = store.read_records(&records).await?;
    for of_record in stored.chunk_by(|one, next| one.record() == next.record()) {
        let folded = Folded::fold(of_record, knowledge).map_err(|error| Problem::internal(&error))?;
        all.insert(of_record[0].record(), folded);
    }
    Ok(all)
}
