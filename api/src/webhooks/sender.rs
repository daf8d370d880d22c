//! Sending to one webhook: what entries give it is queued, in order; what is queued is sent, one message at a time.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use proofs::time::Timestamp;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Sent;
use super::deliveries::Delivery;
use super::message::{self, Message};
use super::queue::{Fault, Outcome, Queue, QueueError, Queued};
use super::rows::{self, Webhook, WebhookKind, WebhookState};
use super::schedule::pause_millis;
use super::target::{NotPublic, Target};
use crate::feeds::event::MEDIA_TYPE;
use crate::feeds::{Batch, Fact, Follower};
use crate::http::AppState;
use crate::notifications::{self, Held};
use crate::problem::Problem;

/// The pause after a fault of ours: the receiver is not to blame, and no attempt is counted.
const PAUSE: Duration = Duration::from_secs(1);
/// Entries without a message are passed over in memory; so many later the place is written down.
const UNWRITTEN_MAX: u64 = 2_000;

/// Sends to one webhook.
pub struct Sender {
    state: AppState,
    client: reqwest::Client,
    webhook: Webhook,
    queue: Queue,
    follower: Follower,
    sent: Arc<Sent>,
    /// What the follower gave and is not queued yet.
    pending: Option<(Arc<Batch>, u64)>,
}

/// Why sending stops for now.
#[derive(Debug)]
enum Stop {
    /// The webhook is not ours any more.
    Lost,
    /// Something of ours failed.
    Fault(String),
}

impl From<QueueError> for Stop {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Lost => Self::Lost,
            QueueError::Store(error) => Self::Fault(error.to_string()),
        }
    }
}

impl<E: Into<crate::registry::KnowledgeError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into().to_string())
    }
}

/// What there was to do.
enum Turn {
    /// Something was done.
    Done,
    /// Nothing, before this time; entries may give more.
    Idle { until: Option<Timestamp>, listens: bool },
}

impl Sender {
    /// For a webhook whose lease `holder` has.
    pub fn new(
        state: &AppState,
        client: reqwest::Client,
        webhook: Webhook,
        holder: Uuid,
        sent: Arc<Sent>,
    ) -> Self {
        let queue = Queue::new(state.store(), webhook.id, holder);
        let follower = state.feeds().follow(webhook.position);
        Self { state: state.clone(), client, webhook, queue, follower, sent, pending: None }
    }

