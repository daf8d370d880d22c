//! A backtest over a store: reads the registers that the rules read, and feeds them to [`domain::trigger::backtest`].
//! Nothing is written.

mod stream;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use chrono::NaiveDate;
use domain::definition::Definition;
use domain::platform::PERSONS;
use domain::record::{RecordEvent, resolve};
use domain::trigger::backtest::Backtest;
use eventstore::{StoreError, StoredEntry};
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::registry::{Knowledge, KnowledgeError, Registry, parse_body, view};
use stream::Stream;

/// Entries fed at once.
const BATCH_ENTRIES: usize = 1_000;

/// Why a backtest could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// What is stored could not be read.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// The thread that feeds ended.
    #[error("the evaluation ended before its time")]
    Ended,
}

impl From<StoreError> for BacktestError {
    fn from(error: StoreError) -> Self {
        Self::Knowledge(error.into())
    }
}

/// The end of the history that a backtest goes over: the last position, and the day on which it was recorded.
pub async fn end(registry: &Registry) -> Result<(u64, Option<NaiveDate>), BacktestError> {
    let position = registry.store().position().await?;
    let placed = registry.store().placed(position).await?;
    Ok((position, placed.map(|placed| placed.recorded_at.date())))
}

/// How many entries a backtest has to read up to a position.
pub async fn entries_to_read(
    registry: &Registry,
    backtest: &Backtest,
    last: u64,
) -> Result<u64, BacktestError> {
    let mut entries = 0;
    for register in backtest.registers() {
        let store = registry.store();
        let from = store.index_after(&register, backtest.position()).await?;
        let to = store.index_after(&register, last).await?;
        entries += to.unwrap_or_default().saturating_sub(from.unwrap_or_default());
    }
    Ok(entries)
}

/// Feeds a backtest all entries up to a position, from where it stands, by the time of recording. After each batch `watch` is
/// told how many entries it had, and may stop; the backtest can go on from there.
pub async fn run(
    registry: &Registry,
    mut backtest: Backtest,
    last: u64,
    mut watch: impl FnMut(&Backtest, u64) -> ControlFlow<()>,
) -> Result<Backtest, BacktestError> {
    let knowledge = registry.refresh().await?;
    let mut stream = Stream::open(registry.store(), backtest.registers(), backtest.position(), last).await?;
    loop {
        let entries = stream.next(BATCH_ENTRIES).await?;
        if entries.is_empty() {
            return Ok(backtest);
        }
        let count = entries.len() as u64;
        let known = Arc::clone(&knowledge);
        let feed = move || -> Result<Backtest, KnowledgeError> {
            for entry in &entries {
                let (event, definition) = event(entry, &known)?;
                backtest.apply(&event, &definition, event.recorded_at);
            }
            Ok(backtest)
        };
        backtest = off_async(feed).await??;
        if watch(&backtest, count).is_break() {
            return Ok(backtest);
        }
    }
}

/// The same by the time of effect, as if each entry had been recorded when it took effect, and each account opened at birth:
/// what the rule would have done, where a history was brought in later. All entries are held, for their order is another than the journal's; so it begins anew each
/// time.
pub async fn run_by_effect(
    registry: &Registry,
    mut backtest: Backtest,
    last: u64,
    mut watch: impl FnMut(u64),
) -> Result<Backtest, BacktestError> {
    let knowledge = registry.refresh().await?;
    let mut stream = Stream::open(registry.store(), backtest.registers(), 0, last).await?;
    let mut events = Vec::new();
    let mut latest: HashMap<Uuid, Timestamp> = HashMap::new();
    loop {
        let entries = stream.next(BATCH_ENTRIES).await?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            let (event, definition) = event(entry, &knowledge)?;
            // A record's entries stay in the order of their versions.
            let at = took_effect(&event);
            let at = latest.entry(event.record).and_modify(|known| *known = at.max(*known)).or_insert(at);
            events.push((*at, event, definition));
        }
        watch(entries.len() as u64);
    }
    let feed = move || {
        events.sort_by_key(|(at, event, _)| (*at, event.position));
        for (at, event, definition) in &events {
            backtest.apply(event, definition, *at);
        }
        backtest
    };
    off_async(feed).await
}

/// From when an entry has effect; an account, from the person's birth.
fn took_effect(event: &RecordEvent) -> Timestamp {
    let opens_account = event.register == *PERSONS && event.version == 1;
    let born = event.body.as_ref().filter(|_| opens_account).and_then(|body| body.get("birth_date"));
    let born = born.and_then(Value::as_str).and_then(|born| domain::checks::date(born).ok());
    born.map_or(event.effective_at, |born| Timestamp::from_date(born).min(event.effective_at))
}

/// What an entry is, and the definition that rules it.
fn event(
    entry: &StoredEntry,
    knowledge: &Knowledge,
) -> Result<(RecordEvent, Arc<Definition>), KnowledgeError> {
    let body = parse_body(entry)?;
    let view = view(entry, body.as_ref());
    let event = resolve(&view, &knowledge.definitions)?;
    let Some(in_force) = knowledge.definitions.at_position(&entry.register, entry.position) else {
        let (register, position) = (entry.register.clone(), entry.position);
        return Err(domain::DomainError::NoDefinition { register, position }.into());
    };
    Ok((event, Arc::clone(&in_force.definition)))
}

/// Evaluating is work, and is done off the async threads.
async fn off_async<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BacktestError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BacktestError::Ended)
}
