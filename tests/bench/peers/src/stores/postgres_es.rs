//! postgres-es: an aggregate's events under (type, id, sequence), each append a transaction of its own.

use std::convert::Infallible;
use std::fmt;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository as _, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgPool;

use crate::entries::Signed;
use crate::failure::Failure;
use crate::store::Place;

/// The table of its own `db/init.sql`.
const TABLE: &str = "CREATE TABLE events (
    aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint CHECK (sequence >= 0) NOT NULL,
    event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence))";

/// A record. No command is given to it: events are persisted as they come.
#[derive(Default, Serialize, Deserialize)]
struct Record;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Event;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "issued".to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Debug)]
struct Never(Infallible);

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl std::error::Error for Never {}

impl Aggregate for Record {
    const TYPE: &'static str = "bench-0001";
    type Command = ();
    type Event = Event;
    type Error = Never;
    type Services = ();

    async fn handle(&mut self, (): (), (): &(), _: &EventSink<Self>) -> Result<(), Never> {
        Ok(())
    }

    fn apply(&mut self, _: Event) {}
}

/// The store.
pub struct Store {
    repository: PostgresEventRepository,
    pool: PgPool,
}

/// An entry.
pub type Ready = SerializedEvent;

/// As it is persisted.
pub fn prepare(entry: &Signed) -> Result<Ready, Failure> {
    let (record, document) = super::document(entry)?;
    let text = |text: &str| text.to_owned();
    Ok(SerializedEvent::new(
        record.to_string(),
        1,
        text(Record::TYPE),
        text("issued"),
        text("1"),
        document,
        json!({}),
    ))
}

impl Store {
    /// Makes its table.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        let pool = place.pool.clone();
        sqlx::query(TABLE).execute(&pool).await.map_err(|error| Failure::because("postgres-es", &error))?;
        Ok(Self { repository: PostgresEventRepository::new(pool.clone()), pool })
    }

    /// One event, whose sequence nobody has taken.
    pub async fn append(&self, ready: Ready) -> Result<(), Failure> {
        let persisted = self.repository.persist::<Record>(&[ready], None).await;
        persisted.map_err(|error| Failure::because("postgres-es", &error))
    }

    /// How many are there.
    pub async fn count(&self) -> Result<u64, Failure> {
        let counted: Result<i64, _> =
            sqlx::query_scalar("SELECT COUNT(*) FROM events").fetch_one(&self.pool).await;
        counted
            .map(|counted| u64::try_from(counted).unwrap_or(0))
            .map_err(|error| Failure::because("postgres-es", &error))
    }
}
