//! JSON, read strictly and written canonically.

use proofs::jcs::{self, DEPTH_MAX, JcsError};
use serde_json::Value;

use crate::told;

/// Canonical form is one: writing and reading it again changes nothing. What we take every reader takes, and sees the same;
/// what is no JSON for us is none for others.
pub fn json(bytes: &[u8]) -> bool {
    let quick = std::str::from_utf8(bytes).is_ok_and(jcs::is_canonical);
    let slow = jcs::parse(bytes).and_then(|value| jcs::canonical(&value));
    assert_eq!(quick, slow.is_ok_and(|form| form == bytes), "two ways to see whether a form is canonical");
    let lax = serde_json::from_slice::<Value>(bytes);
    let value = match jcs::parse(bytes) {
        Ok(value) => value,
        Err(error) => {
            told(&error);
            assert!(
                !matches!(error, JcsError::Syntax { .. }) || lax.is_err(),
                "not JSON, but it is: {error}"
            );
            return false;
        }
    };
    assert!(depth(&value) <= DEPTH_MAX);
    assert!(lax.is_ok_and(|lax| lax == value), "another reader sees another value");
    let canonical = jcs::canonical(&value).expect("what was read has a canonical form");
    let again = jcs::parse(&canonical).expect("the canonical form is JSON");
    assert_eq!(jcs::canonical(&again), Ok(canonical), "the canonical form of the canonical form is itself");
    true
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
