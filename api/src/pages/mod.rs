//! Pages for people: plain HTML, no scripts, nothing from another host.

pub mod html;
pub mod landing;
pub mod problems;
pub mod reference;
pub mod statistics;
