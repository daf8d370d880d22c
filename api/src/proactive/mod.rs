//! What is proactive: proposals that rules make from entries and dates, and what becomes of them.
//!
//! **In scope.** The engine ([`Proactive`]), a process manager that follows the journal and the calendar; what a person does
//! with an offer ([`offer`]), hands over by accepting it ([`handover`]), and does not want at all ([`settings`]).
//! **Not in scope.** What a rule says and whether it holds (`domain::trigger`), which is pure; lists (`projections::offers`).
//!
//! **Invariants.**
//! - An offer is made once for a rule, person and cause: its once-key is its official number, which the append transaction
//!   takes once (`docs/decisions/0012-offers-once.md`). Everything that the engine does may be done twice.
//! - The engine's place in the journal moves on only when every consequence of the entries before it is in the journal.
//! - Decisions rest on entries. Projections say only where to look, and are waited for until they have what matters.

mod engine;
pub mod explain;
pub mod handover;
pub mod offer;
pub mod settings;
mod submit;

pub use engine::{Counts, Engine, EngineError, Handle, Options, Proactive, Ran, Runner, State};
pub use submit::{OFFERS_CLIENT, PlatformEntry, platform_entry};
