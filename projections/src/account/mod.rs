//! Account: for a person, every record that concerns them in any role, and their own profile; the same questions are answered
//! for an organisation ([`Holder`]), from the rows of [`organisations`](crate::organisations).
//!
//! A person who is no longer a subject keeps the row as it was when they last were one, marked as former: what became
//! of the record afterwards concerns others.

mod bearing;
mod ever;
mod holder;
mod overview;
mod profile;
mod projector;
mod queries;

pub use bearing::{between, concerning};
pub use ever::ever_concerned;
pub use holder::Holder;
pub use overview::{GroupCount, overview};
pub use profile::{Profile, profile};
pub use projector::AccountProjector;
pub(crate) use projector::concerned;
pub use queries::{AccountRecord, Filter, Former, list, record, records};
