//! What is seen of the server from outside: its memory, and its gauges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::child::Child;
use super::world::World;

/// It is looked at so often.
const LOOK: Duration = Duration::from_millis(500);
/// After the load everything is done within this, or the server has not recovered.
const SETTLED_MAX: Duration = Duration::from_mins(2);
/// Gauges that a load raises, and that must be back at nothing after it.
const QUEUES: [&str; 6] = [
    "reestr_requests_under_way",
    "reestr_requests_waiting",
    "reestr_append_waiting",
    "reestr_bodies_bytes",
    "reestr_answers_bytes",
    "reestr_projection_lag_positions",
];
/// Connections stay open for a while when nothing is asked.
const CONNECTIONS: &str = "reestr_connections";

/// The most that was seen.
#[derive(Serialize, Clone, Default, Debug)]
pub struct Seen {
    /// Memory of the server in bytes (resident set).
    pub rss_bytes: u64,
    /// Gauges by name; those with labels are added up.
    pub gauges: BTreeMap<&'static str, u64>,
}

/// Looks at the server until stopped.
pub struct Watch {
    pid: Option<u32>,
    world: Arc<World>,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins to look.
    pub fn start(child: &Child, world: &Arc<World>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (pid, watched, noted) = (child.id(), Arc::clone(world), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOOK);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let gauges = gauges(&watched).await.unwrap_or_default();
                let rss = pid.and_then(|pid| memory(pid, "VmRSS:")).unwrap_or_default();
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.rss_bytes = noted.rss_bytes.max(rss);
                for (name, value) in gauges {
                    let most = noted.gauges.entry(name).or_default();
                    *most = value.max(*most);
                }
            }
        });
        Self { pid, world: Arc::clone(world), seen, task }
    }

    /// Forgets what was seen.
    pub fn begin(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }

    /// The most that was seen since.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long it takes until nothing waits and the projections are where the log is; `None` when that is too long.
    pub async fn settled(&self) -> Option<Duration> {
        let began = Instant::now();
        while began.elapsed() < SETTLED_MAX {
            let gauges = gauges(&self.world).await.unwrap_or_default();
            // The question itself is under way.
            let idle =
                |name: &&str| gauges.get(*name).is_some_and(|value| *value <= u64::from(*name == QUEUES[0]));
            if QUEUES.iter().all(idle) {
                return Some(began.elapsed());
            }
            tokio::time::sleep(LOOK / 5).await;
        }
        None
    }

    /// Ends it; gives the most memory that the server ever had.
    pub async fn stop(self) -> u64 {
        self.task.abort();
        // It was told to end.
        let _ = self.task.await;
        self.pid.and_then(|pid| memory(pid, "VmHWM:")).unwrap_or_default()
    }
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(pid: u32, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let found = status.lines().find_map(|found| found.strip_prefix(line))?;
    found.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

async fn gauges(world: &World) -> Option<BTreeMap<&'static str, u64>> {
    let answer = world.client.get(format!("{}/metrics", world.url)).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    Some(read(&answer.text().await.ok()?))
}

fn read(text: &str) -> BTreeMap<&'static str, u64> {
    let mut gauges = BTreeMap::new();
    for line in text.lines() {
        let Some((what, value)) = line.rsplit_once(' ') else { continue };
        let name = what.split('{').next().unwrap_or_default();
        let known = QUEUES.iter().chain([&CONNECTIONS]).find(|known| **known == name);
        if let (Some(known), Ok(value)) = (known, value.parse::<u64>()) {
            *gauges.entry(*known).or_default() += value;
        }
    }
    gauges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_added_up_over_their_labels() {
        let text = "# HELP reestr_connections Open.\nreestr_connections 7\nreestr_requests_waiting{lane=\"reads\"} 3\n\
                    reestr_requests_waiting{lane=\"writes\"} 4\nreestr_other 9\n";
        let expected = BTreeMap::from([("reestr_connections", 7), ("reestr_requests_waiting", 7)]);
        assert_eq!(read(text), expected);
        assert!(memory(std::process::id(), "VmRSS:").is_some_and(|bytes| bytes > 0));
    }
}
