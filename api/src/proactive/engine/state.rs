//! What others see of the engine: where it is, what it did, what ails it.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::EngineError;
use super::calendar::Ran;

/// What the engine of this server has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Offers made.
    pub proposed: u64,
    /// Outcomes provided without being asked.
    pub provided: u64,
    /// Offers taken back because their cause fell away.
    pub withdrawn: u64,
    /// Offers handed to an official.
    pub referred: u64,
    /// Offers whose time was over.
    pub expired: u64,
    /// Evaluations and offers that came to nothing through a fault of their rule.
    pub faults: u64,
}

/// The state of the engine of this server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Every entry up to here has had all its consequences.
    pub position: u64,
    /// What was done.
    pub counts: Counts,
    /// Errors since the last success.
    pub failures: u32,
    /// The last of them, without anything from a body.
    pub last_error: Option<String>,
}

/// A run over the calendar that someone asked for.
pub(super) type Asked = oneshot::Sender<Result<Ran, EngineError>>;

/// The engine, as others reach it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) state: watch::Receiver<State>,
    pub(super) ask: mpsc::Sender<Asked>,
}

impl Handle {
    /// What it is doing.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until every entry up to `position` has had its consequences; false when that takes too long.
    pub async fn wait_for(&self, position: u64, timeout: Duration) -> bool {
        let mut state = self.state.clone();
        let reached = state.wait_for(|state| state.position >= position);
        tokio::time::timeout(timeout, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Runs now what is due by the store's clock, rather than when the interval is over.
    pub async fn run_due(&self) -> Result<Ran, EngineError> {
        let (tell, told) = oneshot::channel();
        self.ask.send(tell).await.map_err(|_| EngineError::Stopped)?;
        told.await.map_err(|_| EngineError::Stopped)?
    }
}
