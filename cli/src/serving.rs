//! Serving a store: the projectors, the API, and a clean end.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use api::auth::{Authenticator, TokenIssuer};
use api::http::limits::Rate;
use api::http::{AppState, StateParts};
use api::proactive::Proactive;
use api::webhooks::Deliverer;
use api::witnesses::Publisher;
use api::{Bounds, Listening, Times};
use projections::Runner;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, LogFormat};
use crate::failure::Failure;
use crate::output::line;
use crate::system::{self, SystemClock};
use crate::tls;
use crate::wire::Opened;

/// The exit code of a server that was told to stop twice.
const ENDED_AT_ONCE: i32 = 3;
/// Files that are open besides connections from outside: the store, connections to PostgreSQL, to witnesses and to webhooks.
const FILES_ELSE: u64 = 128;

/// A store about to be served: its socket is bound, so that its address is known.
pub struct Serving {
    opened: Opened,
    listener: TcpListener,
    runner: Runner,
    /// None on a mirror, which proposes nothing.
    proactive: Option<api::proactive::Runner>,
    state: AppState,
    tls: Option<tls::Files>,
    /// Where it will listen.
    pub url: String,
}

impl Serving {
    /// Binds the socket and starts the projectors and the engine of proposals.
    pub async fn prepare(opened: Opened, listen: Option<SocketAddr>) -> Result<Self, Failure> {
        let config = &opened.config;
        let listen = listen.unwrap_or(config.listen);
        let tls = tls::Files::open(config)?;
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Failure::usage(format!("cannot listen on {listen}: {error}; --listen ADDR names another"))
        })?;
        let address = listener.local_addr().map_err(|error| Failure::because("the socket", &error))?;
        let token_issuer = token_issuer(&opened).await?;
        let authenticator = Authenticator::new(&token_issuer, &config.issuers, Arc::new(SystemClock))
            .map_err(|error| Failure::usage(format!("the configuration is wrong: {error}")))?;
        let runner = Runner::start(&opened.store, projections::Options::default());
        let state = AppState::new(StateParts {
            registry: opened.registry.clone(),
            projections: runner.handle(),
            authenticator,
            token_issuer,
            rate: rate(config)?,
            bounds: bounds(config)?,
            feeds: api::feeds::Settings::default(),
            webhooks: api::webhooks::Settings {
                allow_private: config.webhooks_allow_private,
                ..api::webhooks::Settings::default()
            },
            statistics: api::statistics::Settings { threshold: config.statistics_threshold },
        });
        let proactive = (!opened.store.is_mirror()).then(|| {
            Proactive::start(opened.registry.clone(), runner.handle(), api::proactive::Options::default())
        });
        let state = match &proactive {
            Some(proactive) => state.with_proactive(proactive.handle()),
            None => state,
        };
        let state = match &opened.witnesses {
            Some(witnesses) => state.with_witnesses(witnesses.clone()),
            None => state,
        };
        let state = state.with_withholding(opened.withholding.clone());
        let state = match &tls {
            Some(files) => state.with_tls(files.tls.clone()),
            None => state,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok(Self { opened, listener, runner, proactive, state, tls, url: format!("{scheme}://{address}") })
    }

    /// Waits until everything in the store was taken in: by the projections, and by the engine of proposals with what it
    /// wrote itself and what falls due today.
    pub async fn settle(&self, patience: Duration) -> Result<(), Failure> {
        let store = &self.opened.store;
        let proactive = self.proactive.as_ref().map(api::proactive::Runner::handle);
        loop {
            let position = store.position().await.map_err(|error| Failure::because("the store", &error))?;
            for projection in projections::projectors() {
                let caught_up = self.runner.handle().wait_for(projection.name(), position, patience).await;
                caught_up.map_err(|error| Failure::because("the projections did not catch up", &error))?;
            }
            let Some(proactive) = &proactive else { return Ok(()) };
            if !proactive.wait_for(position, patience).await {
                return Err(Failure::failed("the engine of proposals did not catch up; the log says why"));
            }
            let due = proactive.run_due().await;
            due.map_err(|error| Failure::because("what falls due today could not be proposed", &error))?;
            let after = store.position().await.map_err(|error| Failure::because("the store", &error))?;
            if after == position {
                return Ok(());
            }
        }
    }

    /// Says that it listens, then `after`, and serves until SIGINT or SIGTERM.
    pub async fn run(self, after: &str) -> Result<(), Failure> {
        let shutdown = shutdown()?;
        line(format!("listening on {}\n{after}", self.url).trim_end());
        self.until(shutdown).await
    }

    /// What the projectors do.
    pub fn projections(&self) -> projections::Handle {
        self.runner.handle()
    }

    /// Serves until `shutdown` completes, then ends cleanly.
    pub async fn until(self, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        let deliverer = if self.opened.store.is_mirror() {
            None
        } else {
            let started = Deliverer::start(&self.state);
            Some(started.map_err(|error| Failure::because("webhooks cannot be sent to", &error))?)
        };
        let publisher = match self.state.witnesses() {
            Some(witnesses) => Some(
                Publisher::start(self.state.store(), witnesses)
                    .map_err(|error| Failure::because("witnesses cannot be asked", &error))?,
            ),
            None => None,
        };
        let notice = Duration::from_secs(self.opened.config.drain_seconds.into());
        let listening = Listening::new(self.listener)
            .with_times(Times { notice, ..Times::default() })
            .with_tls(self.tls.as_ref().map(|files| files.tls.clone()));
        let renewing = self.tls.map(|files| tokio::spawn(files.follow()));
        api::serve(listening, self.state, shutdown).await;
        renewing.inspect(tokio::task::JoinHandle::abort);
        if let Some(deliverer) = deliverer {
            deliverer.stop().await;
        }
        if let Some(publisher) = publisher {
            publisher.stop().await;
        }
        if let Some(proactive) = self.proactive {
            proactive.stop().await;
        }
        self.runner.stop().await;
        self.opened.store.close().await;
        Ok(())
    }
}

