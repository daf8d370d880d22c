//! `…/entries`: appending, and reading entry by entry.

pub mod append;
pub mod entry;
pub mod input;
pub mod list;
pub mod receipt;
pub(crate) mod refused;
pub(in crate::routes::v1) mod visible;
