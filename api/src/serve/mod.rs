//! Serving: the router on a listener, until it is told to stop.
//!
//! **In scope.** Accepting, one connection from its first byte to its last, and the end of it all. **Not in scope**: what a request
//! may cost (`http::admission`), what it is answered (`routes`).
//!
//! **Invariants.**
//! - Connections are accepted here and not by `axum::serve`, which gives a client for ever to say what it wants, and as long to hear it.
//! - Whoever was accepted and has asked is answered before the end, if it comes within [`Times::grace`].

mod accept;
mod connection;
mod patient;
#[cfg(test)]
mod tests;
mod tls;

pub use tls::{Tls, TlsError};

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;

use crate::consents;
use crate::http::AppState;
use crate::http::admission::{Bounds, Budget};
use crate::routes;

/// Other servers' changes of definitions and departments are taken in so often, where no request asks for them sooner.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

/// How long what may last.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Over TLS, a client has so long to agree on keys.
    pub handshake: Duration,
    /// A request's head has so long to arrive; a connection without one is closed.
    pub head: Duration,
    /// In so long a client takes something of the answer that it was sent, or is let go.
    pub stall: Duration,
    /// Told to stop, the server is not ready for so long, and answers all the same: whoever stands in front sends others elsewhere.
    pub notice: Duration,
    /// After that, open connections are asked to close for so long, with the next answer on each.
    pub linger: Duration,
    /// Requests under way then get so long to end.
    pub grace: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            notice: Duration::ZERO,
            linger: Duration::from_millis(250),
            grace: Duration::from_secs(20),
        }
    }
}

/// Where and how it is listened.
pub struct Listening {
    listener: TcpListener,
    times: Times,
    connections: Budget<IpAddr>,
    tls: Option<Tls>,
}

impl Listening {
    /// On a bound socket.
    pub fn new(listener: TcpListener) -> Self {
        let connections = Budget::new(Bounds::default().connections as u64);
        Self { listener, times: Times::default(), connections, tls: None }
    }

    /// Over TLS and in no other way.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }

    /// With other times.
    #[must_use]
    pub fn with_times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }
}

/// Serves until `shutdown` completes; then lets requests under way end.
pub async fn serve(mut listening: Listening, state: AppState, shutdown: impl Future<Output = ()>) {
    listening.connections = state.admission().connections().clone();
    let following = tokio::spawn(follow(state.clone()));
    // A mirror ends no consents: it is told when they ended.
    let sweeping = (!state.store().is_mirror()).then(|| tokio::spawn(consents::follow(state.clone())));
    let withholding = state.withholding().cloned().map(|orders| tokio::spawn(orders.follow()));
    let (ending, notice) = (state.clone(), listening.times.notice);
    let shutdown = async move {
        shutdown.await;
        ending.end();
        tokio::time::sleep(notice).await;
        // Those who wait or listen would hold up the end for as long as they like.
        ending.feeds().stop();
    };
    serve_router(listening, routes::router(state), shutdown).await;
    following.abort();
    sweeping.inspect(tokio::task::JoinHandle::abort);
    if let Some(withholding) = withholding {
        withholding.abort();
    }
}

/// Serves any router in the same way.
pub async fn serve_router(listening: Listening, router: Router, shutdown: impl Future<Output = ()>) {
    accept::accept(listening, router, shutdown).await;
}

/// Keeps what is in force fresh: a register redefined through another server is redefined here too.
async fn follow(state: AppState) {
    let mut tick = tokio::time::interval(FOLLOW_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = state.registry().refresh().await {
            tracing::warn!(error = %error, "could not read what is in force");
        }
    }
}
