//! Connections and transactions.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, Postgres, Row as _, Sqlite, SqliteConnection, SqlitePool,
    Transaction,
};

use super::ask::{ask, postgres_query};
use super::patience::{BEGIN, Place, WRITE, impatient, within};
use super::ready::{Ready, WAIT};
use super::rows::expand;
use super::together::Together;
use super::{Arg, Dialect, Row, Target, migrations};
use crate::error::{StoreError, Trouble};

/// Readers of an SQLite file: they never block each other, so about what a small machine's cores can use.
const SQLITE_READERS: u32 = 8;
/// How long the emptying of SQLite's log waits for those who read from it, before it is put off.
const SCRUB_WAIT: Duration = Duration::from_millis(200);
/// Connections to PostgreSQL, of the usual 100 of a server: four servers and some tools fit.
const POSTGRES_CONNECTIONS: u32 = 20;
/// Of those, connections for reading, which are kept at hand. The others are for transactions: ten projectors', and some.
const READY: usize = 8;
/// SQLite has one connection that writes: each transaction says whether its commit waits for the disk.
const BEGIN_DURABLE: &str = "PRAGMA synchronous = FULL; BEGIN IMMEDIATE";
/// Statements a connection keeps prepared. All of ours together are about 100.
const STATEMENTS: usize = 256;

/// The database: readers at any number, one transaction that writes at a time on SQLite.
#[derive(Debug, Clone)]
pub struct Db(pub(crate) Inner);

#[derive(Debug, Clone)]
pub(crate) enum Inner {
    Sqlite { readers: SqlitePool, writer: SqlitePool, place: Arc<Place> },
    Postgres { ready: Ready, together: Together },
}

impl Db {
    /// Connects, and brings the schema up to date.
    pub(crate) async fn open(target: &Target) -> Result<Self, StoreError> {
        let db = match target {
            Target::Sqlite(path) => Self::open_sqlite(path).await?,
            Target::Postgres(url) => Self::open_postgres(url).await?,
        };
        Ok(db)
    }

