//! What this machine could do at most: each figure is to be read as a share of these.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proofs::statement::SignedStatement;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::sync::Mutex;

use super::load::{Driven, Until, drive, lanes};
use super::report::Measurement;
use super::store::Database;
use super::{Context, blocking};
use crate::failure::Failure;

/// A page of PostgreSQL's write-ahead log, as `pg_test_fsync` writes it.
const PAGE_BYTES: usize = 8_192;
/// Rows of one insertion.
const ROWS: usize = 1_000;
/// Connections that insert at once, in the second measurement of insertions.
const WRITERS: usize = 4;
/// A limit is measured for so long at most: it does not grow with the store.
const LONGEST: Duration = Duration::from_secs(10);
/// Statements whose signatures are checked over and over.
const STATEMENTS: u64 = 1_000;

/// Measures all of them.
pub async fn measure(context: &Context) -> Result<Vec<Measurement>, Failure> {
    let time = context.seconds.min(LONGEST);
    let mut all = Vec::new();
    context.say("limit: fsync");
    all.push(fsync(context, time).await?);
    context.say("limit: insertion of rows");
    all.push(insert(context, time).await?);
    for cores in [1, context.cores] {
        context.say(&format!("limit: signatures on {cores} cores"));
        all.push(signatures(context, time, cores).await?);
    }
    Ok(all)
}

/// Writes a page and has it reach the disk, again and again.
async fn fsync(context: &Context, time: Duration) -> Result<Measurement, Failure> {
    let directory = context.places.directory()?;
    let path = directory.path().join("fsync");
    let driven = blocking(move || {
        let failed = |error: std::io::Error| Failure::because("the disk", &error);
        let mut file = File::create(&path).map_err(failed)?;
        // Space first, as a log that is used again has it: the disk is to write data alone.
        let page = vec![0x5a; PAGE_BYTES];
        for _ in 0..256 {
            file.write_all(&page).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        let mut driven = Driven::none();
        let began = Instant::now();
        while began.elapsed() < time {
            let before = Instant::now();
            let at = driven.units % 256 * PAGE_BYTES as u64;
            file.seek(SeekFrom::Start(at)).map_err(failed)?;
            file.write_all(&page).map_err(failed)?;
            file.sync_data().map_err(failed)?;
            driven.micros.push(u32::try_from(before.elapsed().as_micros()).unwrap_or(u32::MAX));
            driven.units += 1;
        }
        driven.elapsed = began.elapsed();
        Ok(driven)
    });
    Ok(Measurement::new("limit", driven.await?, 1).of("fsync"))
}

/// Checks signatures strictly, one by one, as the engine does.
async fn signatures(context: &Context, time: Duration, cores: usize) -> Result<Measurement, Failure> {
    let generator = Arc::clone(&context.generator);
    let driven = blocking(move || {
        let register = [super::append::department()?];
        let made = generator.fresh("limit", 0, STATEMENTS, &register)?;
        let read = |text: &str| {
            SignedStatement::parse(text).map_err(|error| Failure::because("a statement", &error))
        };
        let statements = made.iter().map(|entry| read(&entry.statement)).collect::<Result<Vec<_>, _>>()?;
        let key = generator.key().public();
        let began = Instant::now();
        let check = || {
            let mut checked = 0;
            for statement in statements.iter().cycle() {
                if began.elapsed() >= time {
                    break;
                }
                statement.verify(&key).map_err(|error| Failure::because("a statement", &error))?;
                checked += 1;
            }
            Ok::<u64, Failure>(checked)
        };
        let checked: Vec<Result<u64, Failure>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(check)).collect();
            let ended = |_| Err(Failure::failed("a thread that checked signatures has ended"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
        });
        let units = checked.into_iter().sum::<Result<u64, _>>()?;
        Ok(Driven { elapsed: began.elapsed(), micros: Vec::new(), units })
    });
    let what = if cores == 1 { "signatures, one core" } else { "signatures, all cores" };
    Ok(Measurement::new("limit", driven.await?, cores).of(what))
}

