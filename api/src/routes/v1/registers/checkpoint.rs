//! `GET /v1/registers/{register}/checkpoint`: the signed tree head (C2SP tlog-tiles, tlog-checkpoint).

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proofs::hash::leaf_hash;

use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// The register's checkpoint, as a signed note; where witnesses are asked, the newest that enough have cosigned.
#[utoipa::path(get, path = "/v1/registers/{register}/checkpoint", operation_id = "getCheckpoint", tag = "Verification",
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the checkpoint that is known"),
    ),
    responses(
        (status = 200, description = "The checkpoint", body = String, content_type = "text/plain",
            headers(("ETag" = String, description = "Equal while the checkpoint is"))),
        (status = 304, description = "It is the one that is known"),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_checkpoint(
    State(state): State<AppState>,
    Path(register): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let register = register.parse().map_err(|_| Problem::not_found())?;
    let Some(shown) = state.store().published(&register).await? else {
        let exists = state.store().log(&register).await?.is_some();
        return Err(if exists { Problem::not_published() } else { Problem::not_found() });
    };
    // Equal notes, and those alone, have equal tags: a register to which nothing is added is not sent again.
    let tag = format!("\"{}\"", leaf_hash(shown.note.as_bytes()).hex());
    // It changes with every entry, and an old one is still true: caches may keep it for a moment and must ask again.
    let cache = (header::CACHE_CONTROL, "public, max-age=1".to_owned());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| names(known, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [cache, (header::ETAG, tag)]).into_response());
    }
    let content = (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned());
    Ok(([content, cache, (header::ETAG, tag)], shown.note).into_response())
}

/// RFC 9110 section 13.1.2: a list of tags, compared weakly, or `*`.
fn names(known: &HeaderValue, tag: &str) -> bool {
    known.to_str().is_ok_and(|known| {
        known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}
