//! A batch: the entries after a position, folded record by record, with what came before in each record's life.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::{
    EntryView,
    content::Content,
    definition::Effect,
    definitions::Definitions,
    facts::{self, RecordState},
    platform, withholding,
};
use eventstore::{Store, StoreError, StoredEntry, args, sql::RowSet};
use proofs::{
    slug::{EntryType, Slug},
    time::Timestamp,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{ProjectionError, catalogue::Catalogue, common::plain};

/// The entries of a batch, as the lives of the records that they are about.
#[derive(Debug)]
pub struct Batch {
    /// The position of its last entry.
    pub to: u64,
    /// How many entries it has.
    pub entries: u64,
    /// The records that they are about, each once.
    pub lives: Vec<Life>,
}

impl Batch {
    /// Does it bring an order that bodies be withheld?
    pub fn has_orders(&self) -> bool {
        self.lives.iter().any(Life::is_rewritten)
    }

    /// The records whose rows are made again, for a statement that forgets them.
    pub(crate) fn rewritten(&self) -> RowSet {
        let mut rows = RowSet::new();
        for life in self.lives.iter().filter(|life| life.is_rewritten()) {
            rows.push(args![life.record]);
        }
        rows
    }
}

/// A record's life up to the end of a batch. It has at least one step, and its last step is in the batch.
#[derive(Debug)]
pub struct Life {
    /// The record.
    pub record: Uuid,
    /// Its register.
    pub register: Slug,
    /// Its steps by version, from the first.
    steps: Vec<Step>,
    /// Of a person's record, the content after the last step, as JSON.
    content: Option<String>,
}

/// One entry, and the record before and after it.
#[derive(Debug)]
pub struct Step {
    /// Whether it is in the batch, rather than before it.
    pub fresh: bool,
    /// Position of the entry.
    pub position: u64,
    /// Its index in its register.
    pub index: u64,
    /// The version that it made.
    pub version: u64,
    /// Its type.
    pub entry_type: EntryType,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// From when it has effect.
    pub effective_at: Timestamp,
    /// The department that signed it.
    pub issuer: Slug,
    /// The version that it corrects.
    pub corrects: Option<u64>,
    /// On what basis, as JSON.
    pub basis: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// The record before; nothing for the first entry.
    pub before: Option<Arc<RecordState>>,
    /// The record after.
    pub after: Arc<RecordState>,
    /// The content after.
    pub content: Arc<Content>,
}

impl Life {
    /// All steps, from the first.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Does the batch bring an order that bodies of the record be withheld? Its rows then say what no entry says any more, and
    /// all of them are made again from what is left.
    pub fn is_rewritten(&self) -> bool {
        self.fresh().any(|step| withholding::is_order(self.register.as_str(), step.entry_type.as_str()))
    }

    /// The steps whose rows are to be written: those of this batch, or all when the record is rewritten.
    pub fn written(&self) -> impl Iterator<Item = &Step> {
        let all = self.is_rewritten();
        self.steps.iter().filter(move |step| all || step.fresh)
    }

    /// The steps of this batch.
    pub fn fresh(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.fresh)
    }

    /// The step that made the record.
    pub fn first(&self) -> &Step {
        &self.steps[0]
    }

    /// The last step.
    pub fn last(&self) -> &Step {
        &self.steps[self.steps.len() - 1]
    }

    /// Of a person's record, the content after the last step, as JSON.
    pub fn content(&self) -> Option<&str> {
        self.content.as_deref()
    }
}

/// Which entries make the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<'a> {
    pub after: u64,
    pub until: Option<u64>,
    pub entries_max: u32,
    /// Positions that the projection leaves out.
    pub skips: &'a BTreeSet<u64>,
}

impl Range<'_> {
    /// The next entry that is left out, if it is the very next one.
    fn skip(&self) -> Option<u64> {
        let next = self.after + 1;
        (self.skips.contains(&next) && self.until.is_none_or(|until| next <= until)).then_some(next)
    }

    /// How many entries may be read: none that is left out is, so that one that cannot be read stops nothing.
    fn limit(&self) -> u32 {
        let before = self.skips.range(self.after + 1..).next().map(|skip| skip - self.after - 1);
        let before = before.and_then(|entries| u32::try_from(entries).ok()).unwrap_or(u32::MAX);
        self.entries_max.min(before)
    }
}

