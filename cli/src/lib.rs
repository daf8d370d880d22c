//! `reestr`: the one binary, and the only place that wires things together.
//!
//! In scope: the command line, the configuration, the real clock and randomness, sample data, RSF, the audit, measuring.
//! Not in scope: rules of registers (`domain`), storage (`eventstore`), HTTP (`api`).
//! To add a command: a variant in `args`, a file in `commands`, a line in [`run`].

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod append;
pub mod archive;
mod args;
mod audit;
mod bench;
mod commands;
mod config;
mod demo;
mod failure;
mod fixtures;
mod http;
mod keyfile;
mod ledger;
mod load;
mod memory;
mod output;
mod parquet;
mod pkcs11;
mod progress;
mod rsf;
mod seal;
mod serving;
mod system;
mod tls;
mod why;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

/// Does what the command line says, to the end.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(debug_assertions)]
    if let Err(failure) = arm() {
        eprintln!("reestr: {failure}");
        return ExitCode::from(failure.code);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("reestr: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("reestr: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

/// Lets a test say where this process dies. No release has it.
#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "it is no setting: a test says it, before there are any")]
fn arm() -> Result<(), Failure> {
    match std::env::var("FAIL_AT") {
        Ok(what) if !eventstore::failpoint::arm(&what) => {
            Err(Failure::usage(format!("FAIL_AT={what} names no step; one is as committed:3")))
        }
        _ => Ok(()),
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Serve(args) => commands::serve::run(args).await,
        Command::Append(args) => commands::append::run(args).await,
        Command::Audit(args) => return commands::audit::run(args).await,
        Command::Verify(args) => return commands::verify::run(args).await,
        Command::Backup(args) => commands::backup::run(args).await,
        Command::Import(args) => return commands::import::run(args).await,
        Command::Export(args) => commands::export::run(args).await,
        Command::Replay(args) => commands::replay::run(args).await,
        Command::Projection(args) => commands::projection::run(args).await,
        Command::Show(args) => commands::show::run(args).await,
        Command::Report(args) => commands::report::run(args).await,
        Command::Feed(args) => commands::feed::run(args).await,
        Command::Webhook(command) => commands::webhook::run(command).await,
        Command::Withhold(args) => commands::withhold::run(args).await,
        Command::Trigger(args) => commands::trigger::run(args).await,
        Command::Keys(args) => commands::keys::run(args).await,
        Command::Witness(command) => commands::witness::run(command).await,
        Command::Client(args) => commands::client::run(args).await,
        Command::Token(args) => commands::token::run(args).await,
        Command::Bench(args) => Box::pin(commands::bench::run(args)).await,
        Command::Load(args) => return Box::pin(commands::load::run(args)).await,
        Command::Reference => {
            commands::reference::run();
            Ok(())
        }
    }
    .map(|()| ExitCode::SUCCESS)
}
