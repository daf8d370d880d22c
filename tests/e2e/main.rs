//! End-to-end tests: the real binary, real stores, loopback. They mirror what the README and the guides promise.

mod accesses;
mod analysts;
mod append;
mod archive;
mod audit;
mod bench;
mod busy;
mod cloudflare;
mod commands;
mod consent;
mod corpora;
mod crash;
mod demo;
mod devices;
mod drills;
mod ending;
mod failover;
mod faults;
mod feeds;
mod growth;
mod liar;
mod living;
<<<<<<< HEAD
mod memory;
=======
mod load;
>>>>>>> 234a620 (More is asked of a server than it sustains, and what comes of it is seen)
mod mirror;
mod outsider;
mod receipt;
mod restore;
mod rotation;
mod rsf;
mod secrets;
mod servers;
mod shared;
mod tls;
mod trigger;
mod withholding;
mod witness;
mod witness_killed;
