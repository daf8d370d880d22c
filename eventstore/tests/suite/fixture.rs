//! A fresh store for each test, and entries to put into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use eventstore::sql::Target;
use eventstore::testing::{ManualClock, SeededEntropy};
use eventstore::{
    Appended, BODY_BYTES_MAX, Entropy, Idempotency, NewEntry, NewLog, Options, Store, StoreError, Submission,
};
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::slug::Slug;
use proofs::statement::Statement;
use proofs::time::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

pub const LOG_NAME: &str = "registers.example.gov";

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A store's place, its clock, and the key that its entries are signed with.
pub struct Fixture {
    pub target: Target,
    pub clock: Arc<ManualClock>,
    pub key: PrivateKey,
    pub shards: u32,
    entropy: Arc<SeededEntropy>,
    database: Option<String>,
    _directory: Option<TempDir>,
}

/// Shards of a store that has several. Of so many, `notices` and `departments` are in one, `licences` in the next, and `permits`
/// in the last.
pub const SHARDS: u32 = 5;

/// Writes each test once and runs it on both stores, with one shard and with several.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        $crate::fixture::on_one_store!(sqlite, Sqlite, 1, $($test),*);
        $crate::fixture::on_one_store!(postgres, Postgres, 1, $($test),*);
        $crate::fixture::on_one_store!(sqlite_sharded, Sqlite, $crate::fixture::SHARDS, $($test),*);
        $crate::fixture::on_one_store!(postgres_sharded, Postgres, $crate::fixture::SHARDS, $($test),*);
    };
}
macro_rules! on_one_store {
    ($module:ident, $kind:ident, $shards:expr, $($test:ident),*) => {
        mod $module { $(
            #[tokio::test]
            async fn $test() {
                let mut fixture = $crate::fixture::Fixture::new($crate::fixture::Kind::$kind).await;
                fixture.shards = $shards;
                super::$test(&fixture).await;
                fixture.drop_store().await;
            }
        )* }
    };
}
pub(crate) use on_both_stores;
pub(crate) use on_one_store;

#[expect(
    clippy::disallowed_methods,
    reason = "tests/run tells the tests in its environment where PostgreSQL is"
)]
pub fn postgres() -> String {
    std::env::var("REESTR_TEST_POSTGRES").expect(
        "REESTR_TEST_POSTGRES is not set: run bash tests/run, which starts a PostgreSQL for the tests",
    )
}

async fn administer(statement: String) {
    let mut connection = PgConnection::connect(&postgres()).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

impl Fixture {
    pub async fn new(kind: Kind) -> Self {
        let (target, database, directory) = match kind {
            Kind::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                (Target::Sqlite(directory.path().join("reestr.db")), None, Some(directory))
            }
            Kind::Postgres => {
                static NEXT: AtomicU32 = AtomicU32::new(0);
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                let name = format!("reestr_eventstore_{}_{number}", std::process::id());
                administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
                administer(format!("CREATE DATABASE {name}")).await;
                let url = postgres();
                let (server, _) = url.rsplit_once('/').unwrap();
                (Target::Postgres(format!("{server}/{name}")), Some(name), None)
            }
        };
        Self {
            target,
            clock: Arc::new(ManualClock::new("2026-03-01T09:00:00.000Z".parse().unwrap())),
            key: PrivateKey::from_seed(&[7; 32]),
            shards: 1,
            entropy: Arc::new(SeededEntropy::new(1)),
            database,
            _directory: directory,
        }
    }

    pub async fn drop_store(self) {
        if let Some(name) = self.database {
            administer(format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }

    pub fn clock_now(&self) -> Timestamp {
        eventstore::Clock::now(&*self.clock)
    }

    pub fn is_postgres(&self) -> bool {
        self.database.is_some()
    }

    /// Is what arrives together taken in the order of arrival? Not where each shard has a task of its own.
    pub fn in_order(&self) -> bool {
        !self.is_postgres() || self.shards == 1
    }

    pub fn options(&self) -> Options {
        let master_key = Arc::new(eventstore::testing::master_key());
        let mut options =
            Options::new(self.target.clone(), LOG_NAME, self.clock.clone(), self.entropy.clone(), master_key);
        options.shards = self.shards;
        options
    }

    pub async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    pub async fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(self.options()).await
    }

    /// An open store with these registers.
    pub async fn with_logs(&self, registers: &[&str]) -> Store {
        let store = self.open().await;
        let mut opens = Vec::new();
        for register in registers {
            opens.push(self.new_log(&store, register).await);
        }
        store.submit(Submission { opens, ..Submission::default() }).await.unwrap();
        store
    }

    /// A log to open, with a new key that the store keeps.
    pub async fn new_log(&self, store: &Store, register: &str) -> NewLog {
        let key = store.new_key(register, eventstore::CHECKPOINT).await.unwrap().public();
        NewLog { register: slug(register), key }
    }

    pub fn new_key(&self) -> PrivateKey {
        let mut seed = [0; 32];
        self.entropy.fill(&mut seed);
        PrivateKey::from_seed(&seed)
    }

    pub fn entry(&self, register: &str, record: u128, version: u64) -> NewEntry {
        let body = format!(r#"{{"about":"кот №{record}","version":{version}}}"#);
        self.with_body(register, record, version, body.into_bytes())
    }

    /// A new record whose body is as large as one may be.
    pub fn large(&self, register: &str, record: u128) -> NewEntry {
        let frame = r#"{"about":""}"#.len();
        let body = format!(r#"{{"about":"{}"}}"#, "x".repeat(BODY_BYTES_MAX - frame));
        self.with_body(register, record, 1, body.into_bytes())
    }

    pub fn with_body(&self, register: &str, record: u128, version: u64, body: Vec<u8>) -> NewEntry {
        let mut salt = Salt([0; 16]);
        self.entropy.fill(&mut salt.0);
        let statement = Statement {
            register: slug(register),
            record: Uuid::from_u128(record),
            version,
            entry_type: "issued".parse().unwrap(),
            effective_at: Timestamp::from_millis(1_700_000_000_000),
            issuer: slug("gibdd"),
            body: digest(&salt, &body),
        };
        NewEntry { statement: statement.sign(&self.key), body, salt, number: None }
    }

    pub fn numbered(&self, register: &str, record: u128, version: u64, number: &str) -> NewEntry {
        NewEntry { number: Some(number.to_owned()), ..self.entry(register, record, version) }
    }

    /// One entry, submitted alone.
    pub fn one(&self, register: &str, record: u128, version: u64) -> Submission {
        list(vec![self.entry(register, record, version)])
    }

    /// `count` new records of one entry each, as one list.
    pub fn many(&self, register: &str, first_record: u128, count: u128) -> Submission {
        list((first_record..first_record + count).map(|record| self.entry(register, record, 1)).collect())
    }
}

pub fn list(entries: Vec<NewEntry>) -> Submission {
    Submission { entries, ..Submission::default() }
}

pub fn keyed(submission: Submission, key: &str, content: u8) -> Submission {
    let idempotency = Idempotency { scope: "gibdd".into(), key: key.into(), digest: [content; 32] };
    Submission { idempotency: Some(idempotency), ..submission }
}

pub fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

/// (position, index, version) of each.
pub fn places(appended: &[Appended]) -> Vec<(u64, u64, u64)> {
    appended.iter().map(|one| (one.position, one.index, one.version)).collect()
}
