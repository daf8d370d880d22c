//! What handlers take from a request. Every rejection is a problem document.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::IntoParams;

use crate::auth::{Caller, Principal};
use crate::http::AppState;
use crate::http::limits::BODY_TIMEOUT;
use crate::http::wait;
use crate::problem::{self, Problem};
use crate::work;

/// Where clients authenticate as OAuth 2.0 has it, without a bearer token.
const CLIENT_PATHS: [&str; 2] = ["/v1/oauth/token", "/v1/oauth/revoke"];
/// Where third parties read.
const CONSENTED_PATH: &str = "/v1/consented/";

/// Middleware: checks the bearer token, if there is one, and keeps whom it stands for with the request.
/// A token that is not good is refused even where none is needed: its sender believes to be someone.
pub async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else {
        return next.run(request).await;
    };
    // Clients say there who they are by name and secret (RFC 6749 section 2.3.1), which the endpoint checks.
    if CLIENT_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = token else {
        return Problem::new(problem::UNAUTHENTICATED, "The Authorization header is not `Bearer <token>`.")
            .into_response();
    };
    match state.authenticator().authenticate(token).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => {
            Problem::new(problem::UNAUTHENTICATED, format!("The token was refused: {error}.")).into_response()
        }
    }
}

/// Middleware: a third party's token is good for what a person lets it read, and for nothing else.
pub async fn third_parties_by_consent(request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Caller>().map(|caller| &caller.principal);
    let third_party = matches!(principal, Some(Principal::ThirdParty { .. }));
    if third_party && !request.uri().path().starts_with(CONSENTED_PATH) {
        let detail = "This token is for what a person lets its client read, under /v1/consented.";
        return Problem::new(problem::FORBIDDEN, detail).into_response();
    }
    next.run(request).await
}

/// Middleware: an official acts for a department while its register says that they are in office, whatever the token says.
///
/// An appointment or dismissal made through this server counts for the next request; one made through another, at the next
/// refresh, half a second later at most. Someone who is not known to be in office is looked for in the journal, so that an
/// appointment made elsewhere counts at once too.
pub async fn officials_in_office(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let principal = request.extensions().get::<Caller>().map(|caller| caller.principal.clone());
    let Some(Principal::Official { person, department }) = principal else {
        return next.run(request).await;
    };
    let known = state.registry().knowledge().departments.in_office(&department, person);
    let known = if known {
        Ok(true)
    } else {
        let newer = state.registry().refresh().await;
        newer.map(|newer| newer.departments.in_office(&department, person))
    };
    match known {
        Ok(true) => next.run(request).await,
        Ok(false) => {
            let detail = format!("The person whom the token names is not an official of {department} now.");
            Problem::new(problem::NOT_IN_OFFICE, detail).into_response()
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::new(problem::UNAUTHENTICATED, "This endpoint needs a token."))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// Path parameters; what does not parse names nothing that exists.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if has_nul(parts.uri.path()) {
            return Err(Problem::not_found());
        }
        match <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

fn has_nul(percent_encoded: &str) -> bool {
    percent_encoded.contains("%00")
}

/// Query parameters. The rejection does not repeat the query, which may hold what it should not.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // No text that is stored has a NUL: PostgreSQL's cannot, and a body with one is refused.
        if has_nul(parts.uri.query().unwrap_or_default()) {
            return Err(Problem::invalid("A query parameter has the character U+0000."));
        }
        // A filter that is misspelt would show everything, as if it had been applied. To list those that there are takes longer
        // than many answers, and nothing is none of them.
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            let given = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
            let known: Vec<String> = T::into_params(|| None).into_iter().map(|known| known.name).collect();
            let takes = |name: &String| known.contains(name) || name == wait::PARAMETER;
            if !given.is_ok_and(|given| given.iter().all(|(name, _)| takes(name))) {
                let words = format!("A query parameter is unknown: this address takes {}.", known.join(", "));
                return Err(Problem::invalid(words));
            }
        }
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::invalid("The value of a query parameter is not of its form.")),
        }
    }
}

/// Longer bodies are read off the async threads: 64 KiB take about half a millisecond.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// A JSON body, read strictly: no member twice, no number that a double cannot hold (RFC 7493).
pub struct Json(pub Value);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let json =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
                |value| {
                    let essence = value.split(';').next().unwrap_or_default().trim();
                    essence.eq_ignore_ascii_case("application/json")
                },
            );
        if !json {
            return Err(Problem::new(problem::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json."));
        }
        let bytes = arrived(request, state, BODY_TIMEOUT).await?;
        // A long body takes milliseconds to read, which other requests must not wait for.
        let read = if bytes.len() > INLINE_BYTES_MAX {
            let read = work::compute(move || proofs::jcs::parse(&bytes)).await;
            read.map_err(|error| Problem::internal(&error))?
        } else {
            proofs::jcs::parse(&bytes)
        };
        read.map(Self).map_err(|error| Problem::invalid(format!("The body cannot be read: {error}.")))
    }
}

/// The whole body, if it arrives in time.
async fn arrived<S: Send + Sync>(request: Request, state: &S, within: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(within, Bytes::from_request(request, state)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(problem::TOO_LARGE, "The body is longer than this address takes."))
        }
        Ok(Err(_)) => Err(Problem::invalid("The body broke off.")),
        Err(_) => Err(Problem::new(problem::REQUEST_TIMEOUT, "The body did not arrive in time.")),
    }
}

/// The JSON document of a body whose shape is `T`.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    let bad =
        || Problem::invalid("The body has not the members that the reference lists, or not of their types.");
    // serde takes a list for an object too, by the order of its members.
    if !value.is_object() {
        return Err(bad());
    }
    // serde's message may repeat a value, so it is not shown.
    serde_json::from_value(value).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::new(Body::from_stream(never));
        let refused = arrived(request, &(), Duration::ZERO).await.expect_err("it never arrives");
        assert_eq!(refused.kind(), problem::REQUEST_TIMEOUT);
        let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let request = Request::new(Body::from_stream(broken));
        let refused = arrived(request, &(), BODY_TIMEOUT).await.expect_err("it breaks off");
        assert_eq!(refused.kind(), problem::INVALID_REQUEST);
    }
}
