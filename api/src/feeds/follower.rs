//! Following the journal from a position: from the journal while behind, from the shared reader once level with it.

use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Feeds;
use super::batch::Batch;
use crate::registry::KnowledgeError;

/// One who follows the journal.
pub struct Follower {
    feeds: Feeds,
    batches: Receiver<Arc<Batch>>,
    /// The position up to which everything was given.
    at: u64,
    /// Read from the journal first, because of what the shared reader told nobody.
    behind: bool,
    /// What the shared reader told, and lies beyond what is still to be read.
    held: Option<Arc<Batch>>,
}

impl Follower {
    pub(super) fn new(feeds: Feeds, batches: Receiver<Arc<Batch>>, at: u64) -> Self {
        Self { feeds, batches, at, behind: true, held: None }
    }

    /// The position up to which everything was given.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next entries; waits for them. Of the batch, only what comes after [`Self::at`] before the call is new: the second
    /// of the pair. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<(Arc<Batch>, u64), KnowledgeError> {
        loop {
            if let Some(batch) = self.fitting() {
                return Ok(self.give(batch));
            }
            if self.behind {
                match self.feeds.read_alone(self.at).await? {
                    Some(batch) => return Ok(self.give(Arc::new(batch))),
                    None => self.behind = false,
                }
                continue;
            }
            match self.batches.recv().await {
                Ok(batch) => self.hold(batch),
                Err(RecvError::Lagged(_)) => self.behind = true,
                // The reader has ended, and so will everyone.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// The next entries, if there are any now.
    pub async fn try_next(&mut self) -> Result<Option<(Arc<Batch>, u64)>, KnowledgeError> {
        loop {
            if let Some(batch) = self.fitting() {
                return Ok(Some(self.give(batch)));
            }
            if self.behind {
                match self.feeds.read_alone(self.at).await? {
                    Some(batch) => return Ok(Some(self.give(Arc::new(batch)))),
                    None => self.behind = false,
                }
                continue;
            }
            match self.batches.try_recv() {
                Ok(batch) => self.hold(batch),
                Err(TryRecvError::Lagged(_)) => self.behind = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Keeps a batch; when there is a gap before it, the journal is read first.
    fn hold(&mut self, batch: Arc<Batch>) {
        self.behind = batch.after > self.at;
        self.held = Some(batch);
    }

    /// The batch that is kept, once what came before it was given; one that is old is let go.
    fn fitting(&mut self) -> Option<Arc<Batch>> {
        let held = self.held.as_ref()?;
        if held.last <= self.at {
            self.held = None;
        } else if held.after <= self.at {
            self.behind = false;
            return self.held.take();
        }
        None
    }

    fn give(&mut self, batch: Arc<Batch>) -> (Arc<Batch>, u64) {
        let before = self.at;
        self.at = batch.last;
        (batch, before)
    }
}