    async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let _alone = alone(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT)
            // What is withheld by order must not lie about in free pages.
            .pragma("secure_delete", "on")
            .statement_cache_capacity(STATEMENTS);
        // One connection that is never given up: SQLite has one writer at a time anyway, and waiting here is fair.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // A commit that fails for want of room leaves a transaction open by sqlx's count, and none by SQLite's: such a connection
            // begins no other, and there is only this one.
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await?;
        let found: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&writer).await?;
        if !at_least(&found, [3, 51, 3]) {
            return Err(StoreError::SqliteVersion { found });
        }
        migrations::migrator(Dialect::Sqlite).run(&writer).await.map_err(migrations::failed)?;
        // Where the file may only be read, SQLite says so not before something is written.
        sqlx::query("DELETE FROM installation WHERE 0 = 1").execute(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(WAIT)
            .test_before_acquire(false)
            .connect_with(options.pragma("query_only", "on"))
            .await?;
        Ok(Self(Inner::Sqlite { readers, writer, place: Arc::new(Place::of(path)) }))
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let pool = impatient(PgPoolOptions::new())
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(WAIT)
            .connect_with(postgres_options(url)?)
            .await?;
        migrations::migrator(Dialect::Postgres).run(&pool).await.map_err(migrations::failed)?;
        Ok(Self(Inner::Postgres { ready: Ready::new(pool, READY), together: Together::default() }))
    }

    /// A second handle for the appender alone. On SQLite the one writer; on PostgreSQL a connection of its own, which readers
    /// cannot take away, and which plans for the indexes whatever the statistics say (they lag behind a log that grows fast).
    pub(crate) fn for_appender(&self, target: &Target) -> Result<Self, StoreError> {
        let Target::Postgres(url) = target else { return Ok(self.clone()) };
        let options = postgres_options(url)?.options([
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("enable_material", "off"),
            // A few look-ups by an index are done before a worker has started.
            ("max_parallel_workers_per_gather", "0"),
            // Acknowledged is flushed, whatever the server's default is.
            ("synchronous_commit", "on"),
            // After the lock, each statement must see what others committed before it.
            ("default_transaction_isolation", "read committed"),
            // A server that hangs while it holds that lock must not hold up the others for ever.
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        // One at hand for batches that take no lock, and one for those that do.
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self(Inner::Postgres { ready: Ready::new(pool, 1), together: Together::default() }))
    }

    /// Which SQL is spoken.
    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Inner::Sqlite { .. } => Dialect::Sqlite,
            Inner::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Fails when the file of an embedded store is not where it was.
    pub fn check_place(&self) -> Result<(), StoreError> {
        match &self.0 {
            Inner::Sqlite { place, .. } => place.check(),
            Inner::Postgres { .. } => Ok(()),
        }
    }

    /// Waits until what could be read by now is as safe as what was acknowledged. On PostgreSQL others see a commit that still waits
    /// for its standby once its session ended; the log is in order, so that a commit that does not have to wait any more comes after
    /// it. Such a commit must write something: a message that nobody reads.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        let Inner::Postgres { ready, .. } = &self.0 else { return Ok(()) };
        let mut lent = ready.lend().await?;
        // To the end: the statement commits after its row was given.
        let message = sqlx::query("SELECT CAST(pg_logical_emit_message(true, 'reestr', '') AS TEXT)");
        within(WRITE, message.fetch_all(lent.connection())).await?;
        lent.keep();
        Ok(())
    }

    /// All rows of a query that only reads.
    pub async fn fetch_all(&self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        match &self.0 {
            Inner::Sqlite { readers, .. } => {
                let rows = sqlite_query(sql, args).fetch_all(readers).await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
            Inner::Postgres { ready, .. } => {
                let (sql, parameters) = expand(sql, args)?;
                let lent = ready.lend().await?;
                let rows = ask(lent, &sql, parameters, |connection, query| connection.fetch_all(query));
                let rows = rows.await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
        }
    }

    /// The same, of a query that many ask at the same time, each with parameters of their own, which are single values: those who
    /// come while others wait for their answer are answered by one statement.
    pub async fn fetch_together(&self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        match &self.0 {
            Inner::Postgres { ready, together } if is_joined(&args) => {
                // Boxed, as a turn is: those who read this way do much besides.
                let rows: BoxFuture<'_, _> = Box::pin(together.fetch_all(ready, sql, args));
                rows.await
            }
            Inner::Postgres { .. } | Inner::Sqlite { .. } => self.fetch_all(sql, args).await,
        }
    }

    /// The first row of a query that only reads.
    pub async fn fetch_optional(&self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        match &self.0 {
            Inner::Sqlite { readers, .. } => {
                let row = sqlite_query(sql, args).fetch_optional(readers).await?;
                Ok(row.map(Row::from))
            }
            Inner::Postgres { ready, .. } => {
                let (sql, parameters) = expand(sql, args)?;
                let lent = ready.lend().await?;
                let row = ask(lent, &sql, parameters, |connection, query| connection.fetch_optional(query));
                let row = row.await?;
                Ok(row.map(Row::from))
            }
        }
    }

    /// Begins a transaction that writes. On SQLite there is one at a time: hold it briefly, and never submit while holding it.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.0 {
            Inner::Sqlite { writer, place, .. } => {
                let tx = writer.begin_with(BEGIN_DURABLE).await?;
                place.check()?;
                Ok(Tx(TxInner::Sqlite(tx)))
            }
            Inner::Postgres { ready, .. } => {
                Ok(Tx(TxInner::Postgres(within(BEGIN, ready.pool().begin()).await?)))
            }
        }
    }

    /// The same for what can be made again from the journal: its commit waits for no disk. A loss of power may take the last of
    /// such transactions back, each whole and none before an earlier one.
    pub async fn begin_disposable(&self) -> Result<Tx, StoreError> {
        match &self.0 {
            Inner::Sqlite { writer, place, .. } => {
                let tx = writer.begin_with("PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE").await?;
                place.check()?;
                Ok(Tx(TxInner::Sqlite(tx)))
            }
            Inner::Postgres { ready, .. } => {
                let begin = ready.pool().begin_with("BEGIN; SET LOCAL synchronous_commit = off");
                Ok(Tx(TxInner::Postgres(within(BEGIN, begin).await?)))
            }
        }
    }

    /// Begins a transaction that only reads, and in which nothing changes: all of it is as of its first query. It holds up
    /// nobody, but keeps a database from tidying up what was replaced since, so that it is not for hours.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        match &self.0 {
            // A reader's transaction sees the WAL as of its first read.
            Inner::Sqlite { readers, .. } => Ok(Tx(TxInner::Sqlite(readers.begin().await?))),
            Inner::Postgres { ready, .. } => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Ok(Tx(TxInner::Postgres(within(BEGIN, ready.pool().begin_with(begin)).await?)))
            }
        }
    }

    /// Writes an SQLite file anew, so that nothing of what was deleted is left in it or in its WAL. PostgreSQL is not touched.
    pub(crate) async fn rewrite(&self) -> Result<(), StoreError> {
        let Inner::Sqlite { writer, .. } = &self.0 else { return Ok(()) };
        sqlx::query("VACUUM").execute(writer).await?;
        let truncated = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
        let busy: i64 = truncated.try_get(0)?;
        if busy == 0 { Ok(()) } else { Err(StoreError::Busy) }
    }

    /// Takes what was deleted from these tables out of their files: SQLite overwrites it where it stood, and its log of writes is
    /// emptied here; PostgreSQL gives the room to what is written next. `false` when someone still reads from before.
    pub async fn scrub(&self, tables: &[&str]) -> Result<bool, StoreError> {
        match &self.0 {
            Inner::Sqlite { writer, .. } => {
                // A connection of its own, so that the one writer waits for no reader.
                let options = (*writer.connect_options()).clone().busy_timeout(SCRUB_WAIT);
                let mut connection = SqliteConnection::connect_with(&options).await?;
                let busy: i64 =
                    sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
                connection.close().await?;
                Ok(busy == 0)
            }
            Inner::Postgres { ready, .. } => {
                for table in tables {
                    sqlx::query(AssertSqlSafe(format!("VACUUM {table}"))).execute(ready.pool()).await?;
                }
                Ok(true)
            }
        }
    }

    pub(crate) async fn close(&self) {
        match &self.0 {
            Inner::Sqlite { readers, writer, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Inner::Postgres { ready, .. } => ready.close().await,
        }
    }
}

