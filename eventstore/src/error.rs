//! What can go wrong, with one variant for each thing that a caller can act on.

use std::sync::Arc;

use proofs::signer::SignError;
use proofs::slug::Slug;
use uuid::Uuid;

use crate::seal::SealError;

/// The store failed. Cheap to clone: a failed batch tells every caller in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached; nothing was changed.
    #[error("database: {0}")]
    Database(#[source] Arc<sqlx::Error>),
    /// The connection was lost while a transaction committed: it may have happened or not.
    #[error(
        "the outcome of the commit is unknown; send the same request again with the same Idempotency-Key, \
         which is safe either way: {0}"
    )]
    OutcomeUnknown(String),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[source] Arc<sqlx::migrate::MigrateError>),
    /// Stored data contradicts itself: somebody else wrote it, or the disk lies. Never retried.
    #[error("stored data contradicts itself in {table}.{column} at {key}: {why}")]
    Corrupt {
        /// The table (or "query" while the reader of a row has not named it).
        table: &'static str,
        /// The column.
        column: String,
        /// The row's key in words, never personal data.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// This SQLite may lose committed transactions of a WAL (fixed in 3.51.3).
    #[error("SQLite {found} has a WAL bug that can lose data; 3.51.3 or later is needed")]
    SqliteVersion {
        /// The version that is linked in.
        found: String,
    },
    /// The store was made under another log name, which is in every checkpoint it ever signed.
    #[error("the store was made for log name {stored:?} and cannot be opened as {configured:?}")]
    LogName {
        /// What the store says.
        stored: String,
        /// What the configuration says.
        configured: String,
    },
    /// A log name is part of names in signed notes.
    #[error(
        "{0:?} is not a log name: one is a schema-less URL prefix without spaces and +, such as registers.example.gov"
    )]
    LogNameForm(String),
    /// Whoever signs did not. Nothing was written; the same request succeeds once the signer is back.
    #[error("{what} cannot be signed: {why}")]
    Signer {
        /// What was to be signed.
        what: String,
        /// Why it was not.
        #[source]
        why: SignError,
    },
    /// This process would record a time that is far from now, and nothing recorded later could be earlier.
    #[error(
        "the clock of this machine is {ahead_seconds} s ahead of the database's: entries are refused until they agree; set the clock \
         (is the machine's time service running?)"
    )]
    ClockAhead {
        /// By how much.
        ahead_seconds: u64,
    },
    /// A newer version of this program has changed the schema, and only it, or one newer yet, knows what that means.
    #[error(
        "the store is at step {found} of its schema, and this version of the program knows steps up to {known}: a newer version has \
         opened it; run that version, or one newer yet"
    )]
    SchemaNewer {
        /// The first step that is not known.
        found: i64,
        /// The last one that is.
        known: i64,
    },
    /// The file of the embedded store is not where it was: what is written would go where nobody finds it.
    #[error(
        "{path} is not the file that was opened: it was removed, moved or replaced while the server ran; put it back, or end the server \
         and restore it from a backup"
    )]
    Gone {
        /// Where it was.
        path: String,
    },
    /// Another process reads the file, so that what was in the clear cannot be erased from it.
    #[error(
        "another process has the store open: end it, and start again to erase the keys that an older version kept in the clear"
    )]
    Busy,
    /// What is sealed cannot be opened, or nothing sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store is somebody's own, and was to be a mirror.
    #[error("the store is an installation's own, of log name {0:?}; a mirror is made in an empty one")]
    NotMirror(String),
    /// A task of the store ended where it never should; only a new process helps.
    #[error("internal: {0}")]
    Internal(String),
}

impl StoreError {
    /// Whether a connection problem, a restart or a lock may have caused it, so that trying again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => !matches!(
                **error,
                sqlx::Error::Configuration(_)
                    | sqlx::Error::ColumnNotFound(_)
                    | sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::TypeNotFound { .. }
            ),
            Self::OutcomeUnknown(_) | Self::Signer { .. } | Self::ClockAhead { .. } | Self::Gone { .. } => {
                true
            }
            _ => false,
        }
    }

    /// What is the matter with the database, where it is something that its operator can see to.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Database(error) => Trouble::of(error),
            Self::Migration(error) => match &**error {
                sqlx::migrate::MigrateError::Execute(error)
                | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => Trouble::of(error),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the database refused what was to be written for what it is, and not for how it was with the database: the same
    /// would be refused again. PostgreSQL: data exceptions (class 22), constraints (23), limits of a row or an index (54).
    /// SQLite: too big (18), a constraint (19), a wrong type (20).
    pub fn is_about_data(&self) -> bool {
        let Self::Database(error) = self else { return false };
        let sqlx::Error::Database(error) = &**error else { return false };
        let Some(code) = error.code() else { return false };
        if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
            return ["22", "23", "54"].contains(&code.get(..2).unwrap_or_default());
        }
        // An extended code of SQLite has the primary one in its lowest byte.
        code.parse::<u32>().is_ok_and(|code| [18, 19, 20].contains(&(code & 0xff)))
    }

    /// Names the table and row that a column error came from.
    #[must_use]
    pub fn at(self, in_table: &'static str, at_key: impl FnOnce() -> String) -> Self {
        match self {
            Self::Corrupt { table: "query", column, why, .. } => {
                Self::Corrupt { table: in_table, column, key: at_key(), why }
            }
            other => other,
        }
    }

    /// Stored data in `column` that cannot be what was written.
    pub fn corrupt(
        table: &'static str,
        column: &str,
        key: impl std::fmt::Display,
        why: impl std::fmt::Display,
    ) -> Self {
        Self::Corrupt { table, column: column.to_owned(), key: key.to_string(), why: why.to_string() }
    }
}

