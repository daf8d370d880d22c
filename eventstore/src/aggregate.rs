//! Runs commands of `cqrs_es` aggregates over the journal: load and fold, decide, append, and answer with what was appended.

use std::collections::HashMap;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, EventEnvelope};
use uuid::Uuid;

use crate::error::{AppendError, StoreError};
use crate::model::{Appended, Guard, Idempotency, NewEntry, StoredEntry, Submission};
use crate::store::Store;

/// Turns entries into an aggregate's events and back. The one place that knows both.
pub trait Codec<A: Aggregate>: Send + Sync {
    /// The event that an entry stands for.
    fn decode(&self, entry: &StoredEntry) -> Result<A::Event, CodecError>;

    /// The entry, signed and salted, that makes `version` of the record. `metadata` is the caller's own.
    fn encode(
        &self,
        record: Uuid,
        version: u64,
        event: &A::Event,
        metadata: &HashMap<String, String>,
    ) -> Result<NewEntry, CodecError>;
}

/// Why an entry and an event do not go into one another.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub String);

/// What a command rests on beside the record itself.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The version that the caller saw (`If-Match`); 0 = the record must not exist.
    pub version: Option<u64>,
    /// Other records that must still be as they were when the command was made.
    pub guards: Vec<Guard>,
    /// Makes a retry give the earlier answer.
    pub idempotency: Option<Idempotency>,
    /// Passed to the codec.
    pub metadata: HashMap<String, String>,
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error> {
    /// The aggregate says no.
    #[error(transparent)]
    Refused(E),
    /// The record is not at the version that the caller saw.
    #[error("record {record} is at version {found}, not {expected}")]
    Precondition {
        /// The record.
        record: Uuid,
        /// What the caller saw.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// An entry is not an event, or an event not an entry.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The journal did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// An aggregate as its entries make it, and its version.
#[derive(Debug)]
pub struct Loaded<A> {
    /// The state.
    pub aggregate: A,
    /// 0 = there is no such record.
    pub version: u64,
}

/// Loads and folds a record.
pub async fn load<A: Aggregate, C: Codec<A>>(
    store: &Store,
    codec: &C,
    record: Uuid,
) -> Result<Loaded<A>, ExecuteError<A::Error>> {
    let entries = store.read_record(record).await.map_err(AppendError::Store)?;
    let mut aggregate = A::default();
    for entry in &entries {
        aggregate.apply(codec.decode(entry)?);
    }
    Ok(Loaded { aggregate, version: entries.len() as u64 })
}

/// Executes a command on a record. A conflict with another writer is [`AppendError::Version`]: execute again, or tell the caller.
/// A retry with the same idempotency key is answered from the journal though the aggregate would by now refuse it, as long as the
/// key is the caller's first look ([`Store::submit`] compares the content's digest).
pub async fn execute<A: Aggregate, C: Codec<A>>(
    store: &Store,
    codec: &C,
    record: Uuid,
    command: A::Command,
    services: &A::Services,
    conditions: Conditions,
) -> Result<Vec<Appended>, ExecuteError<A::Error>> {
    if let Some(idempotency) = &conditions.idempotency
        && let Some(appended) = store.replayed(idempotency).await?
    {
        return Ok(appended);
    }
    let Loaded { mut aggregate, version } = load::<A, C>(store, codec, record).await?;
    if let Some(expected) = conditions.version.filter(|expected| *expected != version) {
        return Err(ExecuteError::Precondition { record, expected, found: version });
    }
    let sink = EventSink::default();
    aggregate.handle(command, services, &sink).await.map_err(ExecuteError::Refused)?;
    let events = sink.collect().await;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::with_capacity(events.len());
    for (event, version) in events.iter().zip(version + 1..) {
        entries.push(codec.encode(record, version, event, &conditions.metadata)?);
    }
    let Conditions { guards, idempotency, .. } = conditions;
    Ok(store.submit(Submission { entries, guards, idempotency, ..Submission::default() }).await?)
}

/// A record's events as `cqrs_es` wants them.
pub(crate) async fn envelopes<A: Aggregate, C: Codec<A>>(
    store: &Store,
    codec: &C,
    record: Uuid,
) -> Result<Vec<EventEnvelope<A>>, EnvelopeError> {
    let entries = store.read_record(record).await?;
    let envelope = |entry: &StoredEntry| {
        let sequence = usize::try_from(entry.version()).unwrap_or(usize::MAX);
        let payload = codec.decode(entry)?;
        Ok(EventEnvelope { aggregate_id: record.to_string(), sequence, payload, metadata: HashMap::new() })
    };
    entries.iter().map(envelope).collect()
}

/// Why a record's events could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}
