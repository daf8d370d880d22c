//! A witness of logs (C2SP tlog-witness): it cosigns a log's checkpoints as long as each extends the last.
//!
//! **In scope.** The one call that logs make ([`router`]: `add-checkpoint`), and the store of a witness ([`Store`]): which keys it
//! trusts for which origin, and the head that it cosigned last. What a request is and when it may be cosigned is
//! [`proofs::witness`]. **Not in scope, and so absent**: listening, the clock, the key file and the command line (`cli`); anything of
//! registers: whoever runs a witness need not know what it is a witness of.
//!
//! **Invariants.**
//! - A head is durable before its cosignature leaves.
//! - Of one origin, no two roots are ever cosigned for one size, and no smaller size after a larger one: whatever comes at
//!   once, in whatever order, and whenever the process is killed. Deciding and storing are one transaction.
//! - Cosignatures of one origin never go back in time, though the clock may.

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod http;
mod store;

pub use http::{Now, Witness, router};
pub use store::{Evidence, Log, Store, StoreError};
