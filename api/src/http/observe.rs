//! Middleware that sees every request: its id, its log line, its metrics.
//!
//! The log has the route's template, never the URL: a URL may hold an official number.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of a caller's are not taken over.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Gives the request an id, and writes down what became of it.
pub async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID).and_then(taken_over).unwrap_or_else(|| new_id(&state));
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!("request", id, method = %method, route);
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = began.elapsed();
    let status = response.status();
    span.in_scope(|| {
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = status.as_u16(), milliseconds, "request");
    });
    state.metrics().http(&method, &route, status, elapsed);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A caller's own id, when it cannot do harm in a log.
fn taken_over(value: &HeaderValue) -> Option<String> {
    let id = value.to_str().ok()?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    (plain && (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())).then(|| id.to_owned())
}

fn new_id(state: &AppState) -> String {
    crate::registry::new_uuid(state.store()).to_string()
}
