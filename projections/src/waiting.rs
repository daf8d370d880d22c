//! How a task that follows the journal waits: for commits, for the clock, and after errors.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior},
};

/// The longest pause after errors: a database that comes back is noticed within half a minute.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The pause after the first error; it doubles with each.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// The pause after so many errors in a row.
pub fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(BACKOFF_MAX)
}

/// Waits for the store to commit; false when it never will again, so that the caller stops asking.
pub async fn changed(committed: Option<&mut watch::Receiver<u64>>) -> bool {
    match committed {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// Ticks of this period: one that came late puts off those after it.
pub fn ticks(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_and_is_bounded() {
        let pauses: Vec<u128> = (1..=4).map(|n| backoff(n).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }
}
