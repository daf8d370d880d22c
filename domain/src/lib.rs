//! Domain: what registers, records and their entries mean, and who may append what.
//!
//! **In scope.** The definition of a register ([`definition`]) and its history ([`definitions`]); departments, their keys and
//! officials ([`departments`]); the keys of a register ([`register_keys`]); the aggregates that decide on every append ([`record`], [`department`], [`register`], and
//! [`any_record`], which picks the right one); the fold of a record's entries into its facts ([`facts`]) and its content
//! ([`content`]), also as of a time ([`asof`]), and its statuses over both times ([`periods`]); the checks of Russian identifiers ([`checks`]); the auditor's check of a record's steps ([`audit`]); the
//! words in which a step is told ([`words`]); orders that withhold bodies ([`withholding`]); proactive rules, from their text to their verdict ([`trigger`]).
//!
//! **Not in scope, and so absent.** Input and output, clocks and randomness: the time and every identifier come in as
//! parameters. Signatures, digests and trees (`proofs`); order, uniqueness of numbers and idempotency, which only a
//! transaction can promise (`eventstore`); who may read what (`api`). This crate does not know `eventstore`: callers hand
//! stored entries over as [`EntryView`]s.
//!
//! **To add a register**: a file under `fixtures/registers`, or an entry in the register `registers` of a running
//! installation; no Rust. `docs/reference/definition.md` is the reference of that file, and
//! `cargo test -p reestr-domain fixtures` checks every one of them, naming the file, the place and what is wrong.
//!
//! **To add a proactive rule**: a file under `fixtures/triggers`, or an entry in the register `triggers`; no Rust. The same
//! `cargo test` compiles each of them and checks that all exists that it names.
//!
//! **To add a check of an identifier** (a format that schemas may name): a function in [`checks`] and a line in its
//! [`checks::FORMATS`].
//!
//! **Invariants.**
//! - An aggregate decides from its own entries, the definition in force and its command, and from nothing else.
//! - `apply` is pure and total: what it needs from a definition is resolved into the event ([`record::RecordEvent::step`]),
//!   so that an old entry keeps its meaning when the definition changes.
//! - A withheld body still folds: the status follows from the entry's type, and only the content is unknown.
//! - Messages name places and rules. No value of a body, which may be personal data, is ever in an error or a `Debug` text.

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

pub mod any_record;
pub mod asof;
pub mod audit;
pub mod checks;
pub mod content;
pub mod definition;
pub mod definitions;
pub mod department;
pub mod departments;
mod entry;
mod error;
pub mod facts;
mod fault;
#[cfg(test)]
mod fixtures;
pub mod keyring;
pub mod periods;
pub mod person;
pub mod platform;
pub mod record;
pub mod register;
pub mod register_keys;
pub mod representation;
pub mod subject;
#[cfg(test)]
mod testing;
pub mod trigger;
pub mod withholding;
pub mod words;

pub use entry::EntryView;
pub use error::DomainError;
pub use fault::Fault;
