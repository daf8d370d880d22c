//! `reestr keys reseal`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use eventstore::{MasterKeySource, forget_secrets};

use crate::args::StoreArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::line;
use crate::seal::{KeyFile, PassphraseFile};
use crate::system::OsEntropy;
use crate::wire;

/// `reestr keys reseal`.
#[derive(Args)]
pub struct Reseal {
    /// The key file from now on; made when it is not there.
    #[arg(long, value_name = "FILE", required_unless_present = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// The file with the passphrase from now on.
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    passphrase_file: Option<PathBuf>,
    /// What opened the store is lost: throw away all keys and webhooks that it sealed. Their registers can be read, and take no
    /// entry any more. The log's name confirms it.
    #[arg(long, value_name = "LOG_NAME")]
    lost: Option<String>,
    /// The store; its settings say what opens it until now.
    #[command(flatten)]
    store: StoreArgs,
}

/// Seals the data key anew. What it sealed, and servers that run, are not touched.
pub async fn run(args: Reseal) -> Result<(), Failure> {
    let (source, setting, path): (Arc<dyn MasterKeySource>, _, _) =
        match (args.key_file, args.passphrase_file) {
            (Some(path), _) => {
                (Arc::new(KeyFile::new(path.clone(), Arc::new(OsEntropy))), "seal_key_file", path)
            }
            (None, Some(path)) => (Arc::new(PassphraseFile(path.clone())), "seal_passphrase_file", path),
            (None, None) => return Err(Failure::usage("say --key-file or --passphrase-file")),
        };
    if let Some(log_name) = &args.lost {
        forget(&args.store, log_name, &*source).await?;
        line(&said(setting, &path));
        return Ok(());
    }
    let opened = wire::open(&args.store).await?;
    let master = source.master_key(true).map_err(Failure::usage)?;
    let resealed = opened.store.reseal(&master).await;
    opened.store.close().await;
    resealed.map_err(|error| Failure::because("the store is sealed as before", &error))?;
    line(&said(setting, &path));
    Ok(())
}

fn said(setting: &str, path: &Path) -> String {
    format!(
        "sealed anew; before its next start give every server {setting} = {:?}",
        path.display().to_string()
    )
}

async fn forget(store: &StoreArgs, log_name: &str, source: &dyn MasterKeySource) -> Result<(), Failure> {
    let config = Config::read(store)?;
    if *log_name != config.log_name {
        return Err(Failure::usage(format!("the log's name is {}, and not {log_name}", config.log_name)));
    }
    let options = wire::options(store, &config)?;
    let master = source.master_key(true).map_err(Failure::usage)?;
    let forgotten = forget_secrets(&options, &master).await;
    forgotten.map_err(|error| Failure::because("nothing was thrown away", &error))
}
