//! A clock that runs ahead: what it records cannot be taken back, and nothing recorded later can be earlier, whoever records it.

use std::time::{Duration, Instant};

use proofs::time::Timestamp;

use crate::error::StoreError;
use crate::sql::{Db, Dialect, Row, Tx};

/// The database is asked for the time so often, and when our clock has moved otherwise than time passes.
const ASK: Duration = Duration::from_secs(5);
/// From here on, a clock has been set rather than drifted.
const STEP_MILLIS: u64 = 500;

/// Our clock against that of the database, which all servers share. An embedded store has no other clock than ours.
pub(super) struct Skew {
    ahead_max: Option<Duration>,
    /// When the database was asked, what our clock said, and how far it was ahead.
    asked: Option<(Instant, Timestamp, u64)>,
}

impl Skew {
    pub(super) fn new(ahead_max: Option<Duration>) -> Self {
        Self { ahead_max, asked: None }
    }

    /// Fails when our clock is too far ahead; gives by how many milliseconds it is ahead.
    pub(super) async fn check(&mut self, tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
        let Some(max) = self.ahead_max.filter(|_| tx.dialect() == Dialect::Postgres) else { return Ok(0) };
        let max = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        let ahead = match self.asked {
            Some((at, said, ahead)) if ahead <= max && as_time_passes(at, said, now) => ahead,
            _ => self.ask(tx, now).await?,
        };
        if ahead > max {
            return Err(StoreError::ClockAhead { ahead_seconds: ahead / 1_000 });
        }
        Ok(ahead)
    }

    /// By how many milliseconds our clock is ahead, if it was asked a moment ago and is not too far.
    pub(super) fn recent(&self, now: Timestamp) -> Option<u64> {
        let Some(max) = self.ahead_max else { return Some(0) };
        let (at, said, ahead) = self.asked?;
        (u128::from(ahead) <= max.as_millis() && as_time_passes(at, said, now)).then_some(ahead)
    }

    async fn ask(&mut self, tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
        let asked = Instant::now();
        let ahead = ahead(tx.fetch_optional(TIME, vec![]).await?, now)?;
        self.asked = Some((asked, now, ahead));
        Ok(ahead)
    }
}

/// PostgreSQL's clock.
const TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now";

fn ahead(row: Option<Row>, now: Timestamp) -> Result<u64, StoreError> {
    let row = row.ok_or_else(|| StoreError::Internal("the database does not tell the time".to_owned()))?;
    Ok(u64::try_from(now.millis() - row.time("now")?.millis()).unwrap_or_default())
}

/// The same question, for whoever wants to know whether entries would be taken.
pub(crate) async fn check(db: &Db, ahead_max: Option<Duration>, now: Timestamp) -> Result<(), StoreError> {
    let Some(max) = ahead_max.filter(|_| db.dialect() == Dialect::Postgres) else { return Ok(()) };
    let ahead = ahead(db.fetch_optional(TIME, vec![]).await?, now)?;
    if u128::from(ahead) > max.as_millis() {
        return Err(StoreError::ClockAhead { ahead_seconds: ahead / 1_000 });
    }
    Ok(())
}

/// Is what the database was asked still so?
fn as_time_passes(at: Instant, said: Timestamp, now: Timestamp) -> bool {
    let passed = at.elapsed();
    let expected = said.millis().saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX));
    passed < ASK && now.millis().abs_diff(expected) <= STEP_MILLIS
}
