//! The sending of a server: it takes the webhooks that nobody sends to, and runs a task for each.

use std::collections::HashMap;
use std::sync::Arc;

use eventstore::StoreError;
use proofs::time::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::sender::Sender;
use super::{Sent, Settings, deliveries, lease, rows, target};
use crate::http::AppState;
use crate::registry::new_uuid;

/// Between looks for what may be forgotten.
const SWEEP_MILLIS: i64 = 3_600_000;

/// The running senders of a server. Dropping it ends them without giving anything back: the leases end by themselves.
pub struct Deliverer {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The task of one webhook.
struct Running {
    stop: watch::Sender<bool>,
    changed: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Deliverer {
    /// Starts to send.
    pub fn start(state: &AppState) -> Result<Self, reqwest::Error> {
        let client = target::client(state.webhooks())?;
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            holder: new_uuid(state.store()),
            settings: state.webhooks(),
            sent: Arc::clone(state.sent()),
            state: state.clone(),
            client,
            running: HashMap::new(),
            swept_at: Timestamp::from_millis(0),
        };
        Ok(Self { stop, task: tokio::spawn(keeper.run(stopped)) })
    }

    /// Ends, and gives the webhooks to whoever wants them.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "sending to webhooks ended by a panic");
        }
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        // Its senders end with it: they hear from nobody any more.
        self.task.abort();
    }
}

struct Keeper {
    holder: Uuid,
    settings: Settings,
    sent: Arc<Sent>,
    state: AppState,
    client: reqwest::Client,
    running: HashMap<Uuid, Running>,
    swept_at: Timestamp,
}

impl Keeper {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(self.settings.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stop.borrow() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "webhooks cannot be looked after now, will try again");
            }
            tokio::select! {
                _ = tick.tick() => {}
                _ = stop.changed() => {}
            }
        }
        let ids: Vec<Uuid> = self.running.keys().copied().collect();
        for id in ids {
            self.end(id).await;
        }
        if let Err(error) = lease::give_back(self.state.store(), self.holder).await {
            tracing::warn!(%error, "webhooks could not be given back; their leases will end");
        }
    }

    /// Takes and renews leases, starts and ends tasks.
    async fn look(&mut self) -> Result<(), StoreError> {
        let store = self.state.store().clone();
        let now = store.clock().now();
        let lease_millis = i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX);
        let renew = now.plus_millis(lease_millis / 2);
        let mut leases = lease::active(&store).await?;
        let wanted = |lease: &lease::Lease| {
            lease.until <= now || (lease.holder == Some(self.holder) && lease.until <= renew)
        };
        if leases.iter().any(wanted) {
            lease::take(&store, self.holder, now, renew, now.plus_millis(lease_millis)).await?;
            leases = lease::active(&store).await?;
        }
        let mine: HashMap<Uuid, u64> = leases
            .iter()
            .filter(|lease| lease.holder == Some(self.holder))
            .map(|lease| (lease.webhook, lease.revision))
            .collect();
        let over: Vec<Uuid> = self
            .running
            .iter()
            .filter(|(id, running)| !mine.contains_key(id) || running.task.is_finished())
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.end(id).await;
        }
        for (id, revision) in mine {
            match self.running.get(&id) {
                Some(running) => {
                    running.changed.send_if_modified(|known| std::mem::replace(known, revision) != revision);
                }
                None => self.begin(id).await?,
            }
        }
        if now >= self.swept_at.plus_millis(SWEEP_MILLIS) {
            deliveries::sweep(&store).await?;
            self.swept_at = now;
        }
        Ok(())
    }

    async fn begin(&mut self, id: Uuid) -> Result<(), StoreError> {
        let Some(webhook) = rows::one(self.state.store(), id).await? else { return Ok(()) };
        let (stop, stopped) = watch::channel(false);
        let (changed, news) = watch::channel(webhook.revision);
        let sender =
            Sender::new(&self.state, self.client.clone(), webhook, self.holder, Arc::clone(&self.sent));
        let task = tokio::spawn(sender.run(stopped, news));
        self.running.insert(id, Running { stop, changed, task });
        Ok(())
    }

    async fn end(&mut self, id: Uuid) {
        let Some(running) = self.running.remove(&id) else { return };
        running.stop.send_replace(true);
        if let Err(error) = running.task.await {
            tracing::error!(webhook = %id, %error, "sending to a webhook ended by a panic; it begins again");
        }
    }
}
