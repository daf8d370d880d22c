//! `reestr witness`: a program mode of its own, with a store of its own.

mod logs;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use eventstore::Clock as _;
use proofs::note::{Cosigner, VerifierKey};
use proofs::time::Timestamp;
use tokio::net::TcpListener;
use witness::{Store, StoreError};

use crate::args::StoreArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::http::Trust;
use crate::output::line;
use crate::system::SystemClock;
use crate::{keyfile, serving, wire};

/// The file of the witness's store in its directory.
const STORE_FILE: &str = "witness.db";
/// Where a witness keeps what it knows when nothing is said.
const DATA_DEFAULT: &str = "reestr-witness";

/// `reestr witness …`.
#[derive(Subcommand)]
pub enum Witness {
    /// Cosign checkpoints of the logs that were added, over HTTP.
    Run {
        /// Address to serve on; port 0 takes a free one.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
        /// Who it is.
        #[command(flatten)]
        identity: Identity,
        /// Its store.
        #[command(flatten)]
        data: Data,
    },
    /// Print the witness's verifier key (vkey), for policies.
    Key {
        /// Who it is.
        #[command(flatten)]
        identity: Identity,
    },
    /// Trust logs: by a verifier key, or all registers of an installation by its document of keys. A running witness knows at once.
    Add {
        /// Verifier keys of logs, as `GET /v1/registers/{register}/key` has them: trusted beside those that are.
        #[arg(value_name = "VKEY", required_unless_present_any = ["url", "keys"])]
        vkeys: Vec<VerifierKey>,
        /// An installation: of each of its registers, the keys in force at `/v1/keys` are trusted, and no others.
        #[arg(long, value_name = "URL", conflicts_with_all = ["vkeys", "keys"])]
        url: Option<String>,
        /// Whom it trusts.
        #[command(flatten)]
        trust: Trust,
        /// The same from a file with such a document.
        #[arg(long, value_name = "FILE", conflicts_with = "vkeys")]
        keys: Option<PathBuf>,
        /// Its store.
        #[command(flatten)]
        data: Data,
    },
    /// Trust a log's key no more. What was cosigned stays known.
    Remove {
        /// The key.
        #[arg(value_name = "VKEY")]
        vkey: VerifierKey,
        /// Its store.
        #[command(flatten)]
        data: Data,
    },
    /// List the logs: origin, size cosigned last, when, and how many keys are trusted.
    List {
        /// Its store.
        #[command(flatten)]
        data: Data,
    },
    /// Print the evidence of forks: pairs of checkpoints of one log and size, both signed by it, with different roots.
    Evidence {
        /// Its store.
        #[command(flatten)]
        data: Data,
    },
}

/// Who a witness is.
#[derive(Args)]
pub struct Identity {
    /// Its name, a schema-less URL such as witness.example.org/w1: part of what its key is known by.
    #[arg(long)]
    name: String,
    /// File with its private key, made by `reestr keys generate`. It must sign nothing else.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File with the passphrase that opens a sealed key, in its first line.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Where a witness keeps what it knows.
#[derive(Args)]
pub struct Data {
    /// Directory of the witness's store. Never restore it from a copy: a witness that forgets cosigns forks.
    #[arg(long, value_name = "DIR", default_value = DATA_DEFAULT)]
    data: PathBuf,
}

/// Runs a witness, or looks after one.
pub async fn run(command: Witness) -> Result<(), Failure> {
    match command {
        Witness::Run { listen, identity, data } => serve(listen, &identity, &data).await,
        Witness::Key { identity } => {
            line(&cosigner(&identity)?.verifier().to_string());
            Ok(())
        }
        Witness::Add { vkeys, url, trust, keys, data } => {
            if url.is_none() && trust.is_given() {
                return Err(Failure::usage("--ca is for a server that is asked: name it with --url"));
            }
            let store = open(&data).await?;
            let source = match (url, keys) {
                (Some(url), _) => logs::Source::Url(url, trust),
                (None, Some(file)) => logs::Source::File(file),
                (None, None) => logs::Source::Keys(vkeys),
            };
            let added = logs::add(&store, source).await;
            store.close().await;
            line(&added?);
            Ok(())
        }
        Witness::Remove { vkey, data } => {
            let store = open(&data).await?;
            let removed = store.remove(&vkey).await.map_err(|error| because(&error))?;
            store.close().await;
            if !removed {
                return Err(Failure::usage(format!("{vkey} is not a key that this witness trusts")));
            }
            line(&format!("{} is trusted with that key no more", vkey.name()));
            Ok(())
        }
        Witness::List { data } => {
            let store = open(&data).await?;
            for log in store.logs().await.map_err(|error| because(&error))? {
                let head = log.cosigned.map_or_else(
                    || "nothing cosigned".to_owned(),
                    |(head, at)| format!("{} entries cosigned {}", head.size, seconds(at)),
                );
                line(&format!("{}  {head}  keys: {}", log.origin, log.keys.len()));
            }
            store.close().await;
            Ok(())
        }
        Witness::Evidence { data } => evidence(&open(&data).await?).await,
    }
}

async fn serve(listen: SocketAddr, identity: &Identity, data: &Data) -> Result<(), Failure> {
    let settings = StoreArgs { data: data.data.clone(), database: None, config: None };
    serving::log(&Config::read(&settings)?)?;
    let cosigner = cosigner(identity)?;
    let store = open(data).await?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::usage(format!("cannot listen on {listen}: {error}; --listen ADDR names another"))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::because("the socket", &error))?;
    let shutdown = serving::shutdown()?;
    line(&format!("witness {}\nlistening on http://{address}", cosigner.verifier()));
    let now = Arc::new(|| SystemClock.now());
    let router = witness::router(witness::Witness::new(store.clone(), cosigner, now));
    api::serve_router(api::Listening::new(listener), router, shutdown).await;
    store.close().await;
    Ok(())
}

async fn evidence(store: &Store) -> Result<(), Failure> {
    for fork in store.evidence().await.map_err(|error| because(&error))? {
        line(&format!(
            "{} forked at {} entries\n\n{}\n{}",
            fork.origin, fork.size, fork.cosigned, fork.refused
        ));
    }
    store.close().await;
    Ok(())
}

fn cosigner(identity: &Identity) -> Result<Cosigner, Failure> {
    let key = keyfile::read(&identity.key, identity.passphrase_file.as_deref())?;
    Cosigner::new(&identity.name, key)
        .map_err(|error| Failure::usage(format!("the name {:?} is no witness's: {error}", identity.name)))
}

async fn open(data: &Data) -> Result<Store, Failure> {
    wire::make_private(&data.data)?;
    let path: &Path = &data.data.join(STORE_FILE);
    Store::open(path).await.map_err(|error| because(&error))
}

fn because(error: &StoreError) -> Failure {
    Failure::because("the witness", error)
}

fn seconds(at: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at).unwrap_or(i64::MAX).saturating_mul(1_000))
}
