//! Whose processor time it was, from `/proc`. Where there is none, nothing is said.

use std::collections::BTreeMap;
use std::fs;

/// Ticks a second in `/proc/PID/stat`: of Linux's interface, whatever the kernel counts in.
const TICKS: f64 = 100.0;
/// Threads of the callers of HTTP.
pub const CLIENT_THREADS: &str = "bench-client";
/// Threads of sqlx in which SQLite runs, as far as a thread's name goes.
const SQLITE_THREADS: &str = "sqlx-sqlite-wor";

/// Seconds of processor time by part.
pub type Seconds = BTreeMap<&'static str, f64>;

/// A PostgreSQL server on this machine, as far as its processes can be seen.
#[derive(Clone)]
pub struct Postgres {
    /// The process whose children the backends are.
    postmaster: u32,
    /// The database whose backends are ours.
    database: String,
}

impl Postgres {
    /// The server that a backend belongs to, when it runs here: its process says which database it serves.
    pub fn local(backend: u32, database: &str) -> Option<Self> {
        let said = fs::read(format!("/proc/{backend}/cmdline")).ok()?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let stat = Stat::read(&format!("/proc/{backend}/stat"))?;
        (said.starts_with("postgres:"))
            .then(|| Self { postmaster: stat.parent, database: database.to_owned() })
    }

    fn add_to(&self, seconds: &mut Seconds) {
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let path = process.path();
            let Some(stat) = Stat::read(&format!("{}/stat", path.display())) else { continue };
            if stat.parent != self.postmaster {
                continue;
            }
            let said = fs::read(path.join("cmdline")).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let ours = said.split([' ', '\0']).any(|word| word == self.database);
            let part = match said.split(' ').nth(1).unwrap_or_default().trim_end_matches('\0') {
                "walwriter" | "checkpointer" | "background" | "autovacuum" | "io" => "postgres background",
                _ if ours => "postgres backends",
                _ => continue,
            };
            *seconds.entry(part).or_default() += stat.seconds;
        }
    }
}

struct Stat {
    parent: u32,
    seconds: f64,
}

impl Stat {
    fn read(path: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    /// The name, in parentheses, may hold anything; what follows it is numbers.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok().map(f64::from);
        Some(Self { parent: fields.get(1)?.parse().ok()?, seconds: (ticks(11)? + ticks(12)?) / TICKS })
    }
}

/// Processor time of this process by part, and of the server's processes, since they began.
pub fn seconds(postgres: Option<&Postgres>) -> Seconds {
    let mut seconds = Seconds::new();
    let Some(all) = Stat::read("/proc/self/stat") else { return seconds };
    let (mut clients, mut sqlite) = (0.0, 0.0);
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let path = thread.path();
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let Some(stat) = Stat::read(&format!("{}/stat", path.display())) else { continue };
        match name.trim_end() {
            CLIENT_THREADS => clients += stat.seconds,
            SQLITE_THREADS => sqlite += stat.seconds,
            _ => {}
        }
    }
    seconds.insert("reestr", all.seconds - clients - sqlite);
    for (part, spent) in [("clients", clients), ("sqlite", sqlite)] {
        if spent > 0.0 {
            seconds.insert(part, spent);
        }
    }
    if let Some(postgres) = postgres {
        postgres.add_to(&mut seconds);
    }
    seconds
}

/// What was spent between two readings.
pub fn spent(before: &Seconds, after: &Seconds) -> Seconds {
    let of = |(part, after): (&&'static str, &f64)| {
        let spent = after - before.get(part).copied().unwrap_or_default();
        // Hundredths are what is counted; what a thread took with it when it ended is not to be had back.
        (*part, ((spent * 100.0).round() / 100.0).max(0.0))
    };
    after.iter().map(of).collect()
}

/// Bytes that this process has had written to its disks.
pub fn written_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_read_over() {
        let line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.parent, 7);
        assert!((stat.seconds - 2.0).abs() < f64::EPSILON);
        assert!(Stat::parse("nothing").is_none());
    }
}
