//! Errors as OAuth 2.0 has them (RFC 6749 section 5.2): clients' libraries know no other.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eventstore::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// An error of the token or revocation endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct OauthErrorDocument {
    /// `invalid_request`, `invalid_client`, `invalid_grant`, `unsupported_grant_type`.
    pub error: &'static str,
    /// What is wrong, for whoever writes the client.
    pub error_description: &'static str,
}

/// Why a client gets no token.
#[derive(Debug)]
pub enum OauthError {
    /// Its fault.
    Refused(&'static str, &'static str),
    /// Something else: a problem like any.
    Problem(Problem),
}

/// It is not the client that it says it is.
pub const INVALID_CLIENT: OauthError =
    OauthError::Refused("invalid_client", "no such client, or its credentials are not right");

impl OauthError {
    /// The request is not of its form.
    pub fn request(description: &'static str) -> Self {
        Self::Refused("invalid_request", description)
    }

    /// The code, token or consent is good for nothing.
    pub fn grant(description: &'static str) -> Self {
        Self::Refused("invalid_grant", description)
    }
}

impl From<Problem> for OauthError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let (error, error_description) = match self {
            Self::Problem(problem) => return problem.into_response(),
            Self::Refused(error, description) => (error, description),
        };
        let unknown = error == "invalid_client";
        let status = if unknown { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let mut response =
            (status, axum::Json(OauthErrorDocument { error, error_description })).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if unknown {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"reestr\""));
        }
        response
    }
}
