//! Stores of a test's own, on SQLite and on PostgreSQL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use eventstore::{
    Options, Store,
    sql::Target,
    testing::{ManualClock, SeededEntropy},
};
use proofs::time::Timestamp;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Long enough for a busy machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a test's store is; gone at its end.
pub enum Database {
    Sqlite(tempfile::TempDir),
    Postgres { server: String, name: String },
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a temporary directory"))
    }

    pub async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let name =
            format!("reestr_projections_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server).await.expect("the test PostgreSQL answers");
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .expect("the database is made");
        Self::Postgres { server, name }
    }

    /// Both kinds, each fresh.
    pub async fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres().await]
    }

    /// Opens a store on it; twice gives two servers.
    pub async fn open(&self, clock: &Arc<ManualClock>) -> Store {
        self.open_sharded(clock, 1).await
    }

    /// The same, with so many shards.
    pub async fn open_sharded(&self, clock: &Arc<ManualClock>, shards: u32) -> Store {
        let target = match self {
            Self::Sqlite(directory) => Target::Sqlite(directory.path().join("store.db")),
            Self::Postgres { server, name } => {
                let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
                Target::Postgres(format!("{base}/{name}"))
            }
        };
        let (entropy, key) = (Arc::new(SeededEntropy::new(7)), Arc::new(eventstore::testing::master_key()));
        let mut options = Options::new(target, "log.test", clock.clone(), entropy, key);
        options.shards = shards;
        Store::open(options).await.expect("the store opens")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server, name } = self else { return };
        let (server, name) = (server.clone(), name.clone());
        // A runtime must not be blocked on itself.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.map_err(std::io::Error::other)?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(AssertSqlSafe(sql)).await.map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("a test database was not dropped: {error}");
        }
    }
}

/// A clock that stands at noon of 1 June 2026.
pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_780_315_200_000)))
}

#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where its server listens")]
fn server() -> String {
    std::env::var("REESTR_TEST_POSTGRES")
        .expect("REESTR_TEST_POSTGRES is not set: run bash tests/run, which starts a private PostgreSQL")
}
