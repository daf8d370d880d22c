//! disintegrate-postgres: one stream of events with identifiers, each append under the condition that no other event of the same
//! record has come meanwhile.

use disintegrate::serde::json::Json;
use disintegrate::{Event, EventStore as _, query};
use disintegrate_postgres::PgEventStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;

use crate::entries::Signed;
use crate::failure::Failure;
use crate::store::Place;

/// What happens to a record.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[stream(RecordEvent, [Issued])]
pub enum Entry {
    /// It is made.
    Issued {
        /// The record.
        #[id]
        record: uuid::Uuid,
        /// Everything else.
        document: Value,
    },
}

/// The store.
pub struct Store {
    store: PgEventStore<Entry, Json<Entry>>,
    pool: sqlx::PgPool,
}

/// An entry.
pub struct Ready {
    record: uuid::Uuid,
    event: Entry,
}

/// As it is appended.
pub fn prepare(entry: &Signed) -> Result<Ready, Failure> {
    let (record, document) = super::document(entry)?;
    Ok(Ready { record, event: Entry::Issued { record, document } })
}

impl Store {
    /// Makes its tables. The pool for sequences is as large as the other: the quarter that it has otherwise makes appends wait.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| Failure::because("disintegrate", error);
        // One of its functions has a hexadecimal number, which PostgreSQL reads from version 16 on: it is made unread, and then
        // replaced by the same with the number in decimal.
        let unread = place.database.clone().options([("check_function_bodies", "off")]);
        let making = PgPoolOptions::new()
            .max_connections(2)
            .connect_with(unread)
            .await
            .map_err(|error| failed(&error))?;
        PgEventStore::try_new(making.clone(), Json::<Entry>::default())
            .await
            .map_err(|error| failed(&error))?;
        let text: Result<String, _> =
            sqlx::query_scalar("SELECT pg_get_functiondef('event_store_begin_epoch'::regproc)")
                .fetch_one(&making)
                .await;
        let text = text.map_err(|error| failed(&error))?.replace("0xFFFFFFFF", "4294967295");
        sqlx::query(&text).execute(&making).await.map_err(|error| failed(&error))?;
        making.close().await;
        let pool = place.pool.clone();
        let store = PgEventStore::new_uninitialized(pool.clone(), Json::<Entry>::default());
        Ok(Self { store: store.with_sequence_pool_connections(u32::MAX), pool })
    }

    /// One event, the first of its record.
    pub async fn append(&self, ready: Ready) -> Result<(), Failure> {
        let Ready { record, event } = ready;
        let none_before = query!(Entry; record == record);
        let appended = self.store.append(vec![event], none_before, 0).await;
        appended.map(drop).map_err(|error| Failure::because("disintegrate", &error))
    }

    /// How many are there.
    pub async fn count(&self) -> Result<u64, Failure> {
        let counted: Result<i64, _> =
            sqlx::query_scalar("SELECT COUNT(*) FROM event").fetch_one(&self.pool).await;
        counted
            .map(|counted| u64::try_from(counted).unwrap_or(0))
            .map_err(|error| Failure::because("disintegrate", &error))
    }
}