    /// Sends until it is told to stop, or the webhook is lost. `changed` tells of changes to the row.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, mut changed: watch::Receiver<u64>) {
        let mut tick = tokio::time::interval(self.state.webhooks().tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stop.borrow() {
            let turn = tokio::select! {
                turn = self.turn() => turn,
                // What is under way is sent again by whoever comes next: that is what its id is for.
                _ = stop.changed() => break,
            };
            match turn {
                Ok(Turn::Done) => {}
                Ok(Turn::Idle { until, listens }) => {
                    if !self.wait(until, listens, &mut tick, &mut stop, &mut changed).await {
                        break;
                    }
                }
                Err(Stop::Lost) => return,
                Err(Stop::Fault(why)) => {
                    tracing::warn!(webhook = %self.webhook.id, why, "a webhook cannot be sent to now, will try again");
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        _ = stop.changed() => break,
                    }
                }
            }
        }
        // Saves whoever comes next from reading what gave nothing; if it fails, they read it.
        if self.pending.is_none() && self.follower.at() > self.webhook.position {
            let _ = self.queue.extend(self.webhook.position, self.follower.at(), &[]).await;
        }
    }

    /// Waits for something to do; false when it is time to stop.
    async fn wait(
        &mut self,
        until: Option<Timestamp>,
        listens: bool,
        tick: &mut tokio::time::Interval,
        stop: &mut watch::Receiver<bool>,
        changed: &mut watch::Receiver<u64>,
    ) -> bool {
        loop {
            tokio::select! {
                next = self.follower.next(), if listens && self.pending.is_none() => match next {
                    Ok(next) => {
                        self.pending = Some(next);
                        return true;
                    }
                    Err(error) => {
                        tracing::warn!(webhook = %self.webhook.id, %error, "entries cannot be followed now");
                        tokio::select! {
                            () = tokio::time::sleep(PAUSE) => return true,
                            _ = stop.changed() => return false,
                        }
                    }
                },
                _ = tick.tick() => {
                    let now = self.state.store().clock().now();
                    if until.is_some_and(|until| until <= now) {
                        return true;
                    }
                }
                more = changed.changed() => {
                    if more.is_err() {
                        return false;
                    }
                    return self.reload().await;
                }
                _ = stop.changed() => return false,
            }
        }
    }

    /// Reads the row again; false when nothing is to be sent any more. Where it is queued to, this sender knows best.
    async fn reload(&mut self) -> bool {
        match rows::one(self.state.store(), self.webhook.id).await {
            Ok(Some(row)) if row.state == WebhookState::Active => {
                self.webhook = Webhook { position: self.webhook.position, ..row };
                true
            }
            Ok(_) => false,
            // The old row is good enough until it can be read.
            Err(_) => true,
        }
    }

    async fn turn(&mut self) -> Result<Turn, Stop> {
        let now = self.state.store().clock().now();
        let (delivery, until, grows) = self.queue.next(now).await?;
        if let Some(delivery) = delivery {
            self.attempt(delivery, now).await?;
            return Ok(Turn::Done);
        }
        if !grows {
            return Ok(Turn::Idle { until, listens: false });
        }
        if self.pending.is_none() {
            self.pending = self.follower.try_next().await?;
        }
        let Some((batch, before)) = self.pending.clone() else {
            return Ok(Turn::Idle { until, listens: true });
        };
        self.take_in(batch.after(before), batch.last).await?;
        self.pending = None;
        Ok(Turn::Done)
    }

    /// Queues what entries give.
    async fn take_in(&mut self, facts: &[Fact], last: u64) -> Result<(), Stop> {
        let now = self.state.store().clock().now();
        let queued = match (self.webhook.kind, self.webhook.channel) {
            (WebhookKind::Notifications, Some(channel)) => {
                notifications::queued(self.state.store(), channel, facts, now).await?
            }
            _ => facts.iter().filter(|fact| self.tells(fact)).map(|fact| entry(fact, now)).collect(),
        };
        if queued.is_empty() && last < self.webhook.position + UNWRITTEN_MAX {
            return Ok(());
        }
        self.queue.extend(self.webhook.position, last, &queued).await?;
        self.webhook.position = last;
        Ok(())
    }

    fn tells(&self, fact: &Fact) -> bool {
        let registers = &self.webhook.registers;
        let owned = fact.register.as_ref().is_some_and(|found| found.definition.owner == self.webhook.owner);
        owned && (registers.is_empty() || registers.contains(&fact.entry.register))
    }

    /// Sends a message once, and writes down what became of it.
    async fn attempt(&mut self, delivery: Delivery, now: Timestamp) -> Result<(), Stop> {
        if let (Some(person), Some(channel)) = (delivery.person, self.webhook.channel) {
            let kind = delivery.kind.as_deref().unwrap_or_default();
            match notifications::held(self.state.store(), person, channel, kind, now).await? {
                Held::No => {}
                Held::Until(next_at) => return Ok(self.queue.put_off(delivery.id, next_at).await?),
                Held::Unwanted => return Ok(self.queue.ended(delivery.id, &Outcome::Dropped).await?),
            }
        }
        let made = message::make(&self.state, &self.webhook, &delivery).await;
        let Some(Message { event, discloses }) = made.map_err(|problem| ours(&problem))? else {
            return Ok(self.queue.ended(delivery.id, &Outcome::Dropped).await?);
        };
        if let Some(shown) = discloses.filter(|_| !delivery.disclosed) {
            message::disclose(&self.state, &self.webhook, shown).await.map_err(|problem| ours(&problem))?;
            self.queue.disclosed(delivery.id).await?;
        }
        let answered = self.post(&delivery, event.line(), now).await;
        let outcome = self.outcome(&delivery, answered);
        self.queue.ended(delivery.id, &outcome).await?;
        if let Outcome::Parked { fault: Fault { status: Some(GONE), .. } } = outcome {
            tracing::warn!(webhook = %self.webhook.id, "a webhook's receiver says that it is gone");
            self.queue.disable("gone").await?;
            return Err(Stop::Lost);
        }
        Ok(())
    }

    /// The status, and how long the receiver asks to wait; or what went wrong.
    async fn post(
        &self,
        delivery: &Delivery,
        body: String,
        now: Timestamp,
    ) -> Result<(u16, Option<u64>), &'static str> {
        let allowed = self.state.webhooks().allow_private;
        let target = Target::parse(&self.webhook.url, allowed).map_err(|_| "address-not-allowed")?;
        let (id, seconds) = (format!("msg_{}", delivery.id), now.millis().div_euclid(1_000));
        let mut signatures = self.webhook.secret.sign(&id, seconds, body.as_bytes());
        if let Some((former, until)) = &self.webhook.former
            && now < *until
        {
            signatures = format!("{signatures} {}", former.sign(&id, seconds, body.as_bytes()));
        }
        let request = self
            .client
            .post(target.url().clone())
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures)
            .body(body);
        let response = request.send().await.map_err(|error| word(&error))?;
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok((response.status().as_u16(), asked))
    }

    fn outcome(&self, delivery: &Delivery, answered: Result<(u16, Option<u64>), &'static str>) -> Outcome {
        let (fault, asked) = match answered {
            Ok((status, _)) if (200..300).contains(&status) => {
                Sent::count(&self.sent.delivered);
                return Outcome::Delivered { status };
            }
            Ok((status, asked)) => (Fault { status: Some(status), word: "status" }, asked),
            Err(word) => (Fault { status: None, word }, None),
        };
        Sent::count(&self.sent.failed);
        let store = self.state.store();
        // Who tests wants to know, not to wait; who is gone does not come back by being asked.
        let once = delivery.event == "test" || fault.status == Some(GONE);
        let pause = pause_millis(delivery.attempts + 1, asked, store.entropy()).filter(|_| !once);
        let Some(pause) = pause else {
            self.sent.parked.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(webhook = %self.webhook.id, delivery = %delivery.id, fault = fault.word, "a message to a webhook is parked");
            return Outcome::Parked { fault };
        };
        Outcome::Again { next_at: store.clock().now().plus_millis(pause), fault }
    }
}

/// The receiver is gone for good (RFC 9110 section 15.5.11).
const GONE: u16 = 410;

fn entry(fact: &Fact, now: Timestamp) -> Queued {
    Queued { event: "entry", position: fact.entry.position, person: None, kind: None, next_at: now }
}

/// A fault of ours, which was logged where it occurred.
fn ours(problem: &Problem) -> Stop {
    Stop::Fault(problem.kind().slug.to_owned())
}

/// What went wrong, in a word; the error itself could name the URL, whose query may have a secret.
fn word(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(at) = cause {
        if at.is::<NotPublic>() {
            return "address-not-allowed";
        }
        cause = at.source();
    }
    if error.is_timeout() {
        "timed-out"
    } else if error.is_connect() {
        "no-connection"
    } else {
        "broken-off"
    }
}
