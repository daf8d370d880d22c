//! The command line: what there is to say, and nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use proofs::note::VerifierKey;
use proofs::slug::Slug;
use proofs::time::Timestamp;

use crate::http::Trust;

/// Where the store is when nothing is said.
pub const DATA_DEFAULT: &str = "reestr-data";

/// Reestr: signed registers of public services.
#[derive(Parser)]
#[command(name = "reestr", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Load sample registers and people into a store, serve it, and say what to try.
    Demo(Demo),
    /// Serve a store over HTTP.
    Serve(Serve),
    /// Append entries, signed here with a department's key.
    Append(Append),
    /// Verify registers over HTTP or from archives: exit 0 verified, 1 something is wrong, 2 could not check.
    Audit(Audit),
    /// Verify what a person was given.
    #[command(subcommand)]
    Verify(crate::commands::verify::Verify),
    /// Copy an embedded store to a file while it is used, and check the copy.
    Backup(crate::commands::backup::Backup),
    /// Bring a register in.
    #[command(subcommand)]
    Import(Import),
    /// Write a register out.
    #[command(subcommand)]
    Export(Export),
    /// Make projections again from the entries, or only compare.
    Replay(crate::commands::replay::Replay),
    /// Look after projections: where each stands, and an entry that one cannot apply.
    #[command(subcommand)]
    Projection(crate::commands::projection::Projection),
    /// Show a record, an account or a register, now or as of a time.
    #[command(subcommand)]
    Show(crate::commands::show::Show),
    /// Find what auditors should look at.
    #[command(subcommand)]
    Report(crate::commands::report::Report),
    /// Print the entries of a server as they come, one JSON object a line.
    Feed(crate::commands::feed::Feed),
    /// List webhooks and the messages that were given up, and send those again.
    #[command(subcommand)]
    Webhook(crate::commands::webhook::Command),
    /// Remove bodies by an order of a court or another authority.
    Withhold(crate::commands::withhold::Withhold),
    /// Publish, check, try out and explain proactive rules.
    #[command(subcommand)]
    Trigger(crate::commands::trigger::Trigger),
    /// Make, enrol and list keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Run a witness, which cosigns checkpoints of logs as long as they only grow; and look after one.
    #[command(subcommand)]
    Witness(crate::commands::witness::Witness),
    /// Register third parties that may ask people for consent.
    #[command(subcommand)]
    Client(crate::commands::client::Client),
    /// Make a bearer token of the store's own issuer.
    Token(Token),
    /// Measure this machine: appending, reading, projections and audits, on a store made for it and removed at the end.
    Bench(crate::commands::bench::Bench),
    /// Ask more of a server than it sustains, on a store made for it and removed at the end, and see what comes of it.
    Load(crate::commands::load::Load),
    /// Print the reference of this command line, as in docs/reference/cli.md.
    #[command(hide = true)]
    Reference,
}

