//! The task that drives the engine, from start to a clean stop.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventstore::StoreError;
use futures_util::FutureExt as _;
use projections::waiting::{backoff, changed, ticks};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::state::Asked;
use super::{Engine, EngineError, Handle, Ran};
use crate::registry::Registry;

/// Runs over the calendar that may wait; more wait to be asked for.
const ASKED_MAX: usize = 16;

/// How the engine is driven.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How often to look for entries when no notification came.
    pub poll: Duration,
    /// How often to look at the calendar. A look at a day on which all was done costs a query for each rule of dates.
    pub calendar: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), calendar: Duration::from_mins(1) }
    }
}

/// Starts the engine.
pub struct Proactive;

impl Proactive {
    /// Starts the engine on a registry, beside the projectors of this server.
    pub fn start(registry: Registry, projections: projections::Handle, options: Options) -> Runner {
        let engine = Engine::new(registry, projections);
        let (stop, stopped) = watch::channel(false);
        let (ask, asked) = mpsc::channel(ASKED_MAX);
        let handle = Handle { state: engine.state.subscribe(), ask };
        let stopping = Arc::clone(&engine.stopping);
        let task = tokio::spawn(Task { engine, options, asked, stop: stopped }.run());
        Runner { handle, stop, stopping, task }
    }
}

/// The running engine. Dropping it without [`Runner::stop`] leaves it to end with the runtime.
pub struct Runner {
    handle: Handle,
    stop: watch::Sender<bool>,
    stopping: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Runner {
    /// How others reach it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Lets the engine end its batch, and waits for it.
    pub async fn stop(self) {
        // Fails only when the task has ended already.
        let _ = self.stop.send(true);
        self.stopping.store(true, Ordering::Relaxed);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the engine of proposals ended by a panic");
        }
    }
}

struct Task {
    engine: Engine,
    options: Options,
    asked: mpsc::Receiver<Asked>,
    stop: watch::Receiver<bool>,
}

impl Task {
    async fn run(mut self) {
        let mut committed = Some(self.engine.store().watch());
        let mut poll = ticks(self.options.poll);
        let mut calendar = ticks(self.options.calendar);
        let mut is_due = true;
        while !*self.stop.borrow() {
            // A panic counts as an error: else nothing would be proposed until the server is restarted.
            let done = AssertUnwindSafe(self.catch_up(is_due)).catch_unwind().await;
            let panicked = |_| Err(StoreError::Internal("the engine panicked".to_owned()).into());
            match done.unwrap_or_else(panicked) {
                Ok(_) => {
                    is_due = false;
                    self.recovered();
                }
                Err(error) => {
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
                _ = calendar.tick() => is_due = true,
                Some(asked) = self.asked.recv() => {
                    let ran = self.catch_up(true).await;
                    // Whoever asked may have gone.
                    drop(asked.send(ran));
                }
                _ = self.stop.changed() => {}
            }
        }
    }

    /// Takes all batches that there are, and runs the calendar when it is time.
    async fn catch_up(&mut self, is_due: bool) -> Result<Ran, EngineError> {
        while !*self.stop.borrow() && self.engine.step().await? {}
        if is_due && !*self.stop.borrow() { self.engine.run_due().await } else { Ok(Ran::default()) }
    }

    fn recovered(&self) {
        self.engine.state.send_if_modified(|state| {
            let failed = state.failures > 0;
            (state.failures, state.last_error) = (0, None);
            failed
        });
    }

    fn failed(&self, error: &EngineError) -> u32 {
        let mut failures = 0;
        self.engine.state.send_modify(|state| {
            state.failures = state.failures.saturating_add(1);
            state.last_error = Some(error.to_string());
            failures = state.failures;
        });
        tracing::warn!(failures, %error, "the engine of proposals failed, will try again");
        failures
    }
}
