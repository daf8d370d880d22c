//! Time travel: records, accounts and registers as of a time of recording and a time of effect (`docs/decisions/0017-time-travel.md`).
//!
//! **In scope.** Finding what may have existed then, folding it from entries (`domain::asof`), and the shapes of the answers,
//! for HTTP and the command line alike. **Not in scope**: who may see it, which the endpoints decide as of now.

mod account;
mod query;
mod record;
mod register;
mod walk;

pub use account::{account_item, groups, profile};
pub use query::{AsOfItem, as_of};
pub use record::{Filter, record_item};
pub use register::{register_at, register_document};
pub use walk::{ACCOUNT_RECORDS_MAX, Of, PastError, record, records, seen_by, walk};
