//! Webhooks: events sent to where a department or the operator says, signed as Standard Webhooks has it
//! (standardwebhooks.com), each a CloudEvent in structured mode.
//!
//! **In scope.** Where to ([`Webhook`]), what was sent and what became of it ([`Delivery`]), the sending ([`Deliverer`]).
//! **Not in scope**: who may have a webhook (`routes/v1/webhooks`), what a person is notified of (`notifications`).
//!
//! **Invariants.**
//! - Each webhook has a task, a queue and a connection of its own: one that is slow or dead costs the others nothing.
//! - A message is sent at least once: it is durable before it is sent, and done only when its receiver has said so.
//! - One server at a time sends to a webhook: it holds the lease on the row, and changes nothing once it has lost it.
//! - No message stores a body: it is read from the journal when it is sent, and what was withheld meanwhile is not sent.
//! - Nothing is sent to an address that is not public unless the operator allows it, whatever a name resolves to when.

mod deliverer;
mod deliveries;
mod lease;
mod message;
mod queue;
mod rows;
mod schedule;
mod sender;
mod signature;
mod target;

pub use deliverer::Deliverer;
pub use deliveries::{Counts, Delivery, DeliveryState, ListFilter, Replayed, counts, list, replay, test};
pub use queue::Queued;
pub use rows::{
    Channel, Grounds, InsertError, New, Webhook, WebhookKind, WebhookState, all, delete, enable, insert,
    of_owner, one, rotate,
};
pub use schedule::ATTEMPTS_MAX;
pub use signature::Secret;
pub use target::{Target, TargetError};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How webhooks behave.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// May be sent to addresses that are not public, and over plain HTTP to this machine.
    pub allow_private: bool,
    /// How often to look for what is due, and for webhooks that no server sends to.
    pub tick: Duration,
    /// A server that has not said for so long that it is there has lost its webhooks to the others.
    pub lease: Duration,
    /// A receiver that has not answered by then has failed.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_private: false,
            tick: Duration::from_millis(500),
            lease: Duration::from_secs(30),
            timeout: Duration::from_secs(15),
        }
    }
}

/// What this process has sent.
#[derive(Debug, Default)]
pub struct Sent {
    delivered: AtomicU64,
    failed: AtomicU64,
    parked: AtomicU64,
}

impl Sent {
    /// Messages that were received, attempts that failed, and messages that were parked.
    pub fn counts(&self) -> [u64; 3] {
        [&self.delivered, &self.failed, &self.parked].map(|count| count.load(Ordering::Relaxed))
    }

    fn count(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
