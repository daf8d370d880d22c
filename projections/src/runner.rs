//! The runner: one task for each projector, from start to a clean stop.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use eventstore::{Store, StoreError};
use futures_util::FutureExt as _;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    ProjectionError, Projector,
    abreast::Abreast,
    builds::{self, Build},
    catalogue::Catalogue,
    handle::{Handle, ProjectorState},
    pace::Pace,
    pauses,
    rest::Rest,
    step::Stepped,
    tidy,
    waiting::{BACKOFF_MAX, backoff, changed, ticks},
};

/// Entries in one batch: at some 20 µs of writing each, a batch holds SQLite's one writer for about 20 ms.
pub const BATCH_ENTRIES: u32 = 1_000;

/// How the runner works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often to look for entries when no notification came.
    pub poll: Duration,
    /// Entries in one batch.
    pub batch_entries: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), batch_entries: BATCH_ENTRIES }
    }
}

/// The running projectors. Dropping it without [`Runner::stop`] leaves them to end with the runtime.
pub struct Runner {
    handle: Handle,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Starts every projector of this crate on `store`.
    pub fn start(store: &Store, options: Options) -> Self {
        Self::start_with(store, options, crate::projectors())
    }

    /// Starts the projectors given.
    pub fn start_with(store: &Store, options: Options, projectors: Vec<Arc<dyn Projector>>) -> Self {
        let catalogue = Arc::new(Catalogue::shared(projectors.len(), options.batch_entries.max(1)));
        let rest = Arc::new(Rest::default());
        let abreast = Arc::new(Abreast::new(options.batch_entries.max(1)));
        let (stop, stopped) = watch::channel(false);
        let mut states = Vec::new();
        let mut tasks = Vec::new();
        for projector in projectors {
            let (state, seen) = watch::channel(ProjectorState::new(projector.name()));
            states.push(seen);
            let task = Task {
                store: store.clone(),
                catalogue: Arc::clone(&catalogue),
                rest: Arc::clone(&rest),
                abreast: Arc::clone(&abreast),
                projector,
                options,
                state,
                stop: stopped.clone(),
                untidy: true,
            };
            tasks.push(tokio::spawn(task.run()));
        }
        Self { handle: Handle::new(store.clone(), states), stop, tasks }
    }

    /// What readers need of the runner: its state, and waiting.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Lets each projector end its batch, and waits for it.
    pub async fn stop(self) {
        // Fails only when every task has ended already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a projector ended by a panic");
            }
        }
    }
}

/// What a projector has come to.
#[derive(Clone, Copy, Default)]
struct Reached {
    /// How many entries it applied.
    applied: u64,
    /// After the last one there are more, but few.
    more: bool,
}

struct Task {
    store: Store,
    catalogue: Arc<Catalogue>,
    rest: Arc<Rest>,
    abreast: Arc<Abreast>,
    projector: Arc<dyn Projector>,
    options: Options,
    state: watch::Sender<ProjectorState>,
    stop: watch::Receiver<bool>,
    /// May something withheld be left in the files? An earlier process may have ended before it had looked.
    untidy: bool,
}

