//! Status history: each step of a record's life, as the definition in force at its position makes it.

mod projector;
mod queries;

pub use projector::HistoryProjector;
pub use queries::{Step, StepWords, steps, steps_as_of};
