//! The projections on both stores: what they say of known lives, of random ones against a naive model, and how the
//! runner keeps to exactly once.

extern crate reestr_projections as projections;

mod accesses;
mod check;
mod database;
mod life;
mod model;
mod naive;
mod organisations;
mod pages;
mod poison;
mod proactive;
mod replay;
mod runner;
mod search;
mod statistics;
mod town;
mod withholding;
