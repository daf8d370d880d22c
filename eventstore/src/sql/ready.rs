//! Connections to PostgreSQL at hand. The pool asks a connection whether it is there before it lends it, and again when it comes back:
//! two round trips beside one of a query. One that gave its last answer a moment ago is lent without asking.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

/// One that has been idle for longer goes back to the pool, which asks it.
const FRESH: Duration = Duration::from_secs(1);
/// An answer on a connection that was not asked first may take so long, and is then looked for on one that was.
const UNASKED: Duration = Duration::from_secs(4);

/// Connections, each with the moment since when it is idle.
type Free = Vec<(PoolConnection<Postgres>, Instant)>;

/// A pool, and some of its connections at hand.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pool: PgPool,
    /// The one used last comes first.
    free: Arc<Mutex<Free>>,
    kept_max: usize,
}

impl Ready {
    /// Keeps up to so many of the pool's connections at hand; the others are for who begins a transaction.
    pub(super) fn new(pool: PgPool, kept_max: usize) -> Self {
        Self { pool, free: Arc::default(), kept_max }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection: one at hand, or else of the pool.
    pub(crate) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        match self.at_hand() {
            Some(connection) => Ok(Lent { connection, ready: self.clone(), at_hand: true }),
            None => self.asked().await,
        }
    }

    async fn asked(&self) -> Result<Lent, sqlx::Error> {
        Ok(Lent { connection: self.pool.acquire().await?, ready: self.clone(), at_hand: false })
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
}

impl Lent {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// How long an answer may take, of those that may take `longest`.
    pub(super) fn limit(&self, longest: Duration) -> Duration {
        if self.at_hand { longest.min(UNASKED) } else { longest }
    }

    /// It gave a whole answer.
    pub(crate) fn keep(self) {
        self.ready.keep(self.connection);
    }

    /// Another one that was asked, when this was at hand and turned out to be gone or silent; for what may be run again.
    pub(super) async fn after(self, error: sqlx::Error) -> Result<Self, sqlx::Error> {
        if !self.at_hand || !is_gone(&error) {
            return Err(error);
        }
        drop(self.ready.take_all());
        let ready = self.ready.clone();
        drop(self);
        ready.asked().await
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
