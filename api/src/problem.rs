//! Problems: every error that the API answers, as RFC 9457 `application/problem+json`.
//!
//! [`KINDS`] is the only table of them. Each has a page at `/problems/{slug}`, which is also its `type`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eventstore::{StoreError, Trouble};
use projections::ProjectionError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::registry::KnowledgeError;

/// A kind of problem: what is the same each time it occurs.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Last segment of the `type` URI.
    pub slug: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short name.
    pub title: &'static str,
    /// What the caller can do.
    pub action: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:literal, $title:literal, $action:literal;)+) => {
        $($(#[$doc])* pub const $name: &Kind =
            &Kind { slug: $slug, status: $status, title: $title, action: $action };)+

        /// Every kind of problem that the API can answer.
        pub const KINDS: &[&Kind] = &[$($name),+];
    };
}

kinds! {
    /// The request is not of the form that the endpoint takes.
    INVALID_REQUEST = "invalid-request", 400, "The request is malformed",
        "Correct what `detail` and `errors` name and send it again.";
    /// A body that concerns people would leave, and the reader has not said why.
    PURPOSE_REQUIRED = "purpose-required", 400, "Say why you read what concerns people",
        "Send `Purpose` (what for) and `Legal-Basis` (by which law), each 3 to 300 characters: visible ASCII, or UTF-8 as an \
         RFC 9651 Display String, as `%\"%d0%b6%d0%b0%d0%bb%d0%be%d0%b1%d0%b0\"`. The people concerned see both in their accounts.";
    /// No token, or one that is not good.
    UNAUTHENTICATED = "unauthenticated", 401, "A valid bearer token is required",
        "Send `Authorization: Bearer <token>` with a token that has not expired, made for this installation.";
    /// The token's role may not do this.
    FORBIDDEN = "forbidden", 403, "Not allowed with this token",
        "Use a token whose role and department may do this.";
    /// The token says official, the register of departments does not.
    NOT_IN_OFFICE = "not-in-office", 403, "The person is not an official of the department",
        "Have the appointment entered in the register `departments`; an account is read with a citizen's token.";
    /// The register belongs to another department.
    FOREIGN_REGISTER = "foreign-register", 403, "The register belongs to another department",
        "Append with a token and an issuer of the department that owns the register.";
    /// The server is a mirror, which takes nothing.
    MIRROR = "mirror", 403, "A mirror takes nothing",
        "Send the request to the installation that is mirrored. What is read in office is recorded first, so that it is read there too.";
    /// A third party's consent opens nothing any more.
    CONSENT_ENDED = "consent-ended", 403, "The consent has ended",
        "Ask the person for a new consent; nothing is read by one that was withdrawn or whose term is over.";
    /// The signing key is not one of the issuer's keys in force.
    KEY_NOT_IN_FORCE = "key-not-in-force", 403, "The key is not in force",
        "Sign with a key listed at /v1/departments/{department}/keys, or have the key enrolled first.";
    /// There is no such thing, or it may not be seen.
    NOT_FOUND = "not-found", 404, "Not found",
        "Check the address. What may not be seen with this token is answered in the same way.";
    /// The path exists, the method does not.
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "The method is not allowed here",
        "Use one of the methods that the reference lists for this path.";
    /// The request arrives too slowly.
    REQUEST_TIMEOUT = "request-timeout", 408, "The request took too long to arrive",
        "Send the request again, whole; a list may be split.";
    /// Another entry already made this version.
    VERSION_CONFLICT = "version-conflict", 409, "The record is at another version",
        "Read the record again, and decide again from its present state.";
    /// Another record of the register has the official number.
    NUMBER_CONFLICT = "number-conflict", 409, "The official number is taken",
        "Look the number up; an official number belongs to one record of its register for ever.";
    /// The idempotency key was used for something else.
    IDEMPOTENCY_CONFLICT = "idempotency-conflict", 409, "The idempotency key was used for other content",
        "Use a new Idempotency-Key for new content; repeat the old content to get the old answer.";
    /// The record, or the register, is not in a state that allows the entry.
    STATE_CONFLICT = "state-conflict", 409, "The present state does not allow the entry",
        "Read the record again; `detail` names the entry types that are allowed now.";
    /// The person can no longer say yes or no to the offer.
    OFFER_CLOSED = "offer-closed", 409, "The offer is no longer open",
        "Read the offer again: `detail` and its status say what became of it.";
    /// `If-Match` does not name the record's version.
    PRECONDITION_FAILED = "precondition-failed", 412, "The record is not at the version that If-Match names",
        "Read the record again and send its present ETag.";
    /// Too many bytes or too many entries.
    TOO_LARGE = "too-large", 413, "The request is too large",
        "Send at most 1,000 entries and 16 MiB in one request, and at most 256 KiB in one body.";
    /// A body that is not JSON.
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "The media type is not supported",
        "Send `Content-Type: application/json`.";
    /// The JWS, its payload or the digest of the body is wrong.
    INVALID_STATEMENT = "invalid-statement", 422, "The signed statement does not hold",
        "Sign again as the wire format says: the statement must name this register and the digest of this body.";
    /// The entry breaks a rule of its register.
    INVALID_ENTRY = "invalid-entry", 422, "The entry breaks a rule of its register",
        "Correct each place that `errors` points to. The rules are in the register's definition.";
    /// Too many requests of one client.
    RATE_LIMITED = "rate-limited", 429, "Too many requests",
        "Wait as many seconds as Retry-After says.";
    /// A fault of the server's own.
    INTERNAL = "internal", 500, "The server failed",
        "Try again later; if it persists, give the operator the x-request-id of the answer.";
    /// More is waiting to be appended than the queue holds.
    OVERLOADED = "overloaded", 503, "The server has more to do than it can",
        "Wait as many seconds as Retry-After says and repeat the request with the same Idempotency-Key.";
    /// The database is away.
    UNAVAILABLE = "unavailable", 503, "The server cannot use its database",
        "Wait as many seconds as Retry-After says and repeat the request with the same Idempotency-Key.";
    /// Whoever holds a key is away.
    SIGNER_UNAVAILABLE = "signer-unavailable", 503, "What holds the signing key does not answer",
        "Wait as many seconds as Retry-After says and repeat the request with the same Idempotency-Key. Nothing was appended.";
    /// The server's clock cannot be trusted.
    CLOCK_AHEAD = "clock-ahead", 503, "The clock of the server is ahead",
        "Repeat the request with the same Idempotency-Key, to another server of the installation if there is one. Nothing was appended.";
    /// Who looks is recorded first, and cannot be now.
    ACCESS_NOT_RECORDED = "access-not-recorded", 503, "The access could not be recorded",
        "Wait as many seconds as Retry-After says and ask again. Nothing was shown.";
    /// Not enough witnesses have cosigned yet.
    NOT_PUBLISHED = "not-published", 503, "Witnesses have not cosigned the checkpoint yet",
        "Wait as many seconds as Retry-After says and ask again. What was appended stands.";
    /// The projection has not reached the position that was asked for.
    NOT_YET = "not-yet", 503, "The reading side has not caught up with the position",
        "Wait as many seconds as Retry-After says and ask again.";
}

