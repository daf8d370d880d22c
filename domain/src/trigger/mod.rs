//! Triggers: proactive rules as data.
//!
//! A rule is an entry in the register `triggers`: a cause, a condition and values in CEL, an effect, a legal basis and the time
//! it is in force ([`rule`]). [`CompiledRule::compile`] finds all that is wrong with one before it is published, and [`check`]
//! all that it names and the installation lacks. [`CompiledRule::evaluate`] is pure: the same rule, cause, records and day
//! give the same verdict and values, and [`once_key`] the same key, on every server and at every time.
//!
//! **To add a function** for rules: `functions.rs`. **To add a variable**: `stage.rs`, and its name in `expression.rs`.
//!
//! What is evaluated comes through a [`Source`]; whoever calls gets together what [`CompiledRule::needs`] names, and calls
//! off the threads that must not wait: an evaluation is bounded, but takes as long as it takes.

mod aggregate;
pub mod backtest;
mod cause;
mod check;
mod compile;
mod evaluate;
mod expression;
mod family;
mod functions;
mod period;
pub mod rule;
mod rules;
mod scan;
mod scene;
mod stage;
mod value;

pub use aggregate::{Trigger, TriggerError};
pub use cause::{Cause, DueDate, EntryEvent, once_key};
pub use check::check;
pub use compile::{CompiledRule, Needs};
pub use evaluate::{EvalError, Failure, Proposal, Unfit, Verdict};
pub use family::{BIRTHS, Family, MARRIAGES, relatives};
pub use period::{Period, PeriodError};
pub use rule::Rule;
pub use rules::{InForceRule, Retired, Rules};
pub use scene::{MemorySource, SceneRecord, Source};

#[cfg(test)]
pub(crate) mod tests;
