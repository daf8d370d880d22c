//! Puts the parts together: a store, its registry, and the clock and randomness they use.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::registry::{Bootstrap, Reason, Refusal, Registry};
use api::withholding::{Withholding, WithholdingError};
use api::witnesses::Witnesses;
use domain::platform::{PLATFORM, PLATFORM_REGISTERS};
use eventstore::sql::Target;
use eventstore::{Clock, Entropy, Options, SHARDS_MAX, Store, StoreError};
use proofs::slug::Slug;
use serde_json::Value;

use crate::args::StoreArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::fixtures;
use crate::ledger::{self, FileLedger};
use crate::pkcs11::Devices;
use crate::seal;
use crate::system::{OsEntropy, SystemClock};

/// The file of the embedded store in its directory.
pub const STORE_FILE: &str = "reestr.db";

/// How far this machine's clock may be ahead of PostgreSQL's. Clocks that are kept differ by milliseconds; what is recorded meanwhile
/// holds up everybody's time of recording by no more than this.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(30);

/// An open store with the registers that every store has.
pub struct Opened {
    /// The journal.
    pub store: Store,
    /// The registry over it.
    pub registry: Registry,
    /// The devices that hold keys for it.
    pub devices: Option<Arc<Devices>>,
    /// Its settings.
    pub config: Config,
    /// The witnesses without whom no checkpoint is published.
    pub witnesses: Option<Witnesses>,
    /// The orders that withhold bodies, and their ledger.
    pub withholding: Withholding,
}

impl Opened {
    /// Other handles on the same store.
    pub fn share(&self) -> Self {
        Self {
            store: self.store.clone(),
            registry: self.registry.clone(),
            devices: self.devices.clone(),
            config: self.config.clone(),
            witnesses: self.witnesses.clone(),
            withholding: self.withholding.clone(),
        }
    }
}

/// Opens a store, making it when it is new. One that was restored from before an order is not opened: it holds what was
/// withheld. A mirror is taken as it is: it has what its source made.
pub async fn open(args: &StoreArgs) -> Result<Opened, Failure> {
    let opened = open_as_it_is(args).await?;
    if let Err(failure) = hold_against_the_ledger(&opened.withholding).await {
        opened.store.close().await;
        return Err(failure);
    }
    Ok(opened)
}

/// Refuses a store that lacks orders; removes again what is there though the store's own orders withhold it.
async fn hold_against_the_ledger(withholding: &Withholding) -> Result<(), Failure> {
    let failed =
        |error: WithholdingError| Failure::because("what orders withhold cannot be looked after", &error);
    let missing = withholding.missing().await.map_err(failed)?;
    if let Some(first) = missing.first() {
        let bodies: usize = missing.iter().map(|missing| missing.leaves.len()).sum();
        return Err(Failure::failed(format!(
            "the store lacks {} orders that {} has (the first was entry {} of {}), and holds {bodies} bodies that they \
             withhold: it was restored from before them, and is not served; `reestr withhold --again` carries them out again",
            missing.len(),
            withholding.place(),
            first.noted.index,
            first.noted.register
        )));
    }
    let removed = withholding.remove_again().await.map_err(failed)?;
    if removed > 0 {
        eprintln!("reestr: {removed} bodies were there though orders withhold them, and are removed again");
    }
    withholding.catch_up().await.map_err(failed)
}

/// Opens a store whatever it lacks.
pub async fn open_as_it_is(args: &StoreArgs) -> Result<Opened, Failure> {
    let config = Config::read(args)?;
    let witnesses = config.witnesses()?;
    let devices = devices(&config)?;
    let mut options = options(args, &config)?;
    if let Some(devices) = &devices {
        options.holder = devices.clone();
    }
    options.witnessed = witnesses.is_some();
    let store = Store::open(options).await.map_err(|error| unopened(args, &error))?;
    let registry = Registry::open(store.clone())
        .await
        .map_err(|error| Failure::because("the registers cannot be read", &error))?;
    let ledger = config.withheld_ledger.clone().unwrap_or_else(|| args.data.join(ledger::FILE));
    let withholding = Withholding::new(registry.clone(), Arc::new(FileLedger::new(ledger)));
    if store.is_mirror() {
        // What it shows was published by its source.
        return Ok(Opened { store, registry, devices, config, witnesses: None, withholding });
    }
    let roots = Bootstrap {
        platform: fixtures::department("platform")?,
        registers: fixtures::register("registers")?,
        departments: fixtures::register("departments")?,
    };
    let made = registry.bootstrap(&roots).await;
    made.map_err(|error| Failure::because("the platform's own registers cannot be made", &error))?;
    define_platform(&registry).await?;
    Ok(Opened { store, registry, devices, config, witnesses, withholding })
}