/// A transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx(pub(crate) TxInner);

pub(crate) enum TxInner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Which SQL is spoken.
    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            TxInner::Sqlite(_) => Dialect::Sqlite,
            TxInner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// All rows of a query.
    pub async fn fetch_all(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        match &mut self.0 {
            TxInner::Sqlite(tx) => {
                let rows = sqlite_query(sql, args).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
            TxInner::Postgres(tx) => {
                let (sql, parameters) = expand(sql, args)?;
                let rows = within(WRITE, postgres_query(sql, parameters).fetch_all(&mut **tx)).await?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
        }
    }

    /// The first row of a query.
    pub async fn fetch_optional(&mut self, sql: &str, args: Vec<Arg>) -> Result<Option<Row>, StoreError> {
        match &mut self.0 {
            TxInner::Sqlite(tx) => {
                let row = sqlite_query(sql, args).fetch_optional(&mut **tx).await?;
                Ok(row.map(Row::from))
            }
            TxInner::Postgres(tx) => {
                let (sql, parameters) = expand(sql, args)?;
                let row = within(WRITE, postgres_query(sql, parameters).fetch_optional(&mut **tx)).await?;
                Ok(row.map(Row::from))
            }
        }
    }

    /// Runs a statement; gives the number of rows it changed.
    pub async fn execute(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        match &mut self.0 {
            TxInner::Sqlite(tx) => Ok(sqlite_query(sql, args).execute(&mut **tx).await?.rows_affected()),
            TxInner::Postgres(tx) => {
                let (sql, parameters) = expand(sql, args)?;
                Ok(within(WRITE, postgres_query(sql, parameters).execute(&mut **tx)).await?.rows_affected())
            }
        }
    }

    /// From here on, what is asked in this transaction is asked for the next rows in the order of a key. PostgreSQL plans by statistics,
    /// which know nothing yet of rows that are being made, and would read and sort all of them for each page.
    pub async fn in_order_of_keys(&mut self) -> Result<(), StoreError> {
        if let TxInner::Postgres(tx) = &mut self.0 {
            let off = ["seqscan", "bitmapscan", "sort"]
                .map(|way| format!("set_config('enable_{way}', 'off', true)"));
            let sql = format!("SELECT {}", off.join(", "));
            within(WRITE, sqlx::query(AssertSqlSafe(sql)).execute(&mut **tx)).await?;
        }
        Ok(())
    }

    /// Commits. An error that leaves open whether it happened is [`StoreError::OutcomeUnknown`].
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            TxInner::Sqlite(tx) => tx.commit().await,
            TxInner::Postgres(tx) => within(WRITE, tx.commit()).await,
        }
        .map_err(|error| unless_refused(error.into()))
    }

    /// Rolls back.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.0 {
            TxInner::Sqlite(tx) => tx.rollback().await?,
            TxInner::Postgres(tx) => within(WRITE, tx.rollback()).await?,
        }
        Ok(())
    }
}

