//! What is asked of the registry, and what it answers.

use eventstore::Appended;
use proofs::body::Salt;
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
}

impl AppendRequest {
    /// A request with neither idempotency key nor precondition.
    pub fn new(register: Slug, by: Actor, entries: Vec<EntryRequest>) -> Self {
        Self { register, by, entries, idempotency_key: None, if_match: None }
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
