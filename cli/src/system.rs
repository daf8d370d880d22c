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
