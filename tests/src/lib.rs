//! What the end-to-end tests stand on: a real `reestr` process over a real store, on loopback.
//!
//! In scope: starting, stopping and killing the binary, and its stores. Not in scope: anything that the binary
//! should do itself; a test that needs a helper here to be right is testing the helper.

#![expect(clippy::missing_panics_doc, reason = "a helper of tests fails the test by panicking")]

pub mod archived;
pub mod browser;
pub mod disk;
pub mod patroni;
pub mod postgres;
pub mod proxy;
pub mod server;
pub mod store;
