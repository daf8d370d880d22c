//! Search: the records of registers, and those of a person, by words in Russian and English, and by numbers.
//!
//! A record is found by every text, date and number in its content, by the title of its register, and by the names and
//! numbers of the persons whom it concerns, though these stand in `persons` alone. Words are taken apart, spelled alike
//! and stemmed in Rust ([`Query`] and what is indexed by one code), so that SQLite's FTS5 and PostgreSQL's tsvector,
//! which only compare tokens, give the same answers in the same order. PostgreSQL indexes of a word its stem alone;
//! where more was asked for, the words of what it finds are compared (`Node::indexed`).
//!
//! The names are those that the persons have now. A name in the row of a record comes from rows of the same build, which
//! were made of entries up to the same position: where batches begin leaves no trace.

mod document;
mod expression;
mod projector;
mod queries;
mod query;
mod text;

pub use projector::SearchProjector;
pub use queries::{Scope, account_records, records};
pub use query::{QUERY_CHARS_MAX, QUERY_WORDS_MAX, Query, QueryError};