/// Whether a query with these parameters can be asked together with others.
fn is_joined(args: &[Arg]) -> bool {
    !args.is_empty() && args.iter().all(|arg| !matches!(arg, Arg::Rows(_)))
}

/// An error of what commits: its outcome is unknown, unless the server itself refused.
pub(crate) fn unless_refused(error: StoreError) -> StoreError {
    match error {
        StoreError::Database(error) if !refused(&error) => {
            if let Some(trouble) = Trouble::of(&error) {
                tracing::error!(%error, todo = trouble.advice(), "a commit came to nothing that is known");
            }
            StoreError::OutcomeUnknown(error.to_string())
        }
        error => error,
    }
}

/// Whether the server itself said that the transaction was not committed. Its classes 08 (connection) and 57 (intervention:
/// a shutdown can interrupt the wait after the commit record is written) say no such thing; nor does SQLite about the disk.
fn refused(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some_and(|error| {
                let class = error.code().get(..2);
                class != Some("08") && class != Some("57") && class != Some("58")
            })
        }
        _ => false,
    }
}

/// Lets one process at a time open an SQLite file: SQLite does not wait for locks while it turns a new file to WAL, and sqlx takes no
/// lock for its migrations. The lock goes with the file handle.
async fn alone(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-opening");
    let lock = move || -> std::io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(name)?;
        file.lock()?;
        Ok(file)
    };
    let locked = tokio::task::spawn_blocking(lock).await;
    let locked = locked.map_err(|error| StoreError::Internal(error.to_string()))?;
    locked.map_err(|error| sqlx::Error::Io(error).into())
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse()?;
    // A machine that vanishes says nothing: without these its sessions would hold the row of a projection, and so its work, for hours.
    let vanished = [
        ("tcp_keepalives_idle", "15"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("idle_in_transaction_session_timeout", "60s"),
    ];
    Ok(options.application_name("reestr").statement_cache_capacity(STATEMENTS).options(vanished))
}

fn sqlite_query(sql: &str, args: Vec<Arg>) -> Query<'_, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for arg in args {
        query = match arg {
            Arg::Int(value) => query.bind(value),
            Arg::OptInt(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::OptText(value) => query.bind(value),
            Arg::Blob(value) => query.bind(value),
            Arg::OptBlob(value) => query.bind(value),
            Arg::Rows(rows) => query.bind(rows.json()),
        };
    }
    query
}

fn at_least(version: &str, floor: [u32; 3]) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default) >= floor
}

#[cfg(test)]
mod tests {
    use super::at_least;

    #[test]
    fn versions_compare_by_number() {
        assert!(at_least("3.51.3", [3, 51, 3]));
        assert!(at_least("3.100.0", [3, 51, 3]));
        assert!(!at_least("3.51.2", [3, 51, 3]));
        assert!(!at_least("3.9.99", [3, 51, 3]));
    }
}
