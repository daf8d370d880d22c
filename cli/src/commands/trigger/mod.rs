//! `reestr trigger`: proactive rules of the local store.

mod backtest;
mod explain;
mod publish;
mod read;
mod shown;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proofs::slug::Slug;

use crate::args::StoreArgs;
use crate::failure::Failure;

pub use backtest::BacktestArgs;
pub use explain::ExplainArgs;

/// `reestr trigger …`.
#[derive(Subcommand)]
pub enum Trigger {
    /// Publish a rule; one that is published already is changed.
    Publish {
        /// The rule: a JSON file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Retire a rule: it proposes nothing any more. Its offers stay.
    Retire {
        /// The rule.
        #[arg(value_name = "SLUG")]
        slug: Slug,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List the rules.
    List(ListArgs),
    /// Check a rule against the store's registers, without publishing it.
    Check {
        /// The rule: a JSON file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Run a rule over the whole history without writing anything: how many people, when, where; or compare two versions.
    Backtest(Box<BacktestArgs>),
    /// Say, rule by rule, why a person has or lacks an offer.
    Explain(ExplainArgs),
}

/// `reestr trigger list`.
#[derive(Args)]
pub struct ListArgs {
    /// Retired rules too.
    #[arg(long)]
    pub all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Does what is asked of the rules.
pub async fn run(command: Trigger) -> Result<(), Failure> {
    match command {
        Trigger::Publish { file, store } => publish::publish(&file, &store).await,
        Trigger::Retire { slug, reason, store } => publish::retire(&slug, &reason, &store).await,
        Trigger::List(args) => publish::list(&args).await,
        Trigger::Check { file, store } => publish::check(&file, &store).await,
        Trigger::Backtest(args) => backtest::run(*args).await,
        Trigger::Explain(args) => explain::run(args).await,
    }
}