/// Reads a batch; nothing when the range is empty.
pub(crate) async fn read(
    store: &Store,
    catalogue: &Catalogue,
    range: Range<'_>,
) -> Result<Option<Batch>, ProjectionError> {
    if let Some(skip) = range.skip() {
        return Ok(Some(Batch { to: skip, entries: 1, lives: Vec::new() }));
    }
    let mut entries = store.read_after(range.after, range.limit()).await?;
    entries.retain(|entry| range.until.is_none_or(|until| entry.position <= until));
    let Some(to) = entries.last().map(|entry| entry.position) else { return Ok(None) };
    follow_on(range.after, &entries)?;
    if entries.iter().all(|entry| entry.register.as_str() != platform::REGISTERS) {
        catalogue.passed(range.after, to).await;
    }
    // Read after the entries: what defines their registers was committed before they were.
    let definitions = catalogue.fresh(store, to).await?;
    let begun: BTreeSet<Uuid> =
        entries.iter().filter(|e| e.version() == 1).map(StoredEntry::record).collect();
    let older: BTreeSet<Uuid> =
        entries.iter().map(StoredEntry::record).filter(|r| !begun.contains(r)).collect();
    let older: Vec<Uuid> = older.into_iter().collect();
    let history =
        if older.is_empty() { Vec::new() } else { store.read_records_until(&older, range.after).await? };

    let count = entries.len() as u64;
    let mut records: BTreeMap<Uuid, Vec<StoredEntry>> = BTreeMap::new();
    for entry in history.into_iter().chain(entries) {
        records.entry(entry.record()).or_default().push(entry);
    }
    let mut lives = Vec::with_capacity(records.len());
    for mut entries in records.into_values() {
        whole(&entries)?;
        entries.retain(|entry| !range.skips.contains(&entry.position));
        // A record whose first entry is left out is not there at all: nothing says what it is.
        if entries.first().is_some_and(|first| first.version() == 1) {
            lives.push(folded(&definitions, &entries, range.after)?);
        }
    }
    Ok(Some(Batch { to, entries: count, lives }))
}

/// Positions have no gaps: a batch that has one was read from something else than our journal.
fn follow_on(after: u64, entries: &[StoredEntry]) -> Result<(), ProjectionError> {
    for (expected, entry) in (after + 1..).zip(entries) {
        if entry.position != expected {
            let why = format!("{} comes after {}", entry.position, expected - 1);
            return Err(StoreError::corrupt("entry", "position", expected, why).into());
        }
    }
    Ok(())
}

/// Folds the entries of one record, from its first.
pub(crate) fn life(
    definitions: &Definitions,
    entries: &[StoredEntry],
    after: u64,
) -> Result<Life, ProjectionError> {
    whole(entries)?;
    folded(definitions, entries, after)
}

/// Fails unless the entries are those of one record, from its first, none missing.
fn whole(entries: &[StoredEntry]) -> Result<(), ProjectionError> {
    for (expected, entry) in (1..).zip(entries) {
        if entry.version() != expected || entry.register != entries[0].register {
            return Err(fault(entry.position, "its record's earlier entries are missing"));
        }
    }
    Ok(())
}

/// Folds the entries of one record, as if there were no others. The first is its first.
fn folded(definitions: &Definitions, entries: &[StoredEntry], after: u64) -> Result<Life, ProjectionError> {
    let register = entries[0].register.clone();
    let is_person = register.as_str() == platform::PERSONS;
    let mut content = Arc::new(Content::default());
    let mut steps = Vec::with_capacity(entries.len());
    let mut before: Option<Arc<RecordState>> = None;
    for entry in entries {
        let body = body_of(entry)?;
        let view = view_of(entry, body.as_ref());
        let rule = definitions.step(&view).map_err(|why| fault(entry.position, why))?;
        let mut state = before.as_deref().cloned().unwrap_or_default();
        facts::step(&mut state, &rule, &view);
        // A step that leaves the content as it was shares it.
        if rule.effect != Effect::None {
            Arc::make_mut(&mut content).step(rule.effect, body.as_ref());
        }
        let state = Arc::new(state);
        let fresh = entry.position > after;
        let made = (Arc::clone(&state), Arc::clone(&content));
        steps.push(step_of(entry, body.as_ref(), fresh, before, made));
        before = Some(state);
    }
    let content = is_person.then(|| content.to_json().to_string());
    Ok(Life { record: entries[0].record(), register, steps, content })
}

fn step_of(
    entry: &StoredEntry,
    body: Option<&Value>,
    fresh: bool,
    before: Option<Arc<RecordState>>,
    (after, content): (Arc<RecordState>, Arc<Content>),
) -> Step {
    let statement = entry.statement.statement();
    let member = |name: &str| body.and_then(|body| body.get(name));
    Step {
        fresh,
        position: entry.position,
        index: entry.index,
        version: statement.version,
        entry_type: statement.entry_type.clone(),
        recorded_at: entry.recorded_at,
        effective_at: statement.effective_at,
        issuer: statement.issuer.clone(),
        corrects: member("corrects").and_then(Value::as_u64),
        basis: member("basis").map(Value::to_string),
        reason: member("reason").and_then(Value::as_str).map(plain),
        before,
        after,
        content,
    }
}

/// Takes an entry of `registers` into the definitions.
pub(crate) fn define(definitions: &mut Definitions, entry: &StoredEntry) -> Result<(), ProjectionError> {
    let body = body_of(entry)?;
    definitions.apply(&view_of(entry, body.as_ref())).map_err(|why| fault(entry.position, why))?;
    Ok(())
}

fn body_of(entry: &StoredEntry) -> Result<Option<Value>, ProjectionError> {
    // The reason would quote the body.
    let parse = |bytes: &Vec<u8>| {
        serde_json::from_slice(bytes).map_err(|_| fault(entry.position, "body is not JSON"))
    };
    entry.body.as_ref().map(parse).transpose()
}

fn view_of<'a>(entry: &'a StoredEntry, body: Option<&'a Value>) -> EntryView<'a> {
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

pub(crate) fn fault(position: u64, why: impl std::fmt::Display) -> ProjectionError {
    ProjectionError::Entry { position, why: why.to_string() }
}
