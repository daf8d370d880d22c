//! The real clock and the real source of randomness: the only place that reads either.

use std::time::{SystemTime, UNIX_EPOCH};

use eventstore::{Clock, Entropy};
use proofs::time::Timestamp;

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Without randomness there are no salts and no keys: going on would publish guessable bodies.
            eprintln!("the operating system gives no randomness: {error}");
            std::process::abort();
        }
    }
}

/// How many files this process may have open, where the system says so.
pub fn open_files_max() -> Option<u64> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// The first number of the line (proc_pid_limits(5)); none where it is unlimited.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read() {
        let head = "Limit                     Soft Limit           Hard Limit           Units     \n";
        let files = "Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(&format!("{head}{files}")), Some(1_024));
        assert_eq!(soft_limit(&format!("{head}{}", files.replace("1024", "unlimited"))), None);
        assert!(open_files_max().is_some_and(|files| files > 0), "this system says it");
    }
}
