//! Databases on the PostgreSQL server that `tests/run` starts, and servers of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, Executor, PgConnection};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database of its own, dropped at the end.
pub struct Database {
    server: String,
    name: String,
    url: String,
}

/// The URL of the test server's administrative database.
#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where its server listens")]
pub fn server_url() -> String {
    std::env::var("REESTR_TEST_POSTGRES")
        .expect("REESTR_TEST_POSTGRES is not set: run `bash tests/run`, which starts a private PostgreSQL")
}

impl Database {
    /// Creates an empty database on the test server.
    pub async fn create() -> Self {
        Self::create_on(&server_url()).await
    }

    /// Creates an empty database on a server.
    pub async fn create_on(server: &str) -> Self {
        let name = format!("reestr_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(server).await.expect("the test PostgreSQL answers");
        let create = format!("CREATE DATABASE {name}");
        connection.execute(sqlx::AssertSqlSafe(create)).await.expect("the database is made");
        let base = server.rsplit_once('/').map_or(server, |(base, _)| base);
        Self { server: server.to_owned(), url: format!("{base}/{name}"), name }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // Dropping may happen inside a runtime, which must not be blocked on itself.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection =
                    PgConnection::connect(&server).await.map_err(std::io::Error::other)?;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(sqlx::AssertSqlSafe(drop)).await.map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test database was not dropped: {error}");
        }
    }
}
