//! What all endpoints share: state, extraction, limits, pages of lists, observation.

pub mod extract;
pub mod limits;
pub mod observe;
pub mod page;
mod state;
pub mod wait;

pub use page::{Page, PageQuery};
pub use state::{AppState, StateParts};