/// Inserts rows of an entry's size with nothing else about them, a thousand in a transaction.
async fn insert(context: &Context, time: Duration) -> Result<Measurement, Failure> {
    let register = [super::append::department()?];
    let entries = context.generator.fresh("limit", 0, ROWS as u64, &register)?;
    // Statement, body and salt are what an entry is; its leaf's hash goes with it.
    let row =
        |entry: &super::entries::Signed| [entry.statement.as_bytes(), &entry.body, &[0x5a; 48]].concat();
    let rows: Vec<Vec<u8>> = entries.iter().map(row).collect();
    let mut best: Option<Measurement> = None;
    let database = context.places.database().await?;
    for writers in if database.is_some() { vec![1, WRITERS] } else { vec![1] } {
        let driven = match &database {
            Some(database) => insert_postgres(database, rows.clone(), writers, time).await?,
            None => insert_sqlite(context, &rows, time).await?,
        };
        let measured = Measurement::new("limit", driven, writers).of("raw insert");
        if best.as_ref().is_none_or(|best| best.per_second < measured.per_second) {
            best = Some(measured);
        }
    }
    best.ok_or_else(|| Failure::failed("nothing was inserted"))
}

async fn insert_postgres(
    database: &Database,
    rows: Vec<Vec<u8>>,
    writers: usize,
    time: Duration,
) -> Result<Driven, Failure> {
    let failed = |error: sqlx::Error| Failure::because("the database", &error);
    let rows = Arc::new(rows);
    let mut connections = Vec::new();
    for _ in 0..writers {
        let mut connection = PgConnection::connect_with(&database.options).await.map_err(failed)?;
        let table = "CREATE TABLE IF NOT EXISTS raw (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body BYTEA NOT NULL)";
        sqlx::query(table).execute(&mut connection).await.map_err(failed)?;
        connections.push(Arc::new(Mutex::new(connection)));
    }
    let calls = connections.iter().map(|connection| vec![Arc::clone(connection); CALLS_MAX]).collect();
    let call = move |connection: Arc<Mutex<PgConnection>>| {
        let rows = Arc::clone(&rows);
        async move {
            let query = sqlx::query("INSERT INTO raw (body) SELECT UNNEST($1::bytea[])").bind(rows.as_ref());
            let done = query.execute(&mut *connection.lock().await).await.map_err(failed)?;
            Ok(done.rows_affected())
        }
    };
    drive(&tokio::runtime::Handle::current(), calls, Until::Time(time), call).await
}

/// Transactions of one measurement at most: ten seconds of the fastest disk that there is.
const CALLS_MAX: usize = 100_000;

async fn insert_sqlite(context: &Context, rows: &[Vec<u8>], time: Duration) -> Result<Driven, Failure> {
    let failed = |error: sqlx::Error| Failure::because("the database", &error);
    let directory = context.places.directory()?;
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("raw.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    sqlx::query("CREATE TABLE raw (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    let texts: Vec<String> = rows.iter().map(|row| String::from_utf8_lossy(row).into_owned()).collect();
    let rows = serde_json::to_string(&texts).map_err(|error| Failure::because("the rows", &error))?;
    let connection = Arc::new(Mutex::new(connection));
    let call = move |connection: Arc<Mutex<SqliteConnection>>| {
        let rows = rows.clone();
        async move {
            let query = sqlx::query("INSERT INTO raw (body) SELECT value FROM json_each($1)").bind(rows);
            let done = query.execute(&mut *connection.lock().await).await.map_err(failed)?;
            Ok(done.rows_affected())
        }
    };
    let calls = lanes(std::iter::repeat_n(connection, CALLS_MAX), 1);
    drive(&tokio::runtime::Handle::current(), calls, Until::Time(time), call).await
}