/// What may be the matter with a database, and what its operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its disk is full.
    Full,
    /// It takes no writes.
    ReadOnly,
    /// Others have all its connections.
    Connections,
    /// Its disk fails, or is not there.
    Disk,
    /// It does not answer.
    Away,
}

impl Trouble {
    /// PostgreSQL's SQLSTATE, and SQLite's primary result code.
    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        let error = match error {
            sqlx::Error::Database(error) => error,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => return Some(Self::Away),
            _ => return None,
        };
        let code = error.code()?;
        if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
            return match &*code {
                "53100" => Some(Self::Full),
                "25006" => Some(Self::ReadOnly),
                "53300" => Some(Self::Connections),
                code if code.starts_with("58") => Some(Self::Disk),
                code if code.starts_with("08") || code.starts_with("57P") => Some(Self::Away),
                _ => None,
            };
        }
        // An extended code of SQLite has the primary one in its lowest byte.
        match code.parse::<u32>().ok()? & 0xff {
            13 => Some(Self::Full),
            8 => Some(Self::ReadOnly),
            10 | 14 => Some(Self::Disk),
            _ => None,
        }
    }

    /// What is the matter, as a sentence for whoever asked.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "The database has no room left on its disk.",
            Self::ReadOnly => "The database takes no writes: it is in recovery, or read-only.",
            Self::Connections => "The database has no connection left.",
            Self::Disk => "The database cannot use its files.",
            Self::Away => "The database did not answer.",
        }
    }

    /// What its operator can do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Full => "make room on the disk of the database; the server goes on by itself",
            Self::ReadOnly => {
                "PostgreSQL: promote the standby, or point the server at the primary; SQLite: make the file and its directory \
                 writable for the user that runs the server"
            }
            Self::Connections => {
                "end other clients of the database, or raise its max_connections: a server takes 21, and one a shard"
            }
            Self::Disk => "look at the disk, and at who may write to the directory of the store",
            Self::Away => "see whether the database runs, and whether the network lets the server reach it",
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migration(Arc::new(error))
    }
}

/// Why a submission was not appended. All but [`AppendError::Store`] mean: nothing of it was, and nothing will be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Somebody else made this version of the record first (or versions would have a gap).
    #[error("record {record} is at version {found}: the entry's version must be {expected}, not {given}", expected = found + 1)]
    Version {
        /// The record.
        record: Uuid,
        /// The version that the statement names.
        given: u64,
        /// The version that the record has; 0 = there is no such record.
        found: u64,
    },
    /// The record lives in another register.
    #[error("record {record} belongs to register {register}")]
    Register {
        /// The record.
        record: Uuid,
        /// The register that holds it.
        register: Slug,
    },
    /// The official number is taken in this register.
    #[error("the number is already held by record {holder} of register {register}")]
    Number {
        /// The register.
        register: Slug,
        /// The record that holds the number.
        holder: Uuid,
    },
    /// The idempotency key was used before for other content.
    #[error(
        "the idempotency key was used before with other content, or with content that was withheld since"
    )]
    Idempotency,
    /// A record that the decision rested on has moved on: load again, decide again.
    #[error("record {record} has changed since it was read (version {found})")]
    Stale {
        /// The record.
        record: Uuid,
        /// The version that it has now.
        found: u64,
    },
    /// No log was opened for the register.
    #[error("register {register} has no log")]
    UnknownLog {
        /// The register.
        register: Slug,
    },
    /// The register's log exists already.
    #[error("register {register} has a log already")]
    LogExists {
        /// The register.
        register: Slug,
    },
    /// The submission is not one that any state of the store could take.
    #[error("the submission cannot be appended: {0}")]
    Invalid(String),
    /// The queue is full.
    #[error("too many entries wait to be appended; try again in {retry_after_seconds} s")]
    Overloaded {
        /// When to try again.
        retry_after_seconds: u32,
    },
    /// The store is a mirror of another installation's.
    #[error("the store is a mirror, which takes no entries: append to the installation that it mirrors")]
    Mirror,
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
    /// The store failed. Unless it is [`StoreError::OutcomeUnknown`], nothing was appended.
    #[error(transparent)]
    Store(#[from] StoreError),
}
