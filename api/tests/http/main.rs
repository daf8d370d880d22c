//! The HTTP API in process, on both stores: what each endpoint answers, to whom, and what it refuses.

extern crate reestr_api as api;

mod accesses;
mod appending;
mod asking;
mod authorisation;
mod backtest;
mod bank;
mod consent;
mod database;
mod documents;
mod events;
mod feeds;
mod founding;
mod hygiene;
mod issuers;
mod notifications;
mod oauth;
mod past;
mod people;
mod proactive;
mod proactive_calendar;
mod proactive_http;
mod proactive_town;
mod projections;
mod reading;
mod receiver;
mod relatives;
mod representation;
mod search;
mod servers;
mod statistics;
mod tokens;
mod verifying;
mod webhooks;
mod world;
