//! A stream of server-sent events (WHATWG HTML section 9.2) for one client: filled by a task of its own, so that a client that
//! does not read holds up nobody.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;

use super::batch::{Fact, passes};
use super::event::CloudEvent;
use super::{Audience, Feeds};

/// Chunks that wait for a client. A chunk is what one batch has for it: at some 800 bytes an event, 200 kB at most.
const WAITING_CHUNKS: usize = 8;
/// A client that lost its stream comes back after so long.
const RETRY_MILLIS: u32 = 2_000;

/// Ends the connection of a client that does not read. Only HTTP/1.1 has a connection for each stream.
#[derive(Debug, Clone, Default)]
pub struct Hangup(pub Arc<Notify>);

/// Begins a stream of what comes after a position; gives its chunks.
pub fn stream(
    feeds: &Feeds,
    audience: Audience,
    after: u64,
    hangup: Option<Hangup>,
) -> mpsc::Receiver<Bytes> {
    let (send, receive) = mpsc::channel(WAITING_CHUNKS);
    let pump = Pump { feeds: feeds.clone(), audience, send, told: after };
    tokio::spawn(async move {
        if pump.run(after).await == Ended::Stalled
            && let Some(Hangup(hangup)) = hangup
        {
            hangup.notify_one();
        }
    });
    receive
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The client left, the server ends, or the token's time is over.
    Over,
    /// The client takes nothing.
    Stalled,
}

struct Pump {
    feeds: Feeds,
    audience: Audience,
    send: mpsc::Sender<Bytes>,
    /// The position that the client was told last.
    told: u64,
}

impl Pump {
    async fn run(mut self, after: u64) -> Ended {
        let _counted = self.feeds.count_stream();
        let mut stopped = self.feeds.stopped();
        let mut follower = self.feeds.follow(after);
        let mut alive = tokio::time::interval(self.feeds.settings().keep_alive);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        let mut chunk = format!("retry: {RETRY_MILLIS}\n\n");
        loop {
            if !chunk.is_empty() && !self.stays() {
                return Ended::Over;
            }
            if let Err(ended) = self.give(std::mem::take(&mut chunk)).await {
                return ended;
            }
            if *stopped.borrow() {
                return Ended::Over;
            }
            tokio::select! {
                next = follower.next() => match next {
                    Ok((batch, before)) => chunk = self.events(batch.after(before)),
                    // The client comes back, and asks for what it lacks.
                    Err(error) => {
                        tracing::warn!(passing = passes(&error), %error, "a stream of events ends");
                        return Ended::Over;
                    }
                },
                _ = alive.tick() => chunk = self.keep_alive(follower.at()),
                () = self.send.closed() => return Ended::Over,
                _ = stopped.changed() => return Ended::Over,
            }
        }
    }

    fn stays(&self) -> bool {
        let registry = self.feeds.registry();
        self.audience.stays(&registry.knowledge(), registry.store().clock().now())
    }

    /// What the client is told of these entries.
    fn events(&mut self, facts: &[Fact]) -> String {
        let log_name = self.feeds.registry().store().log_name();
        let mut chunk = String::new();
        for fact in facts.iter().filter(|fact| self.audience.hears(fact)) {
            let event = CloudEvent::appended(log_name, fact);
            // Writing to a String cannot fail. The data is one line: JSON has no bare line ends.
            let _ = write!(chunk, "id: {}\ndata: {}\n\n", fact.entry.position, event.line());
            self.told = fact.entry.position;
        }
        chunk
    }

    /// A comment; and, without an event, the position that the client need not ask for again.
    fn keep_alive(&mut self, at: u64) -> String {
        if at == self.told {
            return ": nothing new\n\n".to_owned();
        }
        self.told = at;
        format!(": nothing new\nid: {at}\n\n")
    }

    async fn give(&self, chunk: String) -> Result<(), Ended> {
        if chunk.is_empty() {
            return Ok(());
        }
        match self.send.send_timeout(Bytes::from(chunk), self.feeds.settings().stall).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(Ended::Stalled),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(Ended::Over),
        }
    }
}
