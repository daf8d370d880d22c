//! Connections to PostgreSQL at hand. The pool asks a connection whether it is there before it lends it, and again when it comes back:
//! two round trips beside one of a query. One that gave its last answer a moment ago is lent without asking.
//!
//! Who reads waits here, in the order of arrival, and not for the pool: what is kept at hand is lent to whoever comes next, and who
//! waited for the pool was passed by for as long as others came, with all of its connections in use for reading.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One that has been idle for longer goes back to the pool, which asks it.
const FRESH: Duration = Duration::from_secs(1);
/// An answer on a connection that was not asked first may take so long, and is then looked for on one that was. So is what became of
/// a batch: whoever looks waits for its locks, if it is still on its way.
const UNASKED: Duration = Duration::from_secs(4);
/// How long a caller waits for a connection, or SQLite for another process's lock, before it is told.
pub(super) const WAIT: Duration = Duration::from_secs(15);

/// Connections, each with the moment since when it is idle.
type Free = Vec<(PoolConnection<Postgres>, Instant)>;

/// A pool, and some of its connections at hand.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pool: PgPool,
    /// The one used last comes first.
    free: Arc<Mutex<Free>>,
    kept_max: usize,
    /// One for each that may be lent at once, in turn: as many as are kept, so that no more of the pool's are ever used here.
    turns: Arc<Semaphore>,
}

impl Ready {
    /// Lends up to so many of the pool's connections, and keeps them at hand; the others are for who begins a transaction.
    pub(super) fn new(pool: PgPool, kept_max: usize) -> Self {
        Self { pool, free: Arc::default(), kept_max, turns: Arc::new(Semaphore::new(kept_max)) }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection, in turn: one at hand, or else of the pool.
    pub(crate) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        // Boxed: it is part of every future that reads, and the compiler counts how deep those are.
        let lent: BoxFuture<'_, Result<Lent, sqlx::Error>> = Box::pin(async {
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            let turn = turn.map_err(|_| sqlx::Error::PoolClosed)?;
            match self.at_hand() {
                Some(connection) => Ok(Lent { connection, ready: self.clone(), at_hand: true, turn }),
                None => self.asked(turn).await,
            }
        });
        tokio::time::timeout(WAIT, lent).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn asked(&self, turn: OwnedSemaphorePermit) -> Result<Lent, sqlx::Error> {
        Ok(Lent { connection: self.pool.acquire().await?, ready: self.clone(), at_hand: false, turn })
    }

    pub(super) async fn close(&self) {
        // The pool waits for those that are lent.
        let closing = self.pool.close();
        drop(self.take_all());
        closing.await;
    }

    fn at_hand(&self) -> Option<PoolConnection<Postgres>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, since) = free.pop()?;
        if since.elapsed() < FRESH {
            return Some(connection);
        }
        // Those below have been idle for even longer.
        free.clear();
        None
    }

    fn keep(&self, connection: PoolConnection<Postgres>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.kept_max && !self.pool.is_closed() {
            free.push((connection, Instant::now()));
        }
    }

    fn take_all(&self) -> Free {
        std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection that is lent. Dropped without [`Lent::keep`], it goes back to the pool, which asks it.
pub(crate) struct Lent {
    connection: PoolConnection<Postgres>,
    ready: Ready,
    at_hand: bool,
    /// Given back after the connection: whoever is next finds it at hand.
    turn: OwnedSemaphorePermit,
}

impl Lent {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// How long an answer may take, of those that may take `longest`.
    pub(crate) fn limit(&self, longest: Duration) -> Duration {
        if self.at_hand { longest.min(UNASKED) } else { longest }
    }

    /// It gave a whole answer.
    pub(crate) fn keep(self) {
        let Self { connection, ready, turn, .. } = self;
        ready.keep(connection);
        drop(turn);
    }

    /// Another one that was asked, when this was at hand and turned out to be gone or silent; for what may be run again.
    pub(super) async fn after(self, error: sqlx::Error) -> Result<Self, sqlx::Error> {
        if !self.at_hand || !is_gone(&error) {
            return Err(error);
        }
        let Self { connection, ready, turn, .. } = self;
        drop((connection, ready.take_all()));
        ready.asked(turn).await
    }
}

/// Was the connection closed from the other side, or is it silent?
fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        // Ended by an administrator, a crash of another session, or a shutdown.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["57P01", "57P02", "57P03"].contains(&&*code))
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}
