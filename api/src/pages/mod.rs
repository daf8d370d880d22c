//! Pages for people: plain HTML, nothing from another host. One has a script, `/verify`: what it checks must not leave the browser.

pub mod html;
pub mod landing;
pub mod language;
pub mod problems;
pub mod receipt;
pub mod reference;
pub mod statistics;
pub mod verify;
