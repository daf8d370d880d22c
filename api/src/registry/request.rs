//! What is asked of the registry, and what it answers.

use eventstore::Appended;
use proofs::body::Salt;
use proofs::receipt::Receipt;
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// Entries in one request. They are one transaction: at about 2 kB each a full list is 2 MB of one batch.
pub const ENTRIES_MAX: usize = 1_000;
/// Canonical bytes of one body: a hundred times the longest body that the fixtures have.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// Characters of an idempotency key (the IETF draft suggests a UUID, which has 36).
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Entries to append to one register, all or none.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// The register.
    pub register: Slug,
    /// For whom.
    pub by: Actor,
    /// The entries, in order, 1 to [`ENTRIES_MAX`].
    pub entries: Vec<EntryRequest>,
    /// The same key with the same content gives the same entries again.
    pub idempotency_key: Option<String>,
    /// The version that the first entry's record must be at.
    pub if_match: Option<u64>,
    /// Are the receipts wanted? They cost nothing while the entries are at hand.
    pub receipts: bool,
}

impl AppendRequest {
    /// A request with neither idempotency key nor precondition.
    pub fn new(register: Slug, by: Actor, entries: Vec<EntryRequest>) -> Self {
        Self { register, by, entries, idempotency_key: None, if_match: None, receipts: false }
    }
}

/// Who appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The department for which they act: it must own the register, and is the issuer of every entry.
    pub department: Slug,
    /// Names the client among all; idempotency keys are each client's own.
    pub client: String,
}

impl Actor {
    /// The department itself, as the commands of `reestr` on a local store are.
    pub fn local(department: Slug) -> Self {
        Self { client: format!("local {department}"), department }
    }
}

/// One entry to append.
#[derive(Debug, Clone)]
pub enum EntryRequest {
    /// The department signed it.
    Signed {
        /// The JWS.
        statement: String,
        /// The body.
        body: Value,
        /// The salt of the digest in the statement.
        salt: Salt,
    },
    /// The platform signs it with the department's key, which it holds.
    Platform {
        /// The record. `None` makes a new one.
        record: Option<Uuid>,
        /// The version that it makes. `None`: the next.
        version: Option<u64>,
        /// The entry type.
        entry_type: EntryType,
        /// From when it has effect. `None`: now.
        effective_at: Option<Timestamp>,
        /// The body.
        body: Value,
    },
}

impl EntryRequest {
    /// How many bytes its body has at least in canonical form. Counted no further than to know that it is too long.
    pub(super) fn body_bytes_least(&self) -> usize {
        let (Self::Signed { body, .. } | Self::Platform { body, .. }) = self;
        let mut bytes = 0;
        count(body, &mut bytes);
        bytes
    }
}

/// Quotes, colons, commas and brackets count; escapes do not, nor how numbers are written.
fn count(value: &Value, bytes: &mut usize) {
    if *bytes > BODY_BYTES_MAX {
        return;
    }
    *bytes += match value {
        Value::Bool(false) => 5,
        Value::Null | Value::Bool(true) => 4,
        Value::Number(_) => 1,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => {
            for item in items {
                count(item, bytes);
            }
            items.len().saturating_sub(1) + 2
        }
        Value::Object(members) => {
            for (name, member) in members {
                *bytes += name.len() + 3;
                count(member, bytes);
            }
            members.len().saturating_sub(1) + 2
        }
    };
}

/// What became of one entry.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where it stands.
    pub appended: Appended,
    /// The entry type.
    pub entry_type: EntryType,
    /// From when it has effect.
    pub effective_at: Timestamp,
    /// The record's status after it.
    pub status: String,
    /// The receipt, if it was wanted and could be had at once.
    pub receipt: Option<Receipt>,
}

/// What [`super::Registry::define_register`] or [`super::Registry::establish_department`] did.
#[derive(Debug, Clone)]
pub enum Change {
    /// It was so already.
    None,
    /// An entry was appended.
    Appended(Box<Outcome>),
}

/// The three documents from which a store grows: see [`super::Registry::bootstrap`].
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The department `platform`, as in `fixtures/departments/platform.json`.
    pub platform: Value,
    /// The definition of `registers`, as in `fixtures/registers/registers.json`.
    pub registers: Value,
    /// The definition of `departments`, as in `fixtures/registers/departments.json`.
    pub departments: Value,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn least(body: Value) -> usize {
        let entry_type = "issued".parse().expect("a type");
        EntryRequest::Platform { record: None, version: None, entry_type, effective_at: None, body }
            .body_bytes_least()
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_is_taken_for_longer_than_it_is(body in value()) {
            let canonical = proofs::jcs::canonical(&body).expect("it has a canonical form");
            prop_assert!(least(body) <= canonical.len());
        }
    }

    #[test]
    fn a_body_that_is_too_long_is_known_without_its_canonical_form() {
        let exact = json!({ "text": ["abc", true, null, 7], "more": {} });
        assert_eq!(least(exact.clone()), exact.to_string().len());
        assert!(least(json!("x".repeat(BODY_BYTES_MAX))) > BODY_BYTES_MAX);
        assert!(least(json!(vec![0; 1 << 20])) > BODY_BYTES_MAX);
    }
}
