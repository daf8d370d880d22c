//! `GET /v1/events`: what concerns the reader, as server-sent events.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Version, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, http::HeaderValue};
use futures_util::stream::poll_fn;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::feeds::event::CloudEvent;
use crate::feeds::{self, Audience, Hangup};
use crate::http::AppState;
use crate::http::acting;
use crate::http::extract::Query;
use crate::problem::{Problem, ProblemDocument};

/// The header with which a client says what it was told last (WHATWG HTML section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only of this register.
    pub register: Option<String>,
}

/// What is appended from now on, or after `Last-Event-ID`, as server-sent events whose `id` is the entry's position and whose
/// data is a CloudEvent: to a citizen what concerns them, to a department and its officials what their registers get, to the
/// operator the platform's registers, to an auditor everything. No event has a body.
#[utoipa::path(get, path = "/v1/events", operation_id = "streamEvents", tag = "Feeds",
    security(("bearer" = [])),
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Position after which to go on; now when it is absent")),
    responses(
        (status = 200, description = "Events, for as long as the client listens", body = CloudEvent, content_type = "text/event-stream"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn stream_events(
    State(state): State<AppState>,
    caller: Caller,
    version: Version,
    hangup: Option<Extension<Hangup>>,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    if headers.contains_key(acting::HEADER) {
        return Err(Problem::invalid("A stream tells of one's own; `On-Behalf-Of` is not taken here."));
    }
    let register = match &query.register {
        Some(slug) => Some(state.register(slug).await?.1.definition.slug.clone()),
        None => None,
    };
    let after = match headers.get(LAST_EVENT_ID) {
        Some(value) => {
            let after = last(value).ok_or_else(|| {
                Problem::invalid("`Last-Event-ID` is the `id` of an event: the position of an entry.")
            })?;
            there(&state, after).await?;
            after
        }
        None => state.store().position().await?,
    };
    // Other streams share a connection of HTTP/2: there the stream ends, and the connection stays.
    let hangup = hangup.filter(|_| version <= Version::HTTP_11).map(|Extension(hangup)| hangup);
    let mut chunks = feeds::stream(state.feeds(), Audience::new(&caller, register), after, hangup);
    let chunks = poll_fn(move |context| {
        chunks.poll_recv(context).map(|chunk| chunk.map(Ok::<Bytes, std::convert::Infallible>))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(chunks)).into_response())
}

fn last(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

/// A position that no entry has would be waited for, and what is appended until then never told.
pub async fn there(state: &AppState, after: u64) -> Result<(), Problem> {
    let last = state.store().position().await?;
    if after > last {
        return Err(Problem::invalid(format!("No entry has this position yet; the last is {last}.")));
    }
    Ok(())
}
