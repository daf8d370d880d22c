//! What every store must do, run against a fresh SQLite file and a fresh PostgreSQL database alike.

// The crate as its users call it; its package bears the project's name.
extern crate reestr_eventstore as eventstore;

mod aggregates;
mod appending;
mod clock;
mod conflicts;
mod corruption;
mod devices;
mod facade;
mod faults;
mod fixture;
mod lost;
mod mirror;
mod model;
mod past;
mod rotation;
mod sealing;
mod secrets;
mod servers;
mod sharding;
mod together;
mod trees;
mod triggers;
mod unlocked;
mod upgrading;
mod withholding;
