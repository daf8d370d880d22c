//! What is measured, in the Prometheus text format at `/metrics`.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of request durations in seconds: from a cached tile to the request timeout.
const DURATION_BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0];
/// Upper bounds of entries in one request: from one to the most that a list may have.
const ENTRIES_BOUNDS: [f64; 5] = [1.0, 10.0, 100.0, 500.0, 1_000.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    /// The route's template, so that no number or identifier becomes a label.
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// Entries by register. Registers are defined by the platform alone, so that their number is bounded by its decisions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegisterLabels {
    register: String,
    outcome: &'static str,
}

/// The process's own measurements; those of the store are read when they are asked for.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    appends: Family<RegisterLabels, Counter>,
    append_seconds: Family<RegisterOnly, Histogram>,
    append_sizes: Family<RegisterOnly, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegisterOnly {
    register: String,
}

impl Metrics {
    /// With nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let durations =
            Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(DURATION_BOUNDS));
        let appends = Family::default();
        let append_seconds =
            Family::<RegisterOnly, Histogram>::new_with_constructor(|| Histogram::new(DURATION_BOUNDS));
        let append_sizes =
            Family::<RegisterOnly, Histogram>::new_with_constructor(|| Histogram::new(ENTRIES_BOUNDS));
        registry.register("reestr_http_requests", "Requests by route and status", requests.clone());
        // The unit becomes the end of the name.
        registry.register_with_unit(
            "reestr_http_request",
            "Duration of requests by route",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "reestr_append_entries",
            "Entries asked to be appended, by register",
            appends.clone(),
        );
        registry.register_with_unit(
            "reestr_append_request",
            "From an append's arrival to its answer, by register",
            Unit::Seconds,
            append_seconds.clone(),
        );
        registry.register(
            "reestr_append_request_entries",
            "Entries of one request to append, by register",
            append_sizes.clone(),
        );
        Self { registry, requests, durations, appends, append_seconds, append_sizes }
    }

    /// A request was answered.
    pub fn http(&self, method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
        // A method is the client's text: those that no route has are one label.
        let method = match *method {
            Method::GET | Method::POST | Method::HEAD | Method::OPTIONS => method.to_string(),
            _ => "other".to_owned(),
        };
        let labels = RequestLabels { method, route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { route: route.to_owned() };
        self.durations.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// An append to a register that exists was answered.
    pub fn append(&self, register: &str, entries: u64, accepted: bool, elapsed: Duration) {
        let outcome = if accepted { "appended" } else { "refused" };
        let labels = RegisterLabels { register: register.to_owned(), outcome };
        self.appends.get_or_create(&labels).inc_by(entries);
        let labels = RegisterOnly { register: register.to_owned() };
        self.append_seconds.get_or_create(&labels).observe(elapsed.as_secs_f64());
        self.append_sizes
            .get_or_create(&labels)
            .observe(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
    }

    /// Everything as text, without the line that ends it: what the store has measured is added after.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode_registry(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
