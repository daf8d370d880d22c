//! Appending from outside: lines of a file, signed here, sent to a server or to a local store.

pub mod line;
pub mod target;
