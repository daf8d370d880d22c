//! Projections: what people read, made from the entries.
//!
//! **In scope.** The runner, which follows the journal and applies it in batches; the projections, each a projector
//! with its tables and its queries: [`account`] and [`organisations`] (what concerns a person or an organisation),
//! [`history`] (the steps of a record), [`view`] (the records of a register, look-up by number, counts), [`accesses`] (who
//! looked), [`offers`] (what is proposed to a person), [`dates`] (every date in any record, by which things fall due),
//! [`tasks`] (what waits for a department), [`search`], [`statistics`]; the past ([`past`]); the wait for a position
//! ([`Handle::wait_for`]); replay and the proof that it changed nothing ([`rebuild`](fn@rebuild), [`digest`](fn@digest)).
//!
//! **Not in scope, and so absent.** Decisions: an aggregate decides on entries, never on what is here. Who may read what:
//! these functions answer whoever calls them, so that `api` asks first. Words: rows hold codes, and the definitions that
//! every query takes put them into both languages, so that a redefinition is seen at once and no row is rewritten.
//!
//! **To add a projector**: a folder beside `account/` with its tables (`const TABLE: Table`), its [`Projector`], and its
//! queries, one function each; a migration with the tables, each of whose keys begins with `build`; a line in
//! [`projectors`]; its case in `tests/suite/model.rs`, which compares it with a naive recomputation. Later changes to what
//! it writes raise its [`Projector::version`]: the next start then builds new rows beside the old, and switches when they
//! have caught up.
//!
//! **Invariants.**
//! - A projection's rows are a function of the entries up to its position: not of batches, restarts, servers or time.
//! - Rows and position change in one transaction, so that every entry takes effect once.
//! - Nothing but its own projector writes to a projection.
//! - A body that was withheld leaves its step, and nothing else: with the order a projector makes the rows of that record again
//!   from what is left, so that they equal a rebuild's. One that adds up ([`Projector::adds_up`]) is made again as a whole.

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod abreast;
pub mod accesses;
pub mod account;
mod batch;
mod builds;
mod catalogue;
mod common;
mod compare;
mod cursor;
pub mod dates;
mod digest;
mod error;
mod handle;
pub mod history;
pub mod offers;
pub mod organisations;
mod pace;
pub mod past;
mod pauses;
mod projector;
mod rebuild;
mod rest;
mod runner;
pub mod search;
mod select;
mod shared;
mod skips;
pub mod statistics;
mod step;
mod table;
pub mod tasks;
mod tidy;
pub mod view;
pub mod waiting;
mod words;

use std::sync::Arc;

pub use batch::{Batch, Life, Step};
pub use common::{Change, Opened, Validity};
pub use compare::{Change as RowChange, Difference};
pub use cursor::{PAGE_ROWS_MAX, Page, PageRequest};
pub use digest::digest;
pub use error::ProjectionError;
pub use handle::{Building, Handle, ProjectorState, Status, retry, statuses, wait_for, waiting_since};
pub use pauses::Pause;
pub use projector::{Projector, Write};
pub use rebuild::{Checked, Progress, Rebuilt, catch_up, check, check_with, rebuild, rebuild_with};
pub use runner::{BATCH_ENTRIES, Options, Runner};
pub use skips::{Skip, skips};
pub use table::Table;
pub use words::Named;

/// The projectors, in the order in which they are shown.
pub fn projectors() -> Vec<Arc<dyn Projector>> {
    vec![
        Arc::new(account::AccountProjector),
        Arc::new(accesses::AccessProjector),
        Arc::new(history::HistoryProjector),
        Arc::new(view::ViewProjector),
        Arc::new(organisations::OrganisationsProjector),
        Arc::new(offers::OffersProjector),
        Arc::new(dates::DatesProjector),
        Arc::new(tasks::TasksProjector),
        Arc::new(search::SearchProjector),
        Arc::new(statistics::StatisticsProjector),
    ]
}

/// The projector of a name.
fn find(name: &str) -> Result<Arc<dyn Projector>, ProjectionError> {
    let found = projectors().into_iter().find(|projector| projector.name() == name);
    found.ok_or_else(|| ProjectionError::Unknown { name: name.to_owned() })
}
