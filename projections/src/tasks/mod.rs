//! Tasks: what waits for a department. Requests until they are granted, refused or withdrawn; offers that were referred to
//! an official, until they are decided; questions about accesses, until they are answered.

mod projector;
mod queries;

pub use projector::TasksProjector;
pub use queries::{Filter, Task, list, task};