impl Task {
    async fn run(mut self) {
        let mut committed = Some(self.store.watch());
        let mut poll = ticks(self.options.poll);
        let mut forgotten = false;
        while !*self.stop.borrow() {
            // A panic counts as an error: without this the projector would stand still until the server is restarted.
            let begun = Instant::now();
            let caught_up = AssertUnwindSafe(self.catch_up()).catch_unwind().await;
            let panicked = |_| Err(StoreError::Internal("the projector panicked".to_owned()).into());
            match caught_up.unwrap_or_else(panicked) {
                Ok(reached) => {
                    let paused = self.recovered();
                    // An earlier process, or another server, may have left word of an entry that is passed now.
                    if (paused || !forgotten)
                        && let Err(error) = pauses::forget(&self.store, self.projector.name()).await
                    {
                        tracing::warn!(projection = self.projector.name(), %error, "an old pause stands");
                    }
                    forgotten = true;
                    if reached.applied > 0 {
                        let (name, took) = (self.projector.name(), begun.elapsed());
                        self.pause(self.rest.after(name, took, reached.applied)).await;
                    }
                    if reached.more {
                        continue;
                    }
                }
                Err(ProjectionError::Poison { build, position, why, .. }) => {
                    self.keeps_nobody_waiting();
                    let asked = self.paused(build, position, &why).await;
                    self.stand(build, position, asked, &mut committed, &mut poll).await;
                    continue;
                }
                Err(error) => {
                    self.keeps_nobody_waiting();
                    let failures = self.failed(&error);
                    tokio::select! {
                        () = tokio::time::sleep(backoff(failures)) => {}
                        _ = self.stop.changed() => {}
                    }
                    continue;
                }
            }
            tokio::select! {
                more = changed(committed.as_mut()) => if !more { committed = None },
                _ = poll.tick() => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    async fn pause(&mut self, long: Duration) {
        tokio::select! {
            () = tokio::time::sleep(long) => {}
            _ = self.stop.changed() => {}
        }
    }

    /// Applies batches until there are no more, or few, and makes the build live if it is not yet.
    async fn catch_up(&mut self) -> Result<Reached, ProjectionError> {
        let projector = Arc::clone(&self.projector);
        let mut build = builds::follow(&self.store, &*projector).await?;
        self.reached(build.position, build.live);
        let mut pace = Pace::new(self.options.batch_entries);
        let mut reached = Reached::default();
        while !*self.stop.borrow() {
            tokio::select! {
                () = self.abreast.wait(build.position) => {}
                _ = self.stop.changed() => continue,
            }
            match pace.step(&self.store, &self.catalogue, &*projector, &mut build, None).await? {
                Stepped::Advanced { position, entries, orders } => {
                    reached.applied += entries;
                    self.untidy |= orders;
                    tracing::debug!(projection = projector.name(), position, entries, "batch applied");
                    self.reached(position, build.live);
                    let more = self.store.watch().borrow().saturating_sub(position);
                    // What came meanwhile waits for more, rather than to be a batch of its own.
                    if more > 0 && more < entries / 2 && build.live && !self.untidy {
                        return Ok(Reached { more: true, ..reached });
                    }
                }
                Stepped::Idle { position } => {
                    self.reached(position, build.live);
                    if !build.live && self.go_live(build).await? {
                        self.reached(position, true);
                        builds::sweep(self.store.db(), &*projector).await?;
                    }
                    self.tidy().await;
                    return Ok(reached);
                }
                Stepped::Moved => {
                    build = builds::follow(&self.store, &*projector).await?;
                }
            }
        }
        Ok(reached)
    }

    /// Switches to a build that has caught up with the one it replaces; false when that has moved on.
    async fn go_live(&self, build: Build) -> Result<bool, ProjectionError> {
        let (db, projector) = (self.store.db(), &*self.projector);
        let Some(live) = builds::live(db, projector.name()).await? else { return Ok(false) };
        let (mut tx, locked) = builds::lock(db, projector.name(), &[live.number, build.number]).await?;
        match locked.as_slice() {
            [old, new] if old.live && new.position >= old.position => {
                builds::switch(&mut tx, projector.name(), build.number).await?;
                tx.commit().await?;
                tracing::info!(projection = projector.name(), version = build.version, "new build is live");
                Ok(true)
            }
            _ => {
                tx.rollback().await?;
                Ok(false)
            }
        }
    }

    /// After an order, sees to it that nothing of what was withheld stays in the files. What does not succeed now, since someone
    /// still reads from before, is tried again with the next entries.
    async fn tidy(&mut self) {
        if !self.untidy {
            return;
        }
        match tidy::tidy(&self.store, &*self.projector).await {
            Ok(done) => self.untidy = !done,
            Err(error) => {
                tracing::warn!(projection = self.projector.name(), %error, "what was withheld is still in the files");
            }
        }
    }

    fn keeps_nobody_waiting(&self) {
        self.rest.forget(self.projector.name());
        self.abreast.forget(self.projector.name());
    }

    fn reached(&self, position: u64, live: bool) {
        self.abreast.reached(self.projector.name(), position);
        self.state.send_if_modified(|state| state.reached(position, live));
    }

    /// Notes a success; true when the projector stood at an entry before.
    fn recovered(&self) -> bool {
        let mut paused = false;
        self.state.send_if_modified(|state| {
            let failed = state.failures > 0;
            state.failures = 0;
            state.last_error = None;
            paused = state.paused.take().is_some();
            failed
        });
        paused
    }

    /// Notes that the projector stands at an entry, here and for every other process to see; answers with how often someone
    /// has asked for another attempt.
    async fn paused(&self, build: i64, position: u64, why: &str) -> u64 {
        let mut first = false;
        self.state.send_modify(|state| {
            first = state.paused != Some(position);
            state.paused = Some(position);
            state.failures = state.failures.saturating_add(1);
            state.last_error = Some(why.to_owned());
        });
        let projection = self.projector.name();
        if first {
            tracing::error!(
                projection,
                position,
                why,
                "projector stands at an entry: look, then retry or skip"
            );
        }
        match pauses::note(&self.store, projection, build, position, why).await {
            Ok(asked) => asked,
            Err(error) => {
                tracing::warn!(projection, %error, "a pause could not be noted");
                0
            }
        }
    }

    /// Waits until it is worth another attempt at the entry: it is left out now, someone asked, another server got past it,
    /// or some time has passed, should the cause have been something else after all.
    async fn stand(
        &mut self,
        build: i64,
        position: u64,
        asked: u64,
        committed: &mut Option<watch::Receiver<u64>>,
        poll: &mut tokio::time::Interval,
    ) {
        let mut again = std::pin::pin!(tokio::time::sleep(BACKOFF_MAX));
        loop {
            tokio::select! {
                () = again.as_mut() => return,
                more = changed(committed.as_mut()) => if !more { *committed = None },
                _ = poll.tick() => {}
                _ = self.stop.changed() => return,
            }
            match self.released(build, position, asked).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => {
                    tracing::warn!(projection = self.projector.name(), %error, "a pause could not be looked at");
                }
            }
        }
    }

    async fn released(&self, build: i64, position: u64, asked: u64) -> Result<bool, ProjectionError> {
        let (store, name) = (&self.store, self.projector.name());
        if self.catalogue.skips(store, name).await?.contains(&position) {
            return Ok(true);
        }
        if pauses::asked(store.db(), name, build).await?.is_some_and(|now| now > asked) {
            return Ok(true);
        }
        Ok(pauses::passed(&builds::all(store.db(), name).await?, build, position))
    }

    fn failed(&self, error: &ProjectionError) -> u32 {
        let mut failures = 0;
        self.state.send_modify(|state| {
            state.failures = state.failures.saturating_add(1);
            state.last_error = Some(error.to_string());
            failures = state.failures;
        });
        tracing::warn!(projection = self.projector.name(), failures, %error, "projector failed, will try again");
        failures
    }
}
