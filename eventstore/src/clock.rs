//! Time and chance come in as parameters.

use proofs::time::Timestamp;

/// Tells the time. Only `cli` reads the system's clock.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes. Only `cli` asks the system for them.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes that nobody can foretell.
    fn fill(&self, buffer: &mut [u8]);
}
