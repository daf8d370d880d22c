//! Where a store is, and the three of them behind one face.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::entries::Signed;
use crate::failure::Failure;
use crate::stores::{disintegrate, postgres_es, uma};

/// Connections of a pool at most: with two cores of the server more of them only wait for one another.
const CONNECTIONS_MAX: usize = 32;
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Which store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// postgres-es, of cqrs-es.
    PostgresEs,
    /// disintegrate-postgres.
    Disintegrate,
    /// UmaDB.
    Uma,
}

/// All.
pub const KINDS: [Kind; 3] = [Kind::PostgresEs, Kind::Disintegrate, Kind::Uma];

impl Kind {
    /// As in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgresEs => "postgres-es 0.5",
            Self::Disintegrate => "disintegrate-postgres 3.0",
            Self::Uma => "umadb 0.7 (its own file, by gRPC)",
        }
    }
}

/// A new database on the server and a new directory.
pub struct Place {
    server: PgConnectOptions,
    name: String,
    /// How to connect to the database.
    pub database: PgConnectOptions,
    /// Connections to the database.
    pub pool: PgPool,
    /// For stores that are files.
    pub directory: TempDir,
    /// Appenders at once.
    pub callers: usize,
}

fn failed(error: sqlx::Error) -> Failure {
    Failure::because("the database", &error)
}

impl Place {
    /// Makes both.
    pub async fn make(url: &str, callers: usize) -> Result<Self, Failure> {
        let server = PgConnectOptions::from_str(url).map_err(failed)?;
        let name =
            format!("reestr_bench_peer_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect_with(&server).await.map_err(failed)?;
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await.map_err(failed)?;
        let connections = u32::try_from(callers.clamp(2, CONNECTIONS_MAX)).unwrap_or(2);
        let pool = PgPoolOptions::new().max_connections(connections).min_connections(connections);
        let pool = pool.acquire_timeout(std::time::Duration::from_secs(120)).test_before_acquire(false);
        let database = server.clone().database(&name);
        let pool = pool.connect_with(database.clone()).await.map_err(failed)?;
        let directory = tempfile::Builder::new().prefix("reestr-peers-").tempdir();
        let directory = directory.map_err(|error| Failure::because("a temporary directory", &error))?;
        Ok(Self { server, name, database, pool, directory, callers })
    }

    /// Drops both.
    pub async fn remove(self) -> Result<(), Failure> {
        self.pool.close().await;
        let mut connection = PgConnection::connect_with(&self.server).await.map_err(failed)?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        connection.execute(drop.as_str()).await.map_err(failed)?;
        Ok(())
    }

    /// Bytes of write-ahead log that the server has made.
    pub async fn wal_bytes(&self) -> Result<i64, Failure> {
        let lsn = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
        sqlx::query_scalar(lsn).fetch_one(&self.pool).await.map_err(failed)
    }

    /// Bytes of all tables with their indexes.
    pub async fn table_bytes(&self) -> Result<u64, Failure> {
        let query = "SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::bigint FROM pg_class \
                     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
        let bytes: i64 = sqlx::query_scalar(query).fetch_one(&self.pool).await.map_err(failed)?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> Result<u64, Failure> {
        let failed = |error: std::io::Error| Failure::because("the files", &error);
        let mut bytes = 0;
        for file in std::fs::read_dir(self.directory.path()).map_err(failed)? {
            bytes += file.and_then(|file| file.metadata()).map_err(failed)?.len();
        }
        Ok(bytes)
    }
}

/// An entry as a store takes it.
pub enum Ready {
    /// For postgres-es.
    PostgresEs(postgres_es::Ready),
    /// For disintegrate.
    Disintegrate(disintegrate::Ready),
    /// For UmaDB.
    Uma(uma::Ready),
}

/// A store that is open.
pub enum Peer {
    /// postgres-es.
    PostgresEs(postgres_es::Store),
    /// disintegrate.
    Disintegrate(disintegrate::Store),
    /// UmaDB.
    Uma(uma::Store),
}

impl Peer {
    /// Opens a new one.
    pub async fn open(kind: Kind, place: &Place) -> Result<Self, Failure> {
        Ok(match kind {
            Kind::PostgresEs => Self::PostgresEs(postgres_es::Store::open(place).await?),
            Kind::Disintegrate => Self::Disintegrate(disintegrate::Store::open(place).await?),
            Kind::Uma => Self::Uma(uma::Store::open(place).await?),
        })
    }

    /// Makes an entry ready, before any clock runs.
    pub fn prepare(&self, entry: Signed) -> Result<Ready, Failure> {
        Ok(match self {
            Self::PostgresEs(_) => Ready::PostgresEs(postgres_es::prepare(&entry)?),
            Self::Disintegrate(_) => Ready::Disintegrate(disintegrate::prepare(&entry)?),
            Self::Uma(_) => Ready::Uma(uma::prepare(&entry)?),
        })
    }

    /// Appends an entry; answers when it is durable.
    pub async fn append(&self, ready: Ready) -> Result<(), Failure> {
        match (self, ready) {
            (Self::PostgresEs(store), Ready::PostgresEs(ready)) => store.append(ready).await,
            (Self::Disintegrate(store), Ready::Disintegrate(ready)) => store.append(ready).await,
            (Self::Uma(store), Ready::Uma(ready)) => store.append(ready).await,
            _ => Err(Failure::failed("an entry for another store")),
        }
    }

    /// How many are there.
    pub async fn count(&self) -> Result<u64, Failure> {
        match self {
            Self::PostgresEs(store) => store.count().await,
            Self::Disintegrate(store) => store.count().await,
            Self::Uma(store) => store.count().await,
        }
    }
}