/// Which store: embedded SQLite in a directory, or a PostgreSQL database.
#[derive(Args, Clone)]
pub struct StoreArgs {
    /// Directory of the embedded store.
    #[arg(long, value_name = "DIR", default_value = DATA_DEFAULT)]
    pub data: PathBuf,
    /// PostgreSQL database to use instead of the embedded store, as postgres://user@host/name.
    #[arg(long, value_name = "URL", env = "REESTR_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// Configuration file (TOML). Without it, DIR/reestr.toml if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `reestr demo`.
#[derive(Args)]
pub struct Demo {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address to serve on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Sample people to generate.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    pub people: u64,
}

/// `reestr serve`.
#[derive(Args)]
pub struct Serve {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address to serve on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// `reestr append`.
#[derive(Args)]
pub struct Append {
    /// NDJSON file of entries, one object a line; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The register.
    #[arg(long, value_name = "SLUG")]
    pub register: Slug,
    /// The department that issues the entries.
    #[arg(long, value_name = "SLUG")]
    pub department: Slug,
    /// File with the department's private key, made by `reestr keys generate`.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// File with the passphrase that opens a sealed key, in its first line.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Server to append to.
    #[arg(long, value_name = "URL", required_unless_present = "local")]
    pub url: Option<String>,
    /// File with the bearer token for the server.
    #[arg(long, value_name = "FILE", required_unless_present = "local")]
    pub token_file: Option<PathBuf>,
    /// Whom it trusts.
    #[command(flatten)]
    pub trust: Trust,
    /// Append to the store directly, without a server.
    #[arg(long, conflicts_with = "url")]
    pub local: bool,
    /// The store, with --local.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// `reestr audit`.
#[derive(Args)]
pub struct Audit {
    /// Server to audit.
    #[arg(long, value_name = "URL", required_unless_present = "archive")]
    pub url: Option<String>,
    /// Whom it trusts.
    #[command(flatten)]
    pub trust: Trust,
    /// Archives to audit instead, without any server; of one installation.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["url", "register", "token_file"])]
    pub archive: Vec<PathBuf>,
    /// Only this register: of the others it is not even asked whether they are there.
    #[arg(long, value_name = "SLUG")]
    pub register: Option<Slug>,
    /// Directory that keeps checkpoints and keys from one audit to the next.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// File to write all keys with their terms to, as the audit verified them: for `reestr verify receipt --keys`.
    #[arg(long, value_name = "FILE")]
    pub keys_out: Option<PathBuf>,
    /// File with a policy (C2SP tlog-policy): each checkpoint must be cosigned by enough of its witnesses.
    #[arg(long, value_name = "FILE")]
    pub witness_policy: Option<PathBuf>,
    /// File with an auditor's bearer token: the bodies that it opens are checked too.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Why you read bodies, with --token-file.
    #[command(flatten)]
    pub why: crate::why::WhyArgs,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `reestr import …`.
#[derive(Subcommand)]
pub enum Import {
    /// Archives of one installation into an empty store, which becomes a mirror: it serves reads and takes no entries. Into a
    /// mirror of the same installation, what it has not yet.
    Archive {
        /// The files.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// A register in Register Serialisation Format (GOV.UK Registers).
    Rsf {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The register to import into; it is defined when new.
        #[arg(long, value_name = "SLUG")]
        register: Slug,
        /// The department that owns it; it is established when new.
        #[arg(long, value_name = "SLUG")]
        department: Slug,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `reestr export …`.
#[derive(Subcommand)]
pub enum Export {
    /// Registers as archives that prove themselves: each in one file, with the bodies.
    Archive {
        /// The register; once for each. Without it, all registers.
        #[arg(long, value_name = "SLUG")]
        register: Vec<Slug>,
        /// File to write for one register; for several, the directory of their files, SLUG.tar.
        #[arg(long, value_name = "PATH")]
        output: PathBuf,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// A public register in Register Serialisation Format.
    Rsf {
        /// The register.
        #[arg(long, value_name = "SLUG")]
        register: Slug,
        /// File to write; standard output without it.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// A register as Parquet files for analysts: entries.parquet and statuses.parquet.
    Parquet(crate::commands::export::Parquet),
}

/// `reestr keys …`.
#[derive(Subcommand)]
pub enum Keys {
    /// Make a private key in a file readable by its owner alone, and print its public half as JWK.
    Generate {
        /// The file to make; it must not exist.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Seal the private key under the passphrase in the first line of this file.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Enrol a public key (JWK file, or a private key file) for a department.
    Enrol {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The department.
        #[arg(long, value_name = "SLUG")]
        department: Slug,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Make a new key, which the store holds, and put it in force beside the old one.
    Rotate {
        /// Whose key.
        #[command(flatten)]
        owner: KeyOwner,
        /// End the older keys in the same moment: for keys that are lost, and can sign no overlap.
        #[arg(long)]
        alone: bool,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// End the keys that sign a register's checkpoints beside the newest, or one of its keys.
    Retire {
        /// Verifier key; without it, all but the newest.
        #[arg(value_name = "VKEY")]
        key: Option<VerifierKey>,
        /// The register.
        #[arg(long, value_name = "SLUG")]
        register: Slug,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Declare that a key was in other hands from a time on, and end it.
    Compromised {
        /// Thumbprint of a department's key, or verifier key of a register.
        #[arg(value_name = "KEY")]
        key: String,
        /// Whose key.
        #[command(flatten)]
        owner: KeyOwner,
        /// Since when, as 2026-03-01T09:00:00.000Z. The audit names everything that the key signed since.
        #[arg(long, value_name = "TIME")]
        since: Timestamp,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Revoke a department's key from now on.
    Revoke {
        /// Thumbprint of the key.
        #[arg(value_name = "KID")]
        kid: String,
        /// The department.
        #[arg(long, value_name = "SLUG")]
        department: Slug,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Have a key on a PKCS#11 device sign a register's checkpoints, or what the platform signs for a department.
    Attach(crate::commands::attach::Attach),
    /// Seal the store's secrets under another key file or passphrase.
    Reseal(crate::commands::reseal::Reseal),
    /// List all keys of departments and registers, with their terms.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Whose key.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct KeyOwner {
    /// A department, whose key signs statements.
    #[arg(long, value_name = "SLUG")]
    pub department: Option<Slug>,
    /// A register, whose key signs checkpoints.
    #[arg(long, value_name = "SLUG")]
    pub register: Option<Slug>,
}

/// `reestr token`.
#[derive(Args)]
pub struct Token {
    /// citizen, official, department, auditor or operator.
    #[arg(long)]
    pub role: String,
    /// Whom it stands for: the person's record, or a system's name.
    #[arg(long)]
    pub subject: String,
    /// The department, for an official or a department's system.
    #[arg(long)]
    pub department: Option<Slug>,
    /// Scopes, for an auditor: "bodies:*" or "bodies:<register>", space-separated.
    #[arg(long)]
    pub scope: Option<String>,
    /// How long it is good for, in minutes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=525_600))]
    pub minutes: u32,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}
