//! Accesses: for a person, who looked at what concerns them; for an auditor, what is unusual in how officials look. What a
//! department is asked about its looking is among its [`crate::tasks`].

mod cases;
mod patterns;
mod projector;
mod queries;
mod report;

pub use patterns::{Look, Many, Pattern, Purposes, Run, many_persons, night, own_records, same_purpose};
pub use projector::AccessProjector;
pub use queries::{Access, list, record};
pub use report::{ACCESSES_MAX, Report, Thresholds, report};
