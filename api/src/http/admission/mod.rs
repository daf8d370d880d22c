//! Admission: how much the server does at once, and for whom. What is beyond that is turned away at once, with `Retry-After`.
//!
//! **In scope.** Gates for requests of each [`Lane`]; budgets for the bytes of bodies that arrive, of answers that leave, and for
//! connections. **Not in scope**: the rate of a client (`limits`), the queue of entries to append (`eventstore`).
//!
//! **Invariants.**
//! - Whatever piles up has a bound here or there, and the memory that all of it may take is a constant.
//! - One client alone takes three quarters of anything at most, and waits behind nobody but itself: others have their turn.

mod body;
mod budget;
mod client;
mod gate;
mod held;
pub mod metrics;

pub use budget::{Budget, Hold};
pub use client::{Client, network};
pub use gate::{Full, Gate, Pass, Room};
pub use held::{Outgoing, held};

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::AppState;
use super::wait;
use crate::problem::{self, Problem};

/// Bytes of bodies that have arrived and are being dealt with. As JSON in memory they take some ten times as much: 640 MB.
const ARRIVING_BYTES_MAX: u64 = 64 << 20;
/// Bytes of answers that clients have not taken yet. The longest, a page of 256 bodies of 256 KiB, has 64 MiB.
const LEAVING_BYTES_MAX: u64 = 256 << 20;
/// How long a request waits for its turn. After that its client has more of an answer that says so.
const PATIENCE: Duration = Duration::from_secs(2);
/// Those who are turned away at once are told to come back after 1 to so many seconds, one after another, so that they do not all come back together.
const RETRY_SECONDS_MAX: u64 = 4;
/// Probes and measurements at once: operators ask for few, and each reads a good deal.
const PROBES: Room = Room { at_once: 4, waiting_max: 16, patience: PATIENCE };

/// How much is done at once.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Requests that read. They share 8 connections to the database, and statements on those: more would wait there, where clients
    /// do not take turns.
    pub reads: usize,
    /// Requests that write: a batch has as many entries as wait for it, so that many at once are cheap.
    pub writes: usize,
    /// Requests that wait for what is not there yet, and streams: they cost memory alone.
    pub waits: usize,
    /// Open connections. Each has buffers of some 100 kB at most.
    pub connections: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { reads: 64, writes: 512, waits: 1_024, connections: 2_048 }
    }
}

/// What a request does, and so what it is counted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// It reads.
    Reads,
    /// It may write.
    Writes,
    /// It may wait for long, for what is not there yet.
    Waits,
    /// It asks how the server is.
    Probes,
}

impl Lane {
    /// All, with the names that they have in measurements.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Reads, "reads"), (Self::Writes, "writes"), (Self::Waits, "waits"), (Self::Probes, "probes")];

    /// None for what must be answered whatever else is going on.
    fn of(request: &Request) -> Option<Self> {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        match path {
            "/health/live" => return None,
            "/health/ready" | "/metrics" => return Some(Self::Probes),
            _ => {}
        }
        // Reads whose question is not for a URL.
        let asks = path.ends_with("/lookup") || path.ends_with("/search");
        if !asks && !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Some(Self::Writes);
        }
        let said = |name: &str| query.split('&').any(|one| one.split('=').next() == Some(name));
        let waits = path == "/v1/events"
            || said("wait")
            || said(wait::PARAMETER)
            || request.headers().contains_key(wait::HEADER);
        Some(if waits { Self::Waits } else { Self::Reads })
    }
}

/// All gates and budgets of a server. A clone is another handle on the same.
#[derive(Clone)]
pub struct Admission {
    reads: Gate<Client>,
    writes: Gate<Client>,
    waits: Gate<Client>,
    probes: Gate<Client>,
    arriving: Budget<Client>,
    leaving: Budget<Client>,
    connections: Budget<IpAddr>,
    retry: Arc<AtomicU64>,
}

