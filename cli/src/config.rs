//! Settings of an installation: a TOML file, then `REESTR_…` variables, then the command line.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::magic::RelativePathBuf;
use serde::{Deserialize, Serialize};

use api::Bounds;
use api::witnesses::{self, Witnesses};

use crate::args::StoreArgs;
use crate::failure::Failure;

/// What is logged when nothing is said: our own events, and of others what is wrong.
const LOG_DEFAULT: &str = "warn,reestr=info";

/// All settings. `docs/operators.md` describes each.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to serve on.
    pub listen: SocketAddr,
    /// File with the certificate that is served, and its chain, in PEM. Without it and the next, TLS is somebody else's.
    pub tls_certificate: Option<RelativePathBuf>,
    /// File with its private key in PEM.
    pub tls_key: Option<RelativePathBuf>,
    /// Name of the log: a schema-less URL prefix, fixed when the store is made.
    pub log_name: String,
    /// `aud` that bearer tokens must have.
    pub audience: String,
    /// Requests a second that one client may make, sustained.
    pub requests_per_second: u32,
    /// Requests that one client may make at once.
    pub requests_burst: u32,
    /// Requests that read, at once.
    pub reads_at_once: NonZeroU32,
    /// Requests that write, at once.
    pub writes_at_once: NonZeroU32,
    /// Requests that wait for what is not there yet, and streams of events, at once.
    pub waits_at_once: NonZeroU32,
    /// Open connections at most.
    pub connections_max: NonZeroU32,
    /// Told to stop, the server says for so long that it is not ready, and serves all the same.
    pub drain_seconds: u32,
    /// May webhooks be sent to addresses that are not public, and over plain HTTP to this machine?
    pub webhooks_allow_private: bool,
    /// People of a region's group that open statistics may tell of, at least. To lower it tells what was not told before.
    pub statistics_threshold: NonZeroU64,
    /// Shards of the store at least, whose appends run at the same time. Those that there are stay.
    pub shards: u32,
    /// File with the policy (C2SP tlog-policy) of the witnesses without whom no checkpoint is published; beside the settings.
    pub witness_policy: Option<RelativePathBuf>,
    /// Issuers of bearer tokens, besides the store's own.
    pub issuers: Vec<api::auth::IssuerConfig>,
    /// File with the random key that the store's secrets are sealed with; made for a new store. Without this setting and the next,
    /// `seal.key` in the data directory.
    pub seal_key_file: Option<PathBuf>,
    /// File with the passphrase that they are sealed with instead.
    pub seal_passphrase_file: Option<PathBuf>,
    /// PKCS#11 module of the device that holds keys which the store only refers to.
    pub pkcs11_module: Option<PathBuf>,
    /// File with the PIN to log in to its tokens with.
    pub pkcs11_pin_file: Option<PathBuf>,
    /// File in which orders that withhold bodies are noted, outside the store and its backups. Without it, `withheld.ndjson`
    /// in the data directory.
    pub withheld_ledger: Option<PathBuf>,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// Directives of what to log, as in `info,sqlx=warn`.
    pub log: String,
}

/// How log lines look.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_certificate: None,
            tls_key: None,
            log_name: "reestr.localhost".to_owned(),
            audience: "reestr".to_owned(),
            requests_per_second: 1_000,
            requests_burst: 2_000,
            reads_at_once: at_once(Bounds::default().reads),
            writes_at_once: at_once(Bounds::default().writes),
            waits_at_once: at_once(Bounds::default().waits),
            connections_max: at_once(Bounds::default().connections),
            drain_seconds: 0,
            webhooks_allow_private: false,
            statistics_threshold: api::statistics::Settings::default().threshold,
            shards: 1,
            witness_policy: None,
            issuers: Vec::new(),
            seal_key_file: None,
            seal_passphrase_file: None,
            pkcs11_module: None,
            pkcs11_pin_file: None,
            withheld_ledger: None,
            log_format: LogFormat::Text,
            log: LOG_DEFAULT.to_owned(),
        }
    }
}

fn at_once(bound: usize) -> NonZeroU32 {
    u32::try_from(bound).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

impl Config {
    /// For the demo, whose terminal is for reading: unless the settings say otherwise, only what is wrong is logged.
    pub fn quiet(mut self) -> Self {
        if self.log == LOG_DEFAULT {
            "warn".clone_into(&mut self.log);
        }
        self
    }

    /// The witnesses without whom no checkpoint is published.
    pub fn witnesses(&self) -> Result<Option<Witnesses>, Failure> {
        let Some(file) = &self.witness_policy else { return Ok(None) };
        let file = file.relative();
        let wrong = |what: &dyn std::fmt::Display| {
            Failure::usage(format!("the witness policy {}: {what}", file.display()))
        };
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(&error))?;
        Witnesses::new(text, witnesses::Options::default()).map(Some).map_err(|error| wrong(&error))
    }

    /// Reads the settings of a store. The error names the setting and where it came from.
    pub fn read(store: &StoreArgs) -> Result<Self, Failure> {
        let inside = store.data.join("reestr.toml");
        let file: &Path = match &store.config {
            Some(file) if file.exists() => file,
            Some(file) => {
                return Err(Failure::usage(format!("there is no configuration file {}", file.display())));
            }
            None => &inside,
        };
        let mut settings = Figment::from(Serialized::defaults(Self::default()));
        if file.exists() {
            settings = settings.merge(Toml::file_exact(file));
        }
        settings
            // Which store is said on the command line, before there is any configuration.
            .merge(Env::prefixed("REESTR_").ignore(&["database", "test_postgres", "test_postgres_bin"]))
            .extract()
            .map_err(|error| Failure::usage(format!("the configuration is wrong: {error}")))
    }
}
