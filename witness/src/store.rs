//! What a witness keeps: the keys that it trusts for each origin, the head that it cosigned last, and evidence of forks.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use proofs::hash::Hash;
use proofs::note::{SignedNote, VerifierKey};
use proofs::witness::{Head, Refusal};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};

/// How long a request waits for those before it, and for another process that adds a log.
const WAIT: Duration = Duration::from_secs(5);
/// Forked checkpoints that are kept of one log: one proves it, and a log gone mad must not fill the disk.
const EVIDENCE_MAX: i64 = 16;

/// The tables. A witness has one version of them so far; `user_version` says which.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS log_key (
    origin TEXT NOT NULL,
    vkey   TEXT NOT NULL,
    PRIMARY KEY (origin, vkey)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (
    origin      TEXT    NOT NULL PRIMARY KEY,
    size        INTEGER NOT NULL CHECK (size >= 0),
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    note        TEXT    NOT NULL,
    cosigned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence (
    origin  TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    root    BLOB    NOT NULL CHECK (length(root) = 32),
    note    TEXT    NOT NULL,
    against TEXT    NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS head_update BEFORE UPDATE ON head
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.cosigned_at < OLD.cosigned_at
    OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'a head that was cosigned never goes back'); END;
CREATE TRIGGER IF NOT EXISTS head_delete BEFORE DELETE ON head
BEGIN SELECT RAISE(ABORT, 'a head that was cosigned is never forgotten'); END;
PRAGMA user_version = 1;";

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error("the witness's store: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that cannot be read: the file was changed by a hand, or a disk.
    #[error("the witness's store is damaged: {table} of {origin}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The log.
        origin: String,
    },
    /// A store of a later version of the program.
    #[error("the witness's store is of version {0}, which this program does not know")]
    Version(i64),
}

/// A witness's store: one SQLite file, that each answer is durable in before it is given. A clone is another handle.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

/// A log that a witness knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its origin.
    pub origin: String,
    /// The keys that its checkpoints may be signed with; none when it was removed.
    pub keys: Vec<VerifierKey>,
    /// The head that was cosigned last, and when, in seconds since 1970.
    pub cosigned: Option<(Head, u64)>,
}

/// Two checkpoints of one log and size, both with its signature: proof that it forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The log.
    pub origin: String,
    /// The size of both.
    pub size: u64,
    /// The one that was refused, as it came.
    pub refused: String,
    /// The one that was cosigned.
    pub cosigned: String,
}

impl Store {
    /// Opens the store, making it when it is not there.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that returned is on the disk, whatever happens to the machine.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT);
        // One connection: whoever asks waits for those before, in order.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await?;
        if version > 1 {
            return Err(StoreError::Version(version));
        }
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// The keys that are trusted for an origin.
    pub async fn keys(&self, origin: &str) -> Result<Vec<VerifierKey>, StoreError> {
        let rows = sqlx::query("SELECT vkey FROM log_key WHERE origin = $1 ORDER BY vkey").bind(origin);
        let rows = rows.fetch_all(&self.pool).await?;
        rows.iter().map(|row| key(origin, row.try_get("vkey")?)).collect()
    }

