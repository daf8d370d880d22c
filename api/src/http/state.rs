//! What handlers stand on. Cheap to clone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use eventstore::Store;
use projections::Handle;
use proofs::slug::Slug;

use super::admission::{Admission, Bounds};
use super::limits::{Limiter, Rate};
use crate::access;
use crate::auth::{Authenticator, Caller, TokenIssuer};
use crate::feeds::{self, Feeds};
use crate::metrics::Metrics;
use crate::proactive;
use crate::problem::{self, Problem};
use crate::registry::{InForce, Knowledge, Registry};
use crate::serve::Tls;
use crate::statistics;
use crate::webhooks;
use crate::withholding::Withholding;
use crate::witnesses::Witnesses;

/// What the state is made of.
pub struct StateParts {
    /// The registry.
    pub registry: Registry,
    /// The projectors that this process runs.
    pub projections: Handle,
    /// Checks tokens.
    pub authenticator: Authenticator,
    /// The store's own issuer, for its JWK set.
    pub token_issuer: TokenIssuer,
    /// How many requests a client may make.
    pub rate: Rate,
    /// How much is done at once.
    pub bounds: Bounds,
    /// How feeds behave.
    pub feeds: feeds::Settings,
    /// How webhooks behave.
    pub webhooks: webhooks::Settings,
    /// What of statistics may be told.
    pub statistics: statistics::Settings,
}

/// The state of the server.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    parts: StateParts,
    limiter: Limiter,
    admission: Admission,
    metrics: Metrics,
    feeds: Feeds,
    sent: Arc<webhooks::Sent>,
    statistics: statistics::Tables,
    ending: AtomicBool,
    tls: OnceLock<Tls>,
    proactive: OnceLock<proactive::Handle>,
    witnesses: OnceLock<Witnesses>,
    withholding: OnceLock<Withholding>,
}

impl AppState {
    /// From its parts.
    pub fn new(parts: StateParts) -> Self {
        let limiter = Limiter::new(parts.rate);
        let admission = Admission::new(parts.bounds);
        let metrics = Metrics::new();
        let feeds = Feeds::new(parts.registry.clone(), parts.feeds);
        let statistics = statistics::Tables::new(parts.statistics);
        Self(Arc::new(Inner {
            parts,
            limiter,
            admission,
            metrics,
            feeds,
            sent: Arc::default(),
            statistics,
            ending: AtomicBool::new(false),
            tls: OnceLock::new(),
            proactive: OnceLock::new(),
            witnesses: OnceLock::new(),
            withholding: OnceLock::new(),
        }))
    }

    /// With the engine of proposals that this process runs, for health and metrics. The first one stays.
    #[must_use]
    pub fn with_proactive(self, handle: proactive::Handle) -> Self {
        drop(self.0.proactive.set(handle));
        self
    }

    /// The engine of proposals, where this process runs it.
    pub fn proactive(&self) -> Option<&proactive::Handle> {
        self.0.proactive.get()
    }

    /// With the witnesses without whom no checkpoint is published. The first ones stay.
    #[must_use]
    pub fn with_witnesses(self, witnesses: Witnesses) -> Self {
        drop(self.0.witnesses.set(witnesses));
        self
    }

    /// The witnesses, where there are any.
    pub fn witnesses(&self) -> Option<&Witnesses> {
        self.0.witnesses.get()
    }

    /// With the ledger of orders. The first one stays.
    #[must_use]
    pub fn with_withholding(self, withholding: Withholding) -> Self {
        drop(self.0.withholding.set(withholding));
        self
    }

    /// The ledger of orders, where this process keeps one.
    pub fn withholding(&self) -> Option<&Withholding> {
        self.0.withholding.get()
    }

    /// Tables of statistics.
    pub fn statistics(&self) -> &statistics::Tables {
        &self.0.statistics
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.0.parts.registry
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.registry().store()
    }

    /// The projectors.
    pub fn projections(&self) -> &Handle {
        &self.0.parts.projections
    }

    /// Checks tokens.
    pub fn authenticator(&self) -> &Authenticator {
        &self.0.parts.authenticator
    }

    /// The store's own issuer.
    pub fn token_issuer(&self) -> &TokenIssuer {
        &self.0.parts.token_issuer
    }

    /// Counts requests.
    pub fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// With the certificate that it is served with, for metrics. The first one stays.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        drop(self.0.tls.set(tls));
        self
    }

    /// The certificate that it is served with, where it is.
    pub fn tls(&self) -> Option<&Tls> {
        self.0.tls.get()
    }

    /// The server was told to stop: it is not ready any more.
    pub fn end(&self) {
        self.0.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub fn ending(&self) -> bool {
        self.0.ending.load(Ordering::Relaxed)
    }

    /// How much is done at once, and for whom.
    pub fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// What is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Entries as they come.
    pub fn feeds(&self) -> &Feeds {
        &self.0.feeds
    }

    /// How webhooks behave.
    pub fn webhooks(&self) -> webhooks::Settings {
        self.0.parts.webhooks
    }

    /// What this process has sent to webhooks.
    pub fn sent(&self) -> &Arc<webhooks::Sent> {
        &self.0.sent
    }

    /// The register of a path, as it is defined now. A name that no register has is 404.
    pub async fn register(&self, slug: &str) -> Result<(Arc<Knowledge>, Arc<InForce>), Problem> {
        let slug: Slug = slug.parse().map_err(|_| Problem::not_found())?;
        let (knowledge, found) = self.registry().find(&slug).await?;
        if found.is_some() && self.store().is_mirror() && self.store().log(&slug).await?.is_none() {
            let detail = format!("The register {slug} is defined, and this mirror has no copy of it.");
            return Err(Problem::new(problem::NOT_FOUND, detail));
        }
        Ok((knowledge, found.ok_or_else(Problem::not_found)?))
    }

    /// What a reader is to a register.
    pub fn reader<'a>(caller: Option<&'a Caller>, register: &'a InForce) -> access::Reader<'a> {
        access::Reader::new(caller.map(|caller| &caller.principal), &register.definition)
    }
}
