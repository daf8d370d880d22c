//! The application service and the HTTP API.
//!
//! **In scope.** The [`registry`]: what is in force, and appending. Who is asking ([`auth`]), what they may see
//! ([`access`]), who looked ([`accesses`]), the past ([`past`]), and the endpoints ([`routes`]), one file each, laid out as the URLs are. **Not in scope**: rules of registers
//! (`domain`), storage (`eventstore`), what is read (`projections`), configuration and the environment (`cli`).
//!
//! **Invariants.**
//! - Every error is a problem document of a kind in [`problem::KINDS`]; faults of ours say nothing but that they are.
//! - No body, name or official number is in a log line, a metric or an error; the log has routes, never URLs.
//! - What may not be seen and what does not exist are answered alike.
//!
//! **To add an endpoint**: a file under `routes/`, where the URL says; a line in its folder's `mod.rs`; its cases in
//! `tests/http`, where a test fails for an endpoint that has none.

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

pub mod access;
pub mod accesses;
pub mod auth;
pub mod backtest;
pub mod consents;
pub mod feeds;
pub mod http;
pub mod interventions;
pub mod metrics;
pub mod notifications;
pub mod oauth;
pub mod openapi;
pub mod pages;
pub mod past;
pub mod proactive;
pub mod problem;
pub mod registry;
pub mod representation;
pub mod routes;
mod serve;
pub mod statistics;
pub mod webhooks;
pub mod withholding;
pub mod witnesses;
mod work;

pub use http::admission::Bounds;
pub use http::limits::Rate;
pub use http::{AppState, StateParts};
pub use serve::{Listening, Times, Tls, TlsError, serve, serve_router};
