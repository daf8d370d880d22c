//! Tokens whose signature was checked a moment ago: a client sends the same one with each request, and to check it takes longer than
//! most answers. What it says of times is looked at each time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proofs::hash::Hash;
use proofs::time::Timestamp;

use super::claims::Claims;

/// Tokens remembered at most: at about half a kilobyte each, 8 MB. Who has more than that at once is no worse off than without.
const TOKENS_MAX: usize = 16_384;
/// How long one is remembered, so that those who come once make room.
const MILLIS: i64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Seen {
    tokens: Mutex<HashMap<Hash, (Timestamp, Claims)>>,
}

impl Seen {
    /// What a token says, by its SHA-256, if the very same was checked within the last minute.
    pub(super) fn recall(&self, token: &Hash, now: Timestamp) -> Option<Claims> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (checked, claims) = tokens.get(token)?;
        is_recent(*checked, now).then(|| claims.clone())
    }

    pub(super) fn note(&self, token: Hash, now: Timestamp, claims: &Claims) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, (checked, _)| is_recent(*checked, now));
        }
        if tokens.len() < TOKENS_MAX {
            tokens.insert(token, (now, claims.clone()));
        }
    }
}

/// A clock that went back makes nothing recent.
fn is_recent(checked: Timestamp, now: Timestamp) -> bool {
    (0..MILLIS).contains(&(now.millis() - checked.millis()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofs::hash::sha256;
    use serde_json::json;

    fn claims(sub: &str) -> Claims {
        let said =
            json!({ "iss": "issuer", "aud": "reestr", "sub": sub, "exp": 0, "iat": 0, "role": "citizen" });
        serde_json::from_value(said).unwrap()
    }

    #[test]
    fn only_the_very_same_token_is_recalled_and_only_for_a_minute() {
        let (seen, now) = (Seen::default(), Timestamp::from_millis(1_000_000));
        seen.note(sha256(b"a.b.c"), now, &claims("one"));
        let recalled = |token: &str, millis: i64| {
            seen.recall(&sha256(token.as_bytes()), Timestamp::from_millis(millis)).map(|claims| claims.sub)
        };
        assert_eq!(recalled("a.b.c", 1_059_999), Some("one".to_owned()));
        assert_eq!(recalled("a.b.c", 1_060_000), None);
        assert_eq!(recalled("a.b.c", 999_999), None, "before it was checked: the clock went back");
        assert_eq!(recalled("a.b.d", 1_000_000), None);
    }

    #[test]
    fn it_is_bounded() {
        let (seen, now) = (Seen::default(), Timestamp::from_millis(0));
        for n in 0..TOKENS_MAX + 10 {
            seen.note(sha256(n.to_string().as_bytes()), now, &claims("one"));
        }
        assert_eq!(seen.tokens.lock().unwrap().len(), TOKENS_MAX);
        let later = Timestamp::from_millis(MILLIS);
        seen.note(sha256(b"later"), later, &claims("two"));
        assert_eq!(seen.tokens.lock().unwrap().len(), 1);
        assert!(seen.recall(&sha256(b"later"), later).is_some());
    }
}
