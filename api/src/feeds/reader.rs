//! The one reader: follows the journal for everyone in the process who listens.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Shared;
use super::batch::read_facts;
use crate::registry::{KnowledgeError, Registry};

/// The pause after an error; listeners wait, and miss nothing.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads until it is told to stop.
pub async fn run(registry: Registry, shared: Arc<Shared>, poll: Duration, mut stop: watch::Receiver<bool>) {
    let mut committed = registry.store().watch();
    let mut told = true;
    let mut tick = tokio::time::interval(poll.max(Duration::from_millis(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Where listeners' batches begin matters to nobody: each reads from the journal what lies before.
    let mut at = *committed.borrow_and_update();
    raise(&shared, at);
    while !*stop.borrow() {
        tokio::select! {
            changed = committed.changed(), if told => told = changed.is_ok(),
            _ = tick.tick() => {}
            _ = stop.changed() => return,
        }
        let known = *committed.borrow_and_update();
        raise(&shared, known);
        if let Err(error) = catch_up(&registry, &shared, &mut at, known).await {
            tracing::warn!(%error, "the journal cannot be followed, will try again");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = stop.changed() => return,
            }
        }
    }
}

async fn catch_up(
    registry: &Registry,
    shared: &Shared,
    at: &mut u64,
    known: u64,
) -> Result<(), KnowledgeError> {
    loop {
        if shared.batches.receiver_count() == 0 {
            // Nobody to read for. Those who only wait are told how far the journal is.
            if shared.head.receiver_count() > 0 {
                raise(shared, registry.store().position().await?);
            }
            *at = (*at).max(known);
            return Ok(());
        }
        shared.reads.fetch_add(1, Ordering::Relaxed);
        let Some(batch) = read_facts(registry, *at).await? else { return Ok(()) };
        *at = batch.last;
        raise(shared, batch.last);
        // Fails when the last listener has left.
        let _ = shared.batches.send(Arc::new(batch));
    }
}

/// Positions only grow.
fn raise(shared: &Shared, position: u64) {
    shared.head.send_if_modified(|head| {
        let grows = position > *head;
        *head = position.max(*head);
        grows
    });
}
