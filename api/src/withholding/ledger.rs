//! What is noted of an order outside the store, so that a store that was restored from before it is known for one.

use std::io;

use domain::withholding::WITHHELD;
use proofs::hash::Hash;
use proofs::slug::Slug;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An order, and what it withholds. Nothing of a body is in it but what the order says of itself: which it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// The register.
    pub register: Slug,
    /// Index of the order in it.
    pub index: u64,
    /// The order's hash in the tree.
    pub leaf: Hash,
    /// `authority`, `number`, `date` and `law`, by which it is carried out again.
    pub order: Value,
    /// The entries whose bodies it withholds.
    pub withheld: Vec<Place>,
}

/// An entry whose body is withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its index in the register.
    pub index: u64,
    /// Its hash in the tree.
    pub leaf: Hash,
}

/// Where orders are noted: something that no restore of the store takes back.
pub trait Ledger: Send + Sync {
    /// All that were noted, in order.
    fn read(&self) -> io::Result<Vec<Noted>>;

    /// Notes more; durable when it returns.
    fn note(&self, orders: &[Noted]) -> io::Result<()>;

    /// Where it is, for messages.
    fn place(&self) -> String;
}

/// What of an order says which it is.
pub(super) fn identity(body: &Value) -> Value {
    body.get("order").cloned().unwrap_or(Value::Null)
}

/// The key under which an order is carried out again: once, whoever asks.
pub(super) fn again_key(noted: &Noted) -> String {
    format!("{WITHHELD}-again/{}/{}/{}", noted.register, noted.index, noted.leaf)
}
