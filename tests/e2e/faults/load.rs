//! Callers who append without end, and repeat what was not acknowledged with the same key.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::server::Server;
use reestr_tests::store::Store;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::crash::Acknowledged;
use crate::shared::{append, entry};

/// Callers that append at once.
const CALLERS: u64 = 8;
/// Entries of one caller at most in one round, and attempts at one entry, so that a test always ends.
const ENTRIES: u64 = 5_000;
const ATTEMPTS: u32 = 3_000;
/// Between two attempts, as `Retry-After` asks of callers, and shorter.
const PAUSE: Duration = Duration::from_millis(50);
/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_mins(3);

/// A round of load on one server.
pub struct Load {
    round: u64,
    /// Whether callers give up when the server does not answer: it will not again.
    until_gone: bool,
    stop: watch::Sender<bool>,
    acknowledged: watch::Sender<usize>,
    /// What callers were told instead: detail of the problem, or that there was no answer, and how often.
    refused: watch::Sender<BTreeMap<String, u64>>,
    /// Entries whose outcome is not known: key and serial number.
    unknown: Mutex<Vec<(String, u64)>>,
}

impl Load {
    /// On a server that stays, whatever happens to its database.
    pub fn new(round: u64) -> Self {
        Self {
            round,
            until_gone: false,
            stop: watch::channel(false).0,
            acknowledged: watch::channel(0).0,
            refused: watch::channel(BTreeMap::new()).0,
            unknown: Mutex::new(Vec::new()),
        }
    }

    /// On a server that is going to die.
    pub fn until_gone(round: u64) -> Self {
        Self { until_gone: true, ..Self::new(round) }
    }

    /// Appends until told to stop, or until the server is gone.
    pub async fn run(&self, server: &Server, store: &Store, token: &str) -> Acknowledged {
        let callers = FuturesUnordered::new();
        for caller in 0..CALLERS {
            callers.push(async move {
                let mut acknowledged = Acknowledged::new();
                for nth in 0..ENTRIES {
                    if *self.stop.borrow() {
                        break;
                    }
                    let serial = (self.round * CALLERS + caller) * ENTRIES + nth;
                    let key = format!("fault-{serial}");
                    let Some(place) = self.one(server, store, token, &key, serial).await else { break };
                    acknowledged.insert(key, place);
                    self.acknowledged.send_modify(|count| *count += 1);
                }
                acknowledged
            });
        }
        callers.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    /// Appends one entry, with as many attempts as it takes; nothing when the server is gone.
    async fn one(
        &self,
        server: &Server,
        store: &Store,
        token: &str,
        key: &str,
        serial: u64,
    ) -> Option<(u64, String)> {
        let mut pace = tokio::time::interval(PAUSE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..ATTEMPTS {
            pace.tick().await;
            match append(server, token, key, &entry(store, serial)).await {
                Ok((201, answer)) => return Some(place(&answer)),
                Ok((status, answer)) => {
                    // 408 is the server's own limit on a request: all that a database that vanished may cause.
                    assert!(matches!(status, 408 | 503), "{key}: {status}: {answer}");
                    let detail = answer["detail"].as_str().unwrap_or_default().to_owned();
                    self.refused.send_modify(|refused| *refused.entry(detail).or_default() += 1);
                }
                Err(_) if self.until_gone => {
                    let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
                    unknown.push((key.to_owned(), serial));
                    return None;
                }
                Err(error) => panic!("{key}: the server does not answer: {error}"),
            }
        }
        panic!("{key} was not acknowledged: {:?}", self.refused.borrow());
    }

    /// Repeats to a server what another one did not answer: each is made once, then or now.
    pub async fn settle(&self, server: &Server, store: &Store, token: &str) -> Acknowledged {
        let unknown = std::mem::take(&mut *self.unknown.lock().unwrap_or_else(PoisonError::into_inner));
        let mut acknowledged = Acknowledged::new();
        for (key, serial) in unknown {
            let (status, answer) = append(server, token, &key, &entry(store, serial)).await.unwrap();
            assert_eq!(status, 201, "{key}: {answer}");
            let again = append(server, token, &key, &entry(store, serial)).await.unwrap();
            assert_eq!(place(&again.1), place(&answer), "{key}");
            acknowledged.insert(key, place(&answer));
        }
        acknowledged
    }

    /// Waits until so many more entries are acknowledged.
    pub async fn acknowledged(&self, more: usize) {
        let mut count = self.acknowledged.subscribe();
        let target = *count.borrow() + more;
        let reached = count.wait_for(|count| *count >= target);
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        assert!(waited.is_ok(), "nothing is acknowledged any more: {:?}", self.refused.borrow());
    }

    /// Waits until someone is told these words, who was not yet when this was called.
    pub async fn refused(&self, words: &str) {
        let mut refused = self.refused.subscribe();
        let count = |refused: &BTreeMap<String, u64>| -> u64 {
            refused.iter().filter(|(detail, _)| detail.contains(words)).map(|(_, count)| count).sum()
        };
        let before = count(&refused.borrow());
        let told = refused.wait_for(|refused| count(refused) > before);
        let waited = tokio::time::timeout(PATIENCE, told).await;
        assert!(waited.is_ok(), "nobody was told {words:?}: {:?}", self.refused.borrow());
    }

    /// Lets callers end what they are at.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

fn place(answer: &Value) -> (u64, String) {
    (answer["index"].as_u64().unwrap(), answer["record"].as_str().unwrap().to_owned())
}
