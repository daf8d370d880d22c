//! Stores of a test's own, on SQLite and on PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use eventstore::sql::Target;
use eventstore::testing::{ManualClock, SeededEntropy};
use eventstore::{Options, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Where a test's store is; gone at its end.
pub enum Database {
    Sqlite(tempfile::TempDir),
    Postgres { server: String, name: String },
}

impl Database {
    /// One of each kind, fresh.
    pub async fn both() -> [Self; 2] {
        [Self::Sqlite(tempfile::tempdir().expect("a temporary directory")), Self::postgres().await]
    }

    async fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let name = format!("reestr_api_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server).await.expect("the test PostgreSQL answers");
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await.expect("the database is made");
        Self::Postgres { server, name }
    }

    /// Opens a store on it; twice gives two servers.
    pub async fn open(&self, clock: &Arc<ManualClock>, seed: u64) -> Store {
        self.open_with(clock, seed, false).await
    }

    /// The same; what is `witnessed` shows a checkpoint only once it is published.
    pub async fn open_with(&self, clock: &Arc<ManualClock>, seed: u64, witnessed: bool) -> Store {
        let target = match self {
            Self::Sqlite(directory) => Target::Sqlite(directory.path().join("store.db")),
            Self::Postgres { server, name } => {
                let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
                Target::Postgres(format!("{base}/{name}"))
            }
        };
        let entropy = Arc::new(SeededEntropy::new(seed));
        let key = Arc::new(eventstore::testing::master_key());
        let mut options = Options::new(target, "log.test", clock.clone(), entropy, key);
        options.witnessed = witnessed;
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
                let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                connection.execute(drop).await.map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("a test database was not dropped: {error}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where its server listens")]
fn server() -> String {
    std::env::var("REESTR_TEST_POSTGRES")
        .expect("REESTR_TEST_POSTGRES is not set: run bash tests/run, which starts a private PostgreSQL")
}
