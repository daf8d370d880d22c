//! The demo: sample registers, sample people, real registers, tokens, and what to try.

pub mod load;
pub mod people;
pub mod story;
pub mod template;
pub mod tokens;
pub mod try_it;