/// Where the store is, and what its settings say of it.
pub fn options(args: &StoreArgs, config: &Config) -> Result<Options, Failure> {
    let target = if let Some(url) = &args.database {
        Target::Postgres(url.clone())
    } else {
        make_private(&args.data)?;
        Target::Sqlite(args.data.join(STORE_FILE))
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let source = seal::source(config, &args.data, entropy.clone())?;
    let mut options = Options::new(target, config.log_name.clone(), clock, entropy, source);
    if !(1..=SHARDS_MAX).contains(&config.shards) {
        return Err(Failure::usage(format!("shards is from 1 to {SHARDS_MAX}, not {}", config.shards)));
    }
    options.shards = config.shards;
    options.first_shard = PLATFORM_REGISTERS.iter().filter_map(|register| register.parse().ok()).collect();
    options.clock_ahead_max = Some(CLOCK_AHEAD_MAX);
    Ok(options)
}

/// The devices that the settings name.
fn devices(config: &Config) -> Result<Option<Arc<Devices>>, Failure> {
    match (&config.pkcs11_module, &config.pkcs11_pin_file) {
        (Some(module), Some(pin_file)) => Ok(Some(Arc::new(Devices::new(module.clone(), pin_file.clone())))),
        (None, None) => Ok(None),
        _ => Err(Failure::usage("pkcs11_module and pkcs11_pin_file are set together, or not at all")),
    }
}

/// Opens a mirror of a log, or an empty store that is to become one.
pub async fn open_mirror(args: &StoreArgs, log_name: &str) -> Result<Store, Failure> {
    let mut options = options(args, &Config::read(args)?)?;
    log_name.clone_into(&mut options.log_name);
    Store::open_mirror(options).await.map_err(|error| unopened(args, &error))
}

fn unopened(args: &StoreArgs, error: &StoreError) -> Failure {
    let file = args.data.join(STORE_FILE);
    let what = match &args.database {
        Some(_) => {
            "the store cannot be opened (is PostgreSQL running there, and is the URL right?)".to_owned()
        }
        None => format!("the store {} cannot be opened", file.display()),
    };
    let failure = Failure::because(&what, error);
    match error.trouble() {
        Some(trouble) => failure.hint(trouble.advice()),
        None => failure,
    }
}

/// Defines the registers that the engine itself keeps, where the store has none of the name: a store made by an older
/// version has fewer. One that is there stays as its operator has it, but gets the types of entries that it lacks.
async fn define_platform(registry: &Registry) -> Result<(), Failure> {
    for definition in fixtures::registers()? {
        let said = |member: &str| definition.get(member).and_then(Value::as_str).unwrap_or_default();
        if said("owner") != PLATFORM {
            continue;
        }
        let slug: Slug =
            said("slug").parse().map_err(|error| Failure::because("a fixture's slug", &error))?;
        if registry.knowledge().definitions.current(&slug).is_some() {
            match registry.supplement_register(&definition).await {
                Err(Refusal { reason: Reason::NoKeyHeld(_), .. }) => {
                    tracing::warn!(register = %slug, "the platform's key is not held here, so that its own register lacks new types of entries");
                }
                Err(error) => {
                    let what = format!("the register {slug} cannot get the types of entries that it lacks");
                    return Err(Failure::because(&what, &error));
                }
                Ok(_) => {}
            }
            continue;
        }
        let made = registry.define_register(definition).await;
        made.map_err(|error| Failure::because(&format!("the register {slug} cannot be made"), &error))?;
    }
    Ok(())
}

/// Makes the data directory, open to its owner alone: keys and personal data will be in it.
pub fn make_private(directory: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| {
        Failure::usage(format!("cannot make the directory {}: {error}", directory.display()))
    })
}
