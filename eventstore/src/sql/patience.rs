//! How long the database may be silent. A machine or a network that vanishes says nothing, and the kernel gives up on it only after a
//! quarter of an hour: until then every connection that was in use would be lost to this process, and whoever waited with it.

use std::fs::Metadata;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection};

use crate::error::StoreError;

/// A query outside a transaction. All of them read a page, or a row by its key: none takes a second.
pub(super) const READ: Duration = Duration::from_secs(15);
/// A statement of a transaction: one may wait for another server's batch, which PostgreSQL ends after 30 s of silence, or write a
/// thousand entries' rows. Less than the minute after which a request is answered anyway.
pub(crate) const WRITE: Duration = Duration::from_secs(45);
/// A connection, for which nobody waits longer than 15 s, and one answer without any work. No lock is waited for.
pub(super) const BEGIN: Duration = Duration::from_secs(18);
/// An answer without any work: many times the way round the world.
const PING: Duration = Duration::from_secs(3);

/// What does not come in time is given up; its connection is then found silent, and closed.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(silent()))
}

fn silent() -> sqlx::Error {
    Error::new(ErrorKind::TimedOut, "the database did not answer in time").into()
}

/// A pool that asks each connection whether it is there, and does not wait for the answer for ever: before it is lent, as the pool
/// would itself, and when it comes back, perhaps because the one who had it waited in vain.
pub(super) fn impatient(options: PgPoolOptions) -> PgPoolOptions {
    options
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(answers(connection)))
        .after_release(|connection, _| Box::pin(answers(connection)))
}

async fn answers(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    within(PING, connection.ping()).await.map(|()| true)
}

/// The file of an embedded store as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    /// Device and inode; nothing where the file has no name, as in tests of the SQL alone.
    opened: Option<(u64, u64)>,
}

impl Place {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: std::fs::metadata(path).ok().map(|file| identity(&file)) }
    }

    /// Fails when the file was removed, moved or replaced. SQLite goes on writing into a file that has no name any more, and what was
    /// acknowledged would be gone with the process.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let found = std::fs::metadata(&self.path).ok().map(|file| identity(&file));
        if found == self.opened {
            return Ok(());
        }
        Err(StoreError::Gone { path: self.path.display().to_string() })
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