impl Kind {
    /// The `type` URI, relative to the server.
    pub fn uri(&self) -> String {
        format!("/problems/{}", self.slug)
    }

    /// The status as axum has it.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// `Retry-After` of what ends only when someone sees to it.
const LASTING_SECONDS: u64 = 10;

/// One place of the request that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pointed {
    /// JSON Pointer (RFC 6901) into the request body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// A problem that occurred.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<Pointed>,
    retry_after_seconds: Option<u64>,
}

/// A problem as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// What kind of problem: a page of this server describes it.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// Short name of the kind.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// Places of the request that are at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Pointed>,
    /// What to do.
    pub action: &'static str,
}

impl Problem {
    /// A problem of a kind. `detail` must hold no personal data.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None }
    }

    /// With the places at fault.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Pointed>) -> Self {
        self.errors = errors;
        self
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds.max(1));
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// What happened this time.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The document as it is sent.
    pub fn document(&self) -> String {
        let document = ProblemDocument {
            problem_type: self.kind.uri(),
            title: self.kind.title,
            status: self.kind.status,
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            action: self.kind.action,
        };
        // A document of strings and numbers always serialises.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Nothing is there, or nothing that may be seen.
    pub fn not_found() -> Self {
        Self::new(NOT_FOUND, "There is nothing at this address that you may see.")
    }

    /// A fault of ours: logged here, once, with its chain of causes; the caller learns nothing of it.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = %chain, "request failed");
        Self::new(INTERNAL, "The request could not be carried out.")
    }

    /// No checkpoint that covers what was asked for is published yet.
    pub fn not_published() -> Self {
        Self::new(NOT_PUBLISHED, "No checkpoint that covers this is published yet.").retry_after(2)
    }

    /// A malformed query or header.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(INVALID_REQUEST, detail)
    }
}

/// The database is away, or something stored is not what it should be.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            let trouble = error.trouble();
            let todo = trouble.map(Trouble::advice).unwrap_or_default();
            tracing::error!(error = %error, todo, "the store is not available");
            let (kind, detail, seconds) = match error {
                StoreError::Signer { .. } => {
                    (SIGNER_UNAVAILABLE, "What holds the key that signs this did not answer.", 1)
                }
                StoreError::ClockAhead { .. } => {
                    (CLOCK_AHEAD, "What it would record could not be taken back.", LASTING_SECONDS)
                }
                StoreError::Gone { .. } => {
                    (UNAVAILABLE, "The file of the database is not where it was.", LASTING_SECONDS)
                }
                StoreError::OutcomeUnknown(_) => {
                    (UNAVAILABLE, "It is not known whether the database has taken the entries.", 1)
                }
                _ => {
                    let lasts = matches!(trouble, Some(Trouble::Full | Trouble::ReadOnly | Trouble::Disk));
                    let words = trouble.unwrap_or(Trouble::Away).words();
                    (UNAVAILABLE, words, if lasts { LASTING_SECONDS } else { 1 })
                }
            };
            return Self::new(kind, detail).retry_after(seconds);
        }
        Self::internal(&error)
    }
}

impl From<KnowledgeError> for Problem {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Store(error) => error.into(),
            KnowledgeError::Domain(error) => Self::internal(&error),
        }
    }
}

impl From<ProjectionError> for Problem {
    fn from(error: ProjectionError) -> Self {
        match error {
            ProjectionError::Store(error) => error.into(),
            ProjectionError::Cursor | ProjectionError::Limit { .. } => {
                Self::invalid(sentence(&error.to_string()))
            }
            ProjectionError::Timeout { .. } => {
                Self::new(NOT_YET, "What is read here has not reached the position yet.").retry_after(1)
            }
            error => Self::internal(&error),
        }
    }
}

/// A message of a library of ours as a sentence.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status_code(), self.document()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == UNAUTHENTICATED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"reestr\""));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_slugs_of_their_own_and_real_statuses() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(
                StatusCode::from_u16(kind.status).is_ok_and(|status| status.as_u16() >= 400),
                "{}",
                kind.slug
            );
            assert!(
                KINDS[..at].iter().all(|earlier| earlier.slug != kind.slug),
                "{} stands twice",
                kind.slug
            );
        }
    }
}
