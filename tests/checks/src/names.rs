//! Small texts that come from outside: slugs, types, times, hashes, names of keys, keys themselves.

use std::fmt::Display;
use std::str::FromStr;

use domain::asof::{AsOf, Moment};
use proofs::body::Salt;
use proofs::hash::Hash;
use proofs::key::{Jwk, Kid, PublicKey};
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;

use crate::told;

/// Each has one encoding.
pub fn names(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let found = [
        same::<Slug>(text),
        same::<EntryType>(text),
        same::<Timestamp>(text),
        same::<Hash>(text),
        same::<Kid>(text),
        same::<Salt>(text),
        jwk(text),
        moment(text),
    ];
    found.contains(&true)
}

fn same<T: FromStr<Err: Display> + Display>(text: &str) -> bool {
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string(), text, "it re-encodes to the text it came from");
            true
        }
        Err(error) => {
            told(&error);
            false
        }
    }
}

/// A key that is taken has one name, and one form as a JWK.
fn jwk(text: &str) -> bool {
    let Ok(jwk) = serde_json::from_str::<Jwk>(text) else { return false };
    match jwk.public_key() {
        Ok(key) => {
            assert_eq!(key.jwk().x, jwk.x);
            assert!(jwk.kid.is_none_or(|kid| kid == key.kid()));
            assert_eq!(PublicKey::from_bytes(key.as_bytes()), Ok(key));
            true
        }
        Err(error) => {
            told(&error);
            false
        }
    }
}

/// A time as it is asked for takes in nothing beyond itself.
fn moment(text: &str) -> bool {
    let Ok(moment) = text.parse::<Moment>() else { return false };
    let until = moment.until();
    let as_of = AsOf::new(Some(moment), Some(moment), Timestamp::MAX).expect("all of the past is known");
    assert!(as_of.recorded <= Timestamp::MAX && as_of.effective == until);
    assert!(until.to_string().parse::<Timestamp>() == Ok(until));
    true
}
