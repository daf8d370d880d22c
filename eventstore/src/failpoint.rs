//! Steps at which a test has the process die: the end-to-end tests kill the real server at each of them, and audit what is left.
//!
//! A build without debug assertions, such as a release, has none of it: [`pass`] is then empty, and nothing can be armed.

/// A step that a process may die at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A batch is about to begin its transaction.
    Begin,
    /// It holds the lock that orders appends.
    Locked,
    /// It has read what it is decided on.
    LookedUp,
    /// It is decided: ordered, hashed, signed.
    Decided,
    /// The tiles that it fills are made.
    Tiled,
    /// All is written, and not committed.
    Written,
    /// It is committed, and nobody knows.
    Committed,
    /// Whoever waited for it within the process was told.
    Told,
    /// An append is about to be answered over HTTP.
    Answering,
    /// A projector has written its rows, and not committed.
    Projected,
    /// It has committed them, and its process does not know.
    ProjectionCommitted,
    /// An order to withhold is in the store, and not in the ledger.
    Ordered,
    /// It is in the ledger, and not acknowledged.
    Noted,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Begin,
        Self::Locked,
        Self::LookedUp,
        Self::Decided,
        Self::Tiled,
        Self::Written,
        Self::Committed,
        Self::Told,
        Self::Answering,
        Self::Projected,
        Self::ProjectionCommitted,
        Self::Ordered,
        Self::Noted,
    ];
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::Step;

    static ARMED: OnceLock<(Step, AtomicI64)> = OnceLock::new();

    /// The process dies when it comes to a step for the `nth` time: `told` as in `told:3`. False for what says no such thing, and
    /// when something was armed before.
    pub fn arm(what: &str) -> bool {
        let Some((name, nth)) = what.split_once(':') else { return false };
        let step = Step::ALL.into_iter().find(|step| format!("{step:?}").eq_ignore_ascii_case(name));
        let (Some(step), Ok(nth @ 1..)) = (step, nth.parse()) else { return false };
        ARMED.set((step, AtomicI64::new(nth))).is_ok()
    }

    /// Comes to a step. As with a kill, nothing is flushed, closed or rolled back.
    pub fn pass(step: Step) {
        if let Some((armed, left)) = ARMED.get()
            && *armed == step
            && left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            std::process::abort();
        }
    }
}

#[cfg(debug_assertions)]
pub use armed::{arm, pass};

/// Nothing, in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn pass(_: Step) {}
