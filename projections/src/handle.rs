//! What others see of the projections: how far each is, what ails it, and the wait for a position.

use std::time::Duration;

use eventstore::{Store, Waiting, args};
use proofs::{slug::Slug, time::Timestamp};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{
    ProjectionError, builds, find,
    pauses::{self, Pause},
    skips,
};

/// How often a projection that another server runs is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// What a projector of this server is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectorState {
    /// The projection.
    pub name: &'static str,
    /// The last position applied to the rows that are read, by this server or another.
    pub position: u64,
    /// The last position applied to rows that are made beside them, after a change of the projector.
    pub building: Option<u64>,
    /// The position of the entry at which it stands, because it cannot be applied; nothing while it goes on.
    pub paused: Option<u64>,
    /// Errors since the last success.
    pub failures: u32,
    /// The last of them, without anything from a body; nothing after a success.
    pub last_error: Option<String>,
}

impl ProjectorState {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, position: 0, building: None, paused: None, failures: 0, last_error: None }
    }

    /// Notes how far a build is; false when it says nothing new.
    pub(crate) fn reached(&mut self, position: u64, live: bool) -> bool {
        let before = (self.position, self.building);
        if live {
            (self.position, self.building) = (position, None);
        } else {
            self.building = Some(position);
        }
        before != (self.position, self.building)
    }
}

/// The state of the projectors that this server runs. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    store: Store,
    states: Vec<watch::Receiver<ProjectorState>>,
}

impl Handle {
    pub(crate) fn new(store: Store, states: Vec<watch::Receiver<ProjectorState>>) -> Self {
        Self { store, states }
    }

    /// What each projector is doing, for health and metrics.
    pub fn states(&self) -> Vec<ProjectorState> {
        self.states.iter().map(|state| state.borrow().clone()).collect()
    }

    /// Waits until the projection has applied `position`, at most for `timeout`.
    ///
    /// A projector of this server wakes the wait. Should it be behind because another server is doing the work, or have
    /// failed, the projection's row is looked at meanwhile.
    pub async fn wait_for(
        &self,
        name: &str,
        position: u64,
        timeout: Duration,
    ) -> Result<(), ProjectionError> {
        let Some(mut state) = self.states.iter().find(|state| state.borrow().name == name).cloned() else {
            return wait_for(&self.store, name, position, timeout).await;
        };
        if state.borrow().position >= position {
            return Ok(());
        }
        let here = async {
            if state.wait_for(|state| state.position >= position).await.is_err() {
                // This server's projector has ended.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = here => Ok(()),
            there = wait_for(&self.store, name, position, timeout) => there,
        }
    }
}

/// Waits by looking at the projection's row, for a process that runs no projector.
pub async fn wait_for(
    store: &Store,
    name: &str,
    position: u64,
    timeout: Duration,
) -> Result<(), ProjectionError> {
    find(name)?;
    let look = async {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if builds::live(store.db(), name).await?.is_some_and(|build| build.position >= position) {
                return Ok(());
            }
        }
    };
    let late = || ProjectionError::Timeout { name: name.to_owned(), position };
    tokio::time::timeout(timeout, look).await.unwrap_or_else(|_| Err(late()))
}

/// Where a projection stands, as every server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The projection.
    pub name: &'static str,
    /// The version of the projector that made what is read.
    pub version: i64,
    /// The last position applied; 0 before the first.
    pub position: u64,
    /// Entries committed and not applied yet.
    pub lag: u64,
    /// Since when the first of them has waited.
    pub waiting_since: Option<Timestamp>,
    /// The same by register, of those that wait for any.
    pub waiting: Vec<Waiting>,
    /// When a batch was last applied; nothing before the first runner started.
    pub updated_at: Option<Timestamp>,
    /// New rows that are being made beside those that are read.
    pub building: Option<Building>,
    /// Where its projector stands still: the rows that are read first, then those beside them.
    pub pauses: Vec<Pause>,
    /// How many entries it leaves out.
    pub skips: u64,
    /// How many bodies it was made without, because orders withheld them: what they said cannot be made again.
    pub withheld: u64,
    /// The position of an order whose bodies its rows still count, until they are made again.
    pub stale_since: Option<u64>,
}

/// New rows of a projection, made beside those that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Building {
    /// The version of the projector that makes them.
    pub version: i64,
    /// The last position applied to them.
    pub position: u64,
}

impl Status {
    /// How long the oldest entry not applied has waited, in whole seconds.
    pub fn lag_seconds(&self, now: Timestamp) -> u64 {
        self.waiting_since.map_or(0, |since| seconds_since(since, now))
    }

    /// Entries of a register not applied yet, and how long the oldest has waited, in whole seconds.
    pub fn lag_of(&self, register: &Slug, now: Timestamp) -> (u64, u64) {
        let waiting = self.waiting.iter().find(|waiting| waiting.register == *register);
        waiting.map_or((0, 0), |waiting| (waiting.entries, seconds_since(waiting.since, now)))
    }
}

fn seconds_since(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from((now.millis() - since.millis()) / 1_000).unwrap_or(0)
}

/// Asks every server that runs the projection for another attempt at the entry at which it stands; false when it does not
/// stand. A server looks at least as often as it polls.
pub async fn retry(store: &Store, name: &str) -> Result<bool, ProjectionError> {
    find(name)?;
    pauses::ask(store, name).await
}

/// When the oldest entry was recorded that a projection has yet to apply; nothing when all that ever ran have applied all.
pub async fn waiting_since(store: &Store) -> Result<Option<Timestamp>, ProjectionError> {
    let sql = "SELECT min(position) AS position FROM projection WHERE live = 1";
    let row = store.db().fetch_optional(sql, args![]).await?;
    let Some(position) = row.and_then(|row| row.opt_int("position").transpose()).transpose()? else {
        return Ok(None);
    };
    let next = store.read_after(position.unsigned_abs(), 1).await?;
    Ok(next.first().map(|entry| entry.recorded_at))
}

/// Where each projection stands, for metrics and for operators.
pub async fn statuses(store: &Store) -> Result<Vec<Status>, ProjectionError> {
    let mut statuses = Vec::new();
    let pauses = pauses::all(store.db()).await?;
    let skips = skips::skips(store).await?;
    for projector in crate::projectors() {
        // Read first: what commits in between would only make the lag larger than it is.
        let builds = builds::all(store.db(), projector.name()).await?;
        let build = builds.iter().find(|build| build.live).copied();
        let building = builds.iter().find(|beside| build.is_none_or(|live| beside.number > live.number));
        let committed = store.position().await?;
        let position = build.map_or(0, |build| build.position);
        let lag = committed.saturating_sub(position);
        let since = builds::since(store, &*projector).await?;
        let withheld = store.withheld_until(position).await?.iter().map(|(_, bodies)| bodies).sum();
        let waiting = if lag == 0 { Vec::new() } else { store.waiting_after(position).await? };
        statuses.push(Status {
            name: projector.name(),
            version: build.map_or_else(|| projector.version(), |build| build.version),
            position,
            lag,
            waiting_since: waiting.iter().map(|waiting| waiting.since).min(),
            waiting,
            updated_at: build.map(|build| build.updated_at),
            building: building.map(|build| Building { version: build.version, position: build.position }),
            pauses: pauses.iter().filter(|pause| pause.projection == projector.name()).cloned().collect(),
            skips: skips.iter().filter(|skip| skip.projection == projector.name()).count() as u64,
            withheld,
            stale_since: build.is_some_and(|build| build.begun < since).then_some(since),
        });
    }
    Ok(statuses)
}
