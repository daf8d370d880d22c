//! A witness over real HTTP, with logs that are honest, wrong, forked or many at once.

mod log;
mod protocol;
mod racing;
mod service;
