//! The journal as `cqrs_es`'s event store, so that its framework runs on the same entries unchanged.

use std::collections::HashMap;

use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore};
use uuid::Uuid;

use crate::aggregate::{self, Codec, EnvelopeError};
use crate::error::AppendError;
use crate::model::Submission;
use crate::store::Store;

/// [`cqrs_es::EventStore`] over a [`Store`]. An aggregate's id is its record's UUID. Metadata goes to the codec, which may sign some
/// of it into the entry; the rest is not kept, since entries are all that the journal holds.
#[derive(Clone)]
pub struct JournalEventStore<C> {
    store: Store,
    codec: C,
}

impl<C> JournalEventStore<C> {
    /// The store, seen through the codec.
    pub fn new(store: Store, codec: C) -> Self {
        Self { store, codec }
    }
}

/// An aggregate between its loading and the commit of what it decided.
#[derive(Debug)]
pub struct JournalContext<A> {
    record: Uuid,
    version: u64,
    aggregate: A,
}

impl<A: Aggregate> AggregateContext<A> for JournalContext<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A: Aggregate, C: Codec<A>> EventStore<A> for JournalEventStore<C> {
    type AC = JournalContext<A>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let record = record(id)?;
        aggregate::envelopes(&self.store, &self.codec, record).await.map_err(|error| match error {
            EnvelopeError::Store(error) => AggregateError::DatabaseConnectionError(error.into()),
            EnvelopeError::Codec(error) => AggregateError::DeserializationError(error.into()),
        })
    }

    async fn load_aggregate(&self, id: &str) -> Result<Self::AC, AggregateError<A::Error>> {
        let mut context = JournalContext { record: record(id)?, version: 0, aggregate: A::default() };
        for event in self.load_events(id).await? {
            context.aggregate.apply(event.payload);
            context.version += 1;
        }
        Ok(context)
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Self::AC,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let mut entries = Vec::with_capacity(events.len());
        let mut envelopes = Vec::with_capacity(events.len());
        for (payload, version) in events.into_iter().zip(context.version + 1..) {
            let entry = self.codec.encode(context.record, version, &payload, &metadata);
            entries.push(entry.map_err(|error| AggregateError::UnexpectedError(error.into()))?);
            envelopes.push(EventEnvelope {
                aggregate_id: context.record.to_string(),
                sequence: usize::try_from(version).unwrap_or(usize::MAX),
                payload,
                metadata: metadata.clone(),
            });
        }
        if entries.is_empty() {
            return Ok(envelopes);
        }
        let submission = Submission { entries, ..Submission::default() };
        self.store.submit(submission).await.map_err(|error| match error {
            AppendError::Version { .. } => AggregateError::AggregateConflict,
            AppendError::Store(error) => AggregateError::DatabaseConnectionError(error.into()),
            error => AggregateError::UnexpectedError(error.into()),
        })?;
        Ok(envelopes)
    }
}

fn record<E: std::error::Error>(id: &str) -> Result<Uuid, AggregateError<E>> {
    id.parse().map_err(|error: uuid::Error| AggregateError::UnexpectedError(error.into()))
}
