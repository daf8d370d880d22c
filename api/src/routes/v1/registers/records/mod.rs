//! `…/records`: what the entries of a register make of its records.

pub mod history;
pub mod list;
mod past;
pub mod record;
