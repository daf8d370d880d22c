//! End-to-end tests: the real binary, real stores, loopback. They mirror what the README and the guides promise.

mod accesses;
mod analysts;
mod append;
mod audit;
mod busy;
mod commands;
mod consent;
mod corpora;
mod crash;
mod demo;
mod devices;
mod feeds;
mod liar;
mod living;
mod outsider;
mod receipt;
mod rotation;
mod rsf;
mod secrets;
mod servers;
mod shared;
mod trigger;
mod withholding;
mod witness;
mod witness_killed;
