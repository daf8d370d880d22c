//! What all endpoints share: state, admission, who acts, extraction, limits, pages of lists, observation.

pub mod acting;
pub mod admission;
pub mod conditions;
pub mod extract;
pub mod limits;
pub mod mirror;
pub mod observe;
pub mod page;
mod state;
pub mod wait;

pub use acting::{Acting, Whom};
pub use page::{Page, PageQuery};
pub use state::{AppState, StateParts};
