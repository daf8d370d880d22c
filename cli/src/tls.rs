//! The server's certificate and key: read from their files, and again when these change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::Tls;
use eventstore::Clock as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::failure::{Failure, chain};
use crate::system::SystemClock;

/// The files are looked at so often. Programs that renew certificates do it weeks before they end.
const LOOK: Duration = Duration::from_mins(1);
/// A certificate that ends sooner than this is warned of.
const WARN_DAYS: i64 = 14;
const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;

/// The files, and what was read from them.
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
    read: (Vec<u8>, Vec<u8>),
    /// What the listener uses.
    pub tls: Tls,
}

impl Files {
    /// What the settings name; none where they name nothing.
    pub fn open(config: &Config) -> Result<Option<Self>, Failure> {
        let (certificate, key) = match (&config.tls_certificate, &config.tls_key) {
            (Some(certificate), Some(key)) => (certificate.relative(), key.relative()),
            (None, None) => return Ok(None),
            _ => return Err(Failure::usage("tls_certificate and tls_key are set together, or not at all")),
        };
        let read = read(&certificate, &key).map_err(Failure::usage)?;
        let tls = Tls::new(&read.0, &read.1).map_err(|error| {
            Failure::usage(format!("{} and {}: {}", certificate.display(), key.display(), chain(&error)))
        })?;
        let files = Self { certificate, key, read, tls };
        files.warn();
        Ok(Some(files))
    }

    /// Reads them again at SIGHUP, and when they have changed. What is wrong is logged, and changes nothing.
    pub async fn follow(mut self) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                said = hangup.recv() => if said.is_none() { return },
                _ = tick.tick() => {}
            }
            self.look();
        }
    }

    fn look(&mut self) {
        let read = match read(&self.certificate, &self.key) {
            Ok(read) if read == self.read => return,
            Ok(read) => read,
            Err(error) => return tracing::error!(%error, "the certificate stays as it was"),
        };
        // One file may have been replaced and the other not yet: then they do not fit, and are looked at again.
        if let Err(error) = self.tls.replace(&read.0, &read.1) {
            tracing::error!(error = %chain(&error), "the certificate stays as it was");
            return;
        }
        self.read = read;
        tracing::info!(until = %self.tls.expires_at(), "a new certificate is in use");
        self.warn();
    }

    fn warn(&self) {
        let until = self.tls.expires_at();
        let left = until.millis() - SystemClock.now().millis();
        if left < WARN_DAYS * DAY_MILLIS {
            tracing::warn!(%until, "the certificate ends soon, or has ended: clients refuse it then");
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
    let read =
        |file: &Path| std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()));
    Ok((read(certificate)?, read(key)?))
}
