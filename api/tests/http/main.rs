//! The HTTP API in process, on both stores: what each endpoint answers, to whom, and what it refuses.

extern crate reestr_api as api;

mod accesses;
mod appending;
mod authorisation;
mod database;
mod documents;
mod founding;
mod hygiene;
mod issuers;
mod people;
mod reading;
mod servers;
mod tokens;
mod verifying;
mod world;
