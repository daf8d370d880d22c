//! What handlers take from a request. Every rejection is a problem document.

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::auth::Caller;
use crate::http::AppState;
use crate::problem::{self, Problem};

/// Middleware: checks the bearer token, if there is one, and keeps whom it stands for with the request.
/// A token that is not good is refused even where none is needed: its sender believes to be someone.
pub async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else {
        return next.run(request).await;
    };
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
        match <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// Query parameters. The rejection does not repeat the query, which may hold what it should not.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::invalid("A query parameter is unknown, or its value is not of its form.")),
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
        let bytes = match axum::body::Bytes::from_request(request, state).await {
            Ok(bytes) => bytes,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(Problem::new(problem::TOO_LARGE, "The body has more than 16 MiB."));
            }
            Err(_) => return Err(Problem::invalid("The body broke off.")),
        };
        // A long body takes milliseconds to read, which other requests must not wait for.
        let read = if bytes.len() > INLINE_BYTES_MAX {
            let read = tokio::task::spawn_blocking(move || proofs::jcs::parse(&bytes)).await;
            read.map_err(|error| Problem::internal(&error))?
        } else {
            proofs::jcs::parse(&bytes)
        };
        read.map(Self).map_err(|error| Problem::invalid(format!("The body cannot be read: {error}.")))
    }
}

/// The JSON document of a body whose shape is `T`.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    // serde's message may repeat a value, so it is not shown.
    serde_json::from_value(value).map_err(|_| {
        Problem::invalid("The body has not the members that the reference lists, or not of their types.")
    })
}
