//! One file a command.

pub mod append;
pub mod attach;
pub mod audit;
pub mod backup;
pub mod bench;
pub mod client;
pub mod demo;
pub mod export;
pub mod feed;
pub mod import;
pub mod keys;
pub mod load;
pub mod projection;
pub mod reference;
pub mod replay;
pub mod report;
pub mod reseal;
pub mod serve;
pub mod show;
pub mod token;
pub mod trigger;
pub mod verify;
pub mod webhook;
pub mod withhold;
pub mod witness;