impl Admission {
    /// With nobody inside.
    pub fn new(bounds: Bounds) -> Self {
        // As many again and more may wait as are served in the time that they wait.
        let room = |at_once: usize, waiting_max| Gate::new(Room { at_once, waiting_max, patience: PATIENCE });
        Self {
            reads: room(bounds.reads, bounds.reads * 8),
            writes: room(bounds.writes, bounds.writes),
            waits: room(bounds.waits, 0),
            probes: Gate::new(PROBES),
            arriving: Budget::new(ARRIVING_BYTES_MAX),
            leaving: Budget::new(LEAVING_BYTES_MAX),
            connections: Budget::new(bounds.connections as u64),
            retry: Arc::default(),
        }
    }

    /// The gate of a lane.
    pub fn gate(&self, lane: Lane) -> &Gate<Client> {
        match lane {
            Lane::Reads => &self.reads,
            Lane::Writes => &self.writes,
            Lane::Waits => &self.waits,
            Lane::Probes => &self.probes,
        }
    }

    /// Bytes of bodies that have arrived.
    pub fn arriving(&self) -> &Budget<Client> {
        &self.arriving
    }

    /// Bytes of answers that have not left.
    pub fn leaving(&self) -> &Budget<Client> {
        &self.leaving
    }

    /// Open connections, by the network that they come from.
    pub fn connections(&self) -> &Budget<IpAddr> {
        &self.connections
    }

    /// The server has too much to do.
    pub fn overloaded(&self, detail: &str) -> Problem {
        let turn = self.retry.fetch_add(1, Ordering::Relaxed) % RETRY_SECONDS_MAX;
        Problem::new(problem::OVERLOADED, detail).retry_after(1 + turn)
    }
}

/// Middleware: lets a request in when there is room for it and its body, and its answer out as its client takes it. Runs after the
/// token was checked, which says whose request it is.
pub async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(lane) = Lane::of(&request) else { return next.run(request).await };
    let (admission, client) = (state.admission(), Client::of(&request));
    let outgoing = request.extensions().get::<Outgoing>().cloned().unwrap_or_default();
    // Before its turn: a body that comes slowly must not take the place of one that is there.
    let (request, _arrived) = match body::take(admission, &client, request).await {
        Ok(taken) => taken,
        Err(problem) => return problem.into_response(),
    };
    let Ok(pass) = admission.gate(lane).enter(&client).await else {
        return admission.overloaded("Too many requests are being dealt with.").into_response();
    };
    let response = next.run(request).await;
    let bytes = response.body().size_hint().exact();
    let hold = match bytes.map(|bytes| admission.leaving().take(&client, bytes)) {
        Some(Some(hold)) => Some(hold),
        // What was done is done: its answer is short, or would have been refused before.
        Some(None) if lane == Lane::Writes => None,
        Some(None) => {
            return admission.overloaded("Too many answers wait for their clients.").into_response();
        }
        // A stream, whose place is held for as long as it lasts.
        None => None,
    };
    let pass = (lane == Lane::Waits).then_some(pass);
    response.map(|body| held(body, outgoing, (hold, pass)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn each_request_has_its_lane() {
        for (method, uri, lane) in [
            ("GET", "/health/live", None),
            ("GET", "/health/ready", Some(Lane::Probes)),
            ("GET", "/metrics", Some(Lane::Probes)),
            ("GET", "/v1/account/records", Some(Lane::Reads)),
            ("GET", "/v1/account/records?await=1&x=wait", Some(Lane::Reads)),
            ("GET", "/v1/account/records?limit=3&wait_for=17", Some(Lane::Waits)),
            ("GET", "/v1/entries?after=1&wait=50", Some(Lane::Waits)),
            ("GET", "/v1/entries?after=1", Some(Lane::Reads)),
            ("GET", "/v1/events", Some(Lane::Waits)),
            ("POST", "/v1/registers/permits/lookup", Some(Lane::Reads)),
            ("POST", "/v1/account/search", Some(Lane::Reads)),
            ("POST", "/v1/registers/permits/entries", Some(Lane::Writes)),
            ("BREW", "/v1/registers", Some(Lane::Writes)),
        ] {
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).expect("a request");
            assert_eq!(Lane::of(&request), lane, "{method} {uri}");
        }
        let request = Request::builder().uri("/v1/account").header("wait-for", "1").body(Body::empty());
        assert_eq!(Lane::of(&request.expect("a request")), Some(Lane::Waits));
    }
}
