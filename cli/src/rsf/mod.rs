//! Register Serialisation Format: the text form of GOV.UK Registers.
//!
//! One command a line, tab-separated: `add-item`, `append-entry`, `assert-root-hash`. [`parse`] reads a file
//! and holds it to its own promises; [`import`] and [`export`] carry registers in and out.

pub mod define;
pub mod export;
pub mod import;
pub mod parse;
pub mod write;
