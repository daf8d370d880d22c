//! Statistics: entries by register, type, month of recording and region.
//!
//! What statements say is public, and counted exactly: register, type, month. What is not is where people are. Of it no
//! group is told that concerns fewer people than a threshold, by whatever tables are put together ([`protect`]; the
//! argument is in `docs/decisions/0019-statistics.md`).
//!
//! An entry's region is that of its record's content, else the one in which its first person lived when it was recorded,
//! by `persons`; both as of the entry, so that neither batches nor later moves change a count.

mod projector;
mod protect;
mod queries;
mod region;

pub use projector::StatisticsProjector;
pub use protect::{Part, THRESHOLD_DEFAULT, Told, protect};
pub use queries::{By, Count, Region, Table, closed_month, table};
