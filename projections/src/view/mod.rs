//! Register view: the records of a register with their status, look-up by official number, counts.
//!
//! Its rows hold no subject. An official number may still be a person's own secret: whether it may be looked up or
//! listed is for the caller to decide by the register's visibility.

mod counts;
mod projector;
mod queries;

pub use counts::{Count, Counts, StatusCount, by_status, counts};
pub use projector::ViewProjector;
pub use queries::{Filter, NumberHit, ViewRecord, by_number, list, record, records};
