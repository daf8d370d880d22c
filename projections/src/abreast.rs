//! Keeps the projectors of a runner together while they are behind: those that are ahead wait for the slowest, so that each batch is
//! read once for all of them ([`crate::shared`]). They would not be done sooner: they share the machine with it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

/// Batches between the slowest and the next batch of who is ahead: as many are kept.
const AHEAD_BATCHES: u64 = crate::shared::PLACES_MAX as u64 - 1;
/// Who is further behind than this many batches is on its own: a build from nothing, or one that stood still for long.
const ALONE_BATCHES: u64 = 16;
/// Who has not moved for so long keeps nobody waiting, until it moves again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where each projector of a runner is.
#[derive(Debug)]
pub(crate) struct Abreast {
    entries_max: u64,
    patience: Duration,
    at: Mutex<BTreeMap<&'static str, u64>>,
    moved: Notify,
}

impl Abreast {
    /// For projectors that take batches of so many entries.
    pub(crate) fn new(entries_max: u32) -> Self {
        Self {
            entries_max: entries_max.into(),
            patience: PATIENCE,
            at: Mutex::default(),
            moved: Notify::new(),
        }
    }

    /// A projector is at a position.
    pub(crate) fn reached(&self, projector: &'static str, position: u64) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).insert(projector, position);
        self.moved.notify_waiters();
    }

    /// One that stands still keeps nobody waiting.
    pub(crate) fn forget(&self, projector: &'static str) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).remove(projector);
        self.moved.notify_waiters();
    }

    /// Waits until those that are a little further behind than `position` are near it.
    pub(crate) async fn wait(&self, position: u64) {
        while let Some(slowest) = self.slowest(position) {
            let moves = async {
                while self.slowest(position) == Some(slowest) {
                    let moved = self.moved.notified();
                    // It may have moved since it was looked at: only from here on is a move heard of.
                    if self.slowest(position) == Some(slowest) {
                        moved.await;
                    }
                }
            };
            if tokio::time::timeout(self.patience, moves).await.is_err() {
                self.at.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, at| *at != slowest);
                self.moved.notify_waiters();
            }
        }
    }

    /// Where the slowest is that is waited for at a position.
    fn slowest(&self, position: u64) -> Option<u64> {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = |at: &u64| position.saturating_sub(*at);
        let waited_for = AHEAD_BATCHES * self.entries_max + 1..=ALONE_BATCHES * self.entries_max;
        at.values().copied().filter(|at| waited_for.contains(&behind(at))).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_waits_for_who_is_a_little_behind() {
        let abreast = Abreast::new(1_000);
        abreast.reached("account", 20_000);
        assert_eq!(abreast.slowest(20_000), None);
        abreast.reached("search", 16_999);
        assert_eq!((abreast.slowest(20_000), abreast.slowest(19_999)), (Some(16_999), None));
        abreast.reached("view", 16_000);
        assert_eq!(abreast.slowest(20_000), Some(16_000));
        abreast.reached("view", 3_999);
        assert_eq!((abreast.slowest(20_000), abreast.slowest(19_999)), (Some(16_999), Some(3_999)));
        abreast.forget("search");
        assert_eq!(abreast.slowest(20_000), None);
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_slowest_moves_or_does_not_for_too_long() {
        let abreast = Abreast::new(10);
        abreast.reached("search", 0);
        tokio::join!(abreast.wait(31), async { abreast.reached("search", 1) });
        let abreast = Abreast { patience: Duration::from_millis(1), ..abreast };
        abreast.wait(32).await;
        assert_eq!(abreast.slowest(100), None, "it is not waited for again until it moves");
        abreast.reached("search", 60);
        assert_eq!(abreast.slowest(100), Some(60));
    }
}