/// Completes at SIGINT or SIGTERM. A second one ends the process at once: what was acknowledged is there all the same.
pub fn shutdown() -> Result<impl Future<Output = ()>, Failure> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return Err(Failure::failed("signals cannot be received, so the server could not be ended cleanly"));
    };
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!("told to stop again: requests under way are broken off");
            std::process::exit(ENDED_AT_ONCE);
        });
    })
}

/// The store's own issuer of tokens.
pub async fn token_issuer(opened: &Opened) -> Result<TokenIssuer, Failure> {
    let issuer = TokenIssuer::open(&opened.store, &opened.config.audience).await;
    issuer.map_err(|error| Failure::because("the token key cannot be read", &error))
}

/// How much is done at once. Every connection is an open file, so that there are never more than the process may have, less what the
/// store and its work need.
fn bounds(config: &Config) -> Result<Bounds, Failure> {
    let many = |value: NonZeroU32| usize::try_from(value.get()).unwrap_or(usize::MAX);
    let files = system::open_files_max().unwrap_or(u64::MAX).saturating_sub(FILES_ELSE);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    if files == 0 {
        return Err(Failure::usage(format!(
            "the process may have {FILES_ELSE} open files at most, which leaves none for connections: raise `ulimit -n`"
        )));
    }
    let connections = many(config.connections_max);
    if connections > files {
        tracing::warn!(
            connections = files,
            "fewer connections than connections_max fit the limit of open files"
        );
    }
    Ok(Bounds {
        reads: many(config.reads_at_once),
        writes: many(config.writes_at_once),
        waits: many(config.waits_at_once),
        connections: connections.min(files),
    })
}

fn rate(config: &Config) -> Result<Rate, Failure> {
    let not_zero = |value: u32, name: &str| {
        NonZeroU32::new(value).ok_or_else(|| Failure::usage(format!("the setting {name} must not be 0")))
    };
    Ok(Rate {
        per_second: not_zero(config.requests_per_second, "requests_per_second")?,
        burst: not_zero(config.requests_burst, "requests_burst")?,
    })
}

/// Sends log lines to standard error, as configured.
pub fn log(config: &Config) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log)
        .map_err(|error| Failure::usage(format!("the setting log is wrong: {error}")))?;
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    let set = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    set.map_err(|error| Failure::failed(format!("logging cannot begin: {error}")))
}
