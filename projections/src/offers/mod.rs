//! Offers: what rules have proposed to people, and what became of it.
//!
//! Content is not here: an offer's values are read from its entries.

mod projector;
mod queries;

pub use projector::OffersProjector;
pub use queries::{Caused, Filter, Offer, caused_by, expiring, list, offer};
