//! Bounds of requests, and the rate limit.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::admission::Client;
use crate::http::AppState;
use crate::problem::{self, Problem};

/// Bytes of one request: 1,000 entries of the usual 2 kB are 2 MB; a full list of long bodies is split by its sender.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;
/// Rows of a page when nothing is said.
pub const PAGE_ROWS_DEFAULT: u32 = 50;
/// Rows of a page at most, of what projections list.
pub const PAGE_ROWS_MAX: u32 = projections::PAGE_ROWS_MAX;
/// Entries of a page at most: a bundle's width, so that an auditor walks bundles and bodies in step.
pub const PAGE_ENTRIES_MAX: u32 = 256;
/// A request that is not answered by then is given up: appends wait in a bounded queue for less than that.
pub const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// A body has so long to arrive: at 16 MiB, that is 4 Mbit/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request to look a number up, which anyone may send.
pub const LOOKUP_BYTES_MAX: usize = 4 << 10;
/// A read waits so long for a projection to catch up.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// After so many requests, clients that have been quiet are forgotten, so that the table stays as small as its use.
const SWEEP_REQUESTS: u64 = 10_000;

/// How many requests a client may make.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Sustained.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// Counts each client's requests.
pub struct Limiter {
    clients: DefaultKeyedRateLimiter<Client>,
    clock: DefaultClock,
    seen: AtomicU64,
}

impl Limiter {
    /// With nobody counted yet.
    pub fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { clients: RateLimiter::keyed(quota), clock: DefaultClock::default(), seen: AtomicU64::new(0) }
    }

    fn check(&self, client: &Client) -> Result<(), Problem> {
        if self.seen.fetch_add(1, Ordering::Relaxed) % SWEEP_REQUESTS == SWEEP_REQUESTS - 1 {
            self.clients.retain_recent();
        }
        self.clients.check_key(client).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Problem::new(problem::RATE_LIMITED, "This client has made more requests than it may.")
                .retry_after(wait.as_secs() + 1)
        })
    }
}

/// Middleware: lets a request through while its client is within its rate. Runs after the token was checked.
pub async fn limit_rate(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match state.limiter().check(&Client::of(&request)) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Middleware: gives up a request that takes longer than anyone waits. What it submitted may still be appended.
pub async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(problem::OVERLOADED, "The request took too long and was given up.")
            .retry_after(1)
            .into_response(),
    }
}
