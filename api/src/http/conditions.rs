//! On what conditions an action is to be done: `Idempotency-Key` and `If-Match`.

use axum::http::{HeaderMap, HeaderValue};

use super::AppState;
use crate::proactive::PlatformEntry;
use crate::problem::{self, Problem};
use crate::registry::{Outcome, Reason, Refusal};

/// The conditions of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The same key with the same content gives the same answer.
    pub idempotency_key: Option<String>,
    /// The version that the record must be at.
    pub if_match: Option<u64>,
}

impl Conditions {
    /// From the headers of a request.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let idempotency_key = text(headers, "idempotency-key")?.map(str::to_owned);
        Ok(Self { idempotency_key, if_match: if_match(headers)? })
    }

    /// Refuses where the record is at another version. A key that was used before is answered as it was then.
    pub fn check(&self, version: u64) -> Result<(), Problem> {
        match self.if_match {
            Some(wanted) if wanted != version && self.idempotency_key.is_none() => {
                let words = format!("The record is at version {version}.");
                Err(Problem::new(problem::PRECONDITION_FAILED, words))
            }
            _ => Ok(()),
        }
    }

    /// Appends an entry of the platform's registers under these conditions. Keys of one record do not meet those of another.
    pub async fn append(&self, state: &AppState, entry: PlatformEntry<'_>) -> Result<Outcome, Refusal> {
        let client = format!("record {}", entry.record.unwrap_or_default());
        let mut request = entry.request(&client)?;
        request.idempotency_key.clone_from(&self.idempotency_key);
        request.if_match = self.if_match;
        let outcomes = state.registry().append(request).await?;
        let none = || Reason::Corrupt("an append had no outcome".to_owned()).into();
        outcomes.into_iter().next().ok_or_else(none)
    }
}

/// A strong entity tag with a version in it (RFC 9110 section 13.1.1).
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = text(headers, "if-match")? else { return Ok(None) };
    let version = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    match version.and_then(|version| version.parse().ok()) {
        Some(version) => Ok(Some(version)),
        None => Err(Problem::invalid("`If-Match` is one version in quotes, as the ETag was: \"3\".")),
    }
}

/// A header in ASCII, if it is there.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    value.map_err(|_| Problem::invalid(format!("The header {name} has other than visible ASCII characters.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_in_quotes() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("if-match", HeaderValue::from_static(value));
            Conditions::read(&headers)
        };
        assert_eq!(read("\"3\"").expect("it is one").if_match, Some(3));
        for bad in ["3", "\"\"", "*", "W/\"3\"", "\"-1\""] {
            assert_eq!(read(bad).expect_err(bad).kind(), problem::INVALID_REQUEST, "{bad}");
        }
    }

    #[test]
    fn another_version_is_refused_but_not_to_a_retry() {
        let of =
            |key: Option<&str>| Conditions { idempotency_key: key.map(str::to_owned), if_match: Some(2) };
        assert!(of(None).check(2).is_ok() && of(Some("k")).check(3).is_ok());
        assert_eq!(of(None).check(3).expect_err("another").kind(), problem::PRECONDITION_FAILED);
    }
}
