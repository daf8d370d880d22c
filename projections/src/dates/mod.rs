//! Dates: every date that the content of any record has now, by register, member and day.
//!
//! A member, also one of an object within (`child.birth_date`), counts as a date when its value is one (RFC 3339
//! `full-date`): so a definition that calls it one later makes nothing again. When something falls due is for the asker to say, who adds a rule's distance to these days; what
//! falls due in a day is then a range of the index, however many records there are.

mod projector;
mod queries;

pub use projector::DatesProjector;
pub use queries::{Dated, Range, of_records, range};