    /// Trusts a key for its origin, beside those that are trusted already.
    pub async fn add(&self, key: &VerifierKey) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        insert(&mut tx, key).await?;
        Ok(tx.commit().await?)
    }

    /// Trusts these keys, all at once, and of their origins no others.
    pub async fn set(&self, keys: &[VerifierKey]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for key in keys {
            let delete = sqlx::query("DELETE FROM log_key WHERE origin = $1").bind(key.name());
            delete.execute(&mut *tx).await?;
        }
        for key in keys {
            insert(&mut tx, key).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Trusts a key no more; false when it was not trusted. What was cosigned stays known.
    pub async fn remove(&self, key: &VerifierKey) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let delete = sqlx::query("DELETE FROM log_key WHERE origin = $1 AND vkey = $2");
        let done = delete.bind(key.name()).bind(key.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// All logs that are known, by origin.
    pub async fn logs(&self) -> Result<Vec<Log>, StoreError> {
        let mut logs: BTreeMap<String, Log> = BTreeMap::new();
        let new = |origin: &str| Log { origin: origin.to_owned(), keys: Vec::new(), cosigned: None };
        let mut tx = self.pool.begin().await?;
        for row in sqlx::query("SELECT origin, vkey FROM log_key ORDER BY vkey").fetch_all(&mut *tx).await? {
            let origin: String = row.try_get("origin")?;
            let key = key(&origin, row.try_get("vkey")?)?;
            logs.entry(origin.clone()).or_insert_with(|| new(&origin)).keys.push(key);
        }
        let heads = sqlx::query("SELECT origin, size, root, cosigned_at FROM head");
        for row in heads.fetch_all(&mut *tx).await? {
            let origin: String = row.try_get("origin")?;
            let cosigned = head(&origin, &row)?;
            logs.entry(origin.clone()).or_insert_with(|| new(&origin)).cosigned = Some(cosigned);
        }
        Ok(logs.into_values().collect())
    }

    /// Decides on the head that was cosigned last, and stores the new one, in one step; gives the time to cosign as of. When this
    /// returns, the new head is durable.
    pub async fn advance(
        &self,
        note: &SignedNote,
        origin: &str,
        now: u64,
        decide: impl FnOnce(Option<Head>) -> Result<Head, Refusal> + Send,
    ) -> Result<Result<u64, Refusal>, StoreError> {
        let mut tx = self.begin().await?;
        let known = sqlx::query("SELECT size, root, cosigned_at FROM head WHERE origin = $1").bind(origin);
        let known = known.fetch_optional(&mut *tx).await?.map(|row| head(origin, &row)).transpose()?;
        let new = match decide(known.map(|(head, _)| head)) {
            Ok(new) => new,
            Err(refusal) => {
                if let Refusal::Fork { size } = refusal {
                    keep_evidence(&mut tx, note, origin, size, now).await?;
                    tx.commit().await?;
                }
                return Ok(Err(refusal));
            }
        };
        // A cosignature says that no larger head was seen by its time: times go on even where the clock went back.
        let time = known.map_or(now, |(_, before)| before.max(now));
        let write = "INSERT INTO head (origin, size, root, note, cosigned_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note,
                cosigned_at = excluded.cosigned_at";
        sqlx::query(write)
            .bind(origin)
            .bind(signed(new.size))
            .bind(new.root.as_bytes().as_slice())
            .bind(note.to_string())
            .bind(signed(time))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Ok(time))
    }

    /// Forks that were seen.
    pub async fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        let sql = "SELECT origin, size, note, against FROM evidence ORDER BY origin, size, seen_at, root";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let size: i64 = row.try_get("size")?;
            Ok(Evidence {
                origin: row.try_get("origin")?,
                size: u64::try_from(size).unwrap_or_default(),
                refused: row.try_get("note")?,
                cosigned: row.try_get("against")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // The lock is taken before anything is read: another process cannot come between.
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
}

async fn insert(tx: &mut Transaction<'static, Sqlite>, key: &VerifierKey) -> Result<(), StoreError> {
    let insert = sqlx::query("INSERT INTO log_key (origin, vkey) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    insert.bind(key.name()).bind(key.to_string()).execute(&mut **tx).await?;
    Ok(())
}

/// Keeps a validly signed checkpoint of a size of which another root was cosigned, with the one that was.
async fn keep_evidence(
    tx: &mut Transaction<'static, Sqlite>,
    note: &SignedNote,
    origin: &str,
    size: u64,
    now: u64,
) -> Result<(), StoreError> {
    let Ok(forked) = proofs::checkpoint::Checkpoint::parse(note.text()) else { return Ok(()) };
    let write = "INSERT INTO evidence (origin, size, root, note, against, seen_at)
        SELECT $1, $2, $3, $4, head.note, $5 FROM head
        WHERE head.origin = $1 AND (SELECT COUNT(*) FROM evidence WHERE evidence.origin = $1) < $6
        ON CONFLICT DO NOTHING";
    sqlx::query(write)
        .bind(origin)
        .bind(signed(size))
        .bind(forked.root.as_bytes().as_slice())
        .bind(note.to_string())
        .bind(signed(now))
        .bind(EVIDENCE_MAX)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn key(origin: &str, vkey: &str) -> Result<VerifierKey, StoreError> {
    vkey.parse().map_err(|_| StoreError::Corrupt { table: "log_key", origin: origin.to_owned() })
}

fn head(origin: &str, row: &sqlx::sqlite::SqliteRow) -> Result<(Head, u64), StoreError> {
    let corrupt = || StoreError::Corrupt { table: "head", origin: origin.to_owned() };
    let (size, root, time): (i64, Vec<u8>, i64) =
        (row.try_get("size")?, row.try_get("root")?, row.try_get("cosigned_at")?);
    let size = u64::try_from(size).map_err(|_| corrupt())?;
    let root = Hash::from_slice(&root).map_err(|_| corrupt())?;
    Ok((Head { size, root }, u64::try_from(time).map_err(|_| corrupt())?))
}

/// Sizes are at most 2^62 (a request with a larger one is malformed), and times are of this age.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
