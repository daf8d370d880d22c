//! Puts the parts together: a store, its registry, and the clock and randomness they use.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use api::registry::{Bootstrap, Registry};
use eventstore::sql::Target;
use eventstore::{Clock, Entropy, Options, Store};

use crate::args::StoreArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::fixtures;
use crate::system::{OsEntropy, SystemClock};

/// The file of the embedded store in its directory.
const STORE_FILE: &str = "reestr.db";

/// An open store with the registers that every store has.
pub struct Opened {
    /// The journal.
    pub store: Store,
    /// The registry over it.
    pub registry: Registry,
    /// Its settings.
    pub config: Config,
}

/// Opens a store, making it when it is new.
pub async fn open(args: &StoreArgs) -> Result<Opened, Failure> {
    let config = Config::read(args)?;
    let target = if let Some(url) = &args.database {
        Target::Postgres(url.clone())
    } else {
        make_private(&args.data)?;
        Target::Sqlite(args.data.join(STORE_FILE))
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let options = Options::new(target, config.log_name.clone(), clock, entropy);
    let what = match &args.database {
        Some(_) => "the store cannot be opened (is PostgreSQL running there, and is the URL right?)",
        None => "the store cannot be opened",
    };
    let store = Store::open(options).await.map_err(|error| Failure::because(what, &error))?;
    let registry = Registry::open(store.clone())
        .await
        .map_err(|error| Failure::because("the registers cannot be read", &error))?;
    let roots = Bootstrap {
        platform: fixtures::department("platform")?,
        registers: fixtures::register("registers")?,
        departments: fixtures::register("departments")?,
    };
    let made = registry.bootstrap(&roots).await;
    made.map_err(|error| Failure::because("the platform's own registers cannot be made", &error))?;
    Ok(Opened { store, registry, config })
}

/// Makes the data directory, open to its owner alone: keys and personal data will be in it.
pub fn make_private(directory: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| {
        Failure::usage(format!("cannot make the directory {}: {error}", directory.display()))
    })
}
