//! `GET /v1/entries`: the entries of all registers in the order in which they were committed, a page at a time, waiting for
//! the next if asked to.

use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use eventstore::StoredEntry;
use proofs::slug::Slug;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::shown::{self, FeedEntry};
use crate::accesses::Purpose;
use crate::auth::Caller;
use crate::feeds::Audience;
use crate::http::AppState;
use crate::http::extract::Query;
use crate::http::limits::PAGE_ENTRIES_MAX;
use crate::problem::{Problem, ProblemDocument};

/// A request waits so long at most, in seconds: ten less than any request may take.
const WAIT_SECONDS_MAX: u32 = 50;

/// Which entries.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// Those after this position; from the first when nothing is said. `next` of the page before is such a position.
    pub after: Option<u64>,
    /// Entries, 1 to 256; 256 when nothing is said.
    pub limit: Option<u32>,
    /// Seconds to wait when there is none, up to 50; the page is empty when none came. 0 when nothing is said.
    pub wait: Option<u32>,
    /// Only of this register.
    pub register: Option<String>,
    /// With the bodies that the reader may see. Whoever reads them in office says why, in `Purpose` and `Legal-Basis`.
    pub bodies: Option<bool>,
}

/// What is asked for, checked.
struct Asked {
    after: u64,
    limit: u32,
    wait: Duration,
    register: Option<Slug>,
}

impl FeedQuery {
    async fn check(&self, state: &AppState) -> Result<Asked, Problem> {
        let limit = self.limit.unwrap_or(PAGE_ENTRIES_MAX);
        if limit == 0 || limit > PAGE_ENTRIES_MAX {
            return Err(Problem::invalid(format!("`limit` is 1 to {PAGE_ENTRIES_MAX}.")));
        }
        let wait = self.wait.unwrap_or(0);
        if wait > WAIT_SECONDS_MAX {
            return Err(Problem::invalid(format!("`wait` is 0 to {WAIT_SECONDS_MAX} seconds.")));
        }
        let after = self.after.unwrap_or(0);
        if after > 0 {
            super::events::there(state, after).await?;
        }
        let register = match &self.register {
            Some(slug) => Some(state.register(slug).await?.1.definition.slug.clone()),
            None => None,
        };
        Ok(Asked { after, limit, wait: Duration::from_secs(u64::from(wait)), register })
    }

    /// The address of the page after this one.
    fn next(&self, after: u64) -> String {
        let mut address = format!("/v1/entries?after={after}");
        let said = [
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("wait", self.wait.map(|wait| wait.to_string())),
            ("register", self.register.clone()),
            ("bodies", self.bodies.map(|bodies| bodies.to_string())),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                // Writing to a String cannot fail; a register's name is a slug, and needs no encoding.
                let _ = write!(address, "&{name}={value}");
            }
        }
        address
    }
}

/// The entries of all registers in order of position, one JSON object a line. The last line is `{"next": position}`: where to go on
/// (the header `Link` has the same as an address), and the sign that the page is whole.
#[utoipa::path(get, path = "/v1/entries", operation_id = "followEntries", tag = "Feeds",
    security((), ("bearer" = [])),
    params(
        FeedQuery,
        ("Purpose" = Option<String>, Header, description = "What for, where bodies that concern people are read in office"),
        ("Legal-Basis" = Option<String>, Header, description = "By which law"),
    ),
    responses(
        (status = 200, description = "Entries, one a line, then `{\"next\": position}`", body = FeedEntry, content_type = "application/x-ndjson",
            headers(("Link" = String, description = "Address of the next page, rel=next (RFC 8288)"))),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn follow_entries(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Query(query): Query<FeedQuery>,
) -> Result<Response, Problem> {
    let asked = query.check(&state).await?;
    let mut entries = awaited(&state, &asked).await?;
    let items = if query.bodies == Some(true) {
        if !stays(&state, caller.as_ref()).await? {
            // The next request is refused, and says why.
            entries.clear();
        }
        shown::with_bodies(&state, caller.as_ref(), &purpose, entries).await?
    } else {
        shown::statements(entries)
    };
    let next = items.last().map_or(asked.after, |last| last.item.position);
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (header::LINK, format!("<{}>; rel=\"next\"", query.next(next))),
    ];
    Ok((headers, lines(&items, next)?).into_response())
}

/// May who asked still read in office, after whatever time was waited?
async fn stays(state: &AppState, caller: Option<&Caller>) -> Result<bool, Problem> {
    let Some(caller) = caller else { return Ok(true) };
    let knowledge = state.registry().refresh().await?;
    Ok(Audience::new(caller, None).stays(&knowledge, state.store().clock().now()))
}

fn lines(items: &[FeedEntry], next: u64) -> Result<String, Problem> {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(item).map_err(|error| Problem::internal(&error))?);
        text.push('\n');
    }
    let _ = writeln!(text, "{{\"next\":{next}}}");
    Ok(text)
}

/// The page; when there is nothing, waits until there is, until the time is over, or until the server ends.
async fn awaited(state: &AppState, asked: &Asked) -> Result<Vec<StoredEntry>, Problem> {
    let entries = read(state, asked).await?;
    if !entries.is_empty() || asked.wait.is_zero() {
        return Ok(entries);
    }
    let _counted = state.feeds().count_poll();
    let deadline = Instant::now() + asked.wait;
    let (mut head, mut stopped) = (state.feeds().head(), state.feeds().stopped());
    loop {
        // Looked at before reading: what is committed after that is a change.
        head.borrow_and_update();
        let entries = read(state, asked).await?;
        if !entries.is_empty() || *stopped.borrow() {
            return Ok(entries);
        }
        tokio::select! {
            changed = head.changed() => if changed.is_err() { return Ok(entries) },
            () = tokio::time::sleep_until(deadline) => return Ok(entries),
            _ = stopped.changed() => return Ok(entries),
        }
    }
}

async fn read(state: &AppState, asked: &Asked) -> Result<Vec<StoredEntry>, Problem> {
    let store = state.store();
    let Some(register) = &asked.register else {
        return Ok(store.read_after(asked.after, asked.limit).await?);
    };
    let Some(from) = store.index_after(register, asked.after).await? else { return Ok(Vec::new()) };
    Ok(store.read_register(register, from, asked.limit).await?)
}
