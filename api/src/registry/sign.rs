//! What the platform makes: identifiers, salts, keys, and statements in a department's name.

use eventstore::{Store, StoreError};
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::slug::Slug;
use proofs::statement::{SignedStatement, Statement};
use uuid::{Builder, Uuid};

use super::knowledge::Knowledge;
use super::refusal::{Reason, Refusal};
use domain::record::RecordEvent;

/// A UUIDv7 (RFC 9562 section 5.7) of the store's clock and entropy.
pub fn new_uuid(store: &Store) -> Uuid {
    let mut random = [0; 10];
    store.entropy().fill(&mut random);
    let millis = u64::try_from(store.clock().now().millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// A salt (`format.md`: 16 random bytes, fresh for every entry).
pub fn new_salt(store: &Store) -> Salt {
    let mut bytes = [0; 16];
    store.entropy().fill(&mut bytes);
    Salt(bytes)
}

/// The key of an owner for a purpose; made and kept when there is none. It is kept before it is used: an entry must never
/// name a key that was lost.
pub async fn kept_key(store: &Store, owner: &str, purpose: &str) -> Result<PrivateKey, StoreError> {
    if let Some(key) = store.key(owner, purpose).await? {
        return Ok(key);
    }
    let mut seed = [0; 32];
    store.entropy().fill(&mut seed);
    // Another server may be doing the same: both go on with the one that was kept.
    store.keep_key(owner, purpose, &PrivateKey::from_seed(&seed)).await
}

/// The key that the platform holds for a department: the newest of those in force.
pub async fn held_key(
    store: &Store,
    knowledge: &Knowledge,
    department: &Slug,
) -> Result<PrivateKey, Refusal> {
    let in_force = knowledge.departments.keys_now(department);
    let newest = store.key(department.as_str(), eventstore::STATEMENT).await?;
    if let Some(key) = newest.filter(|key| in_force.iter().any(|term| term.kid == key.kid())) {
        return Ok(key);
    }
    for term in in_force {
        if let Some(key) = store.key_by_kid(&term.kid).await? {
            return Ok(key);
        }
    }
    Err(Reason::NoKeyHeld(department.clone()).into())
}

/// Signs what was decided.
pub fn sign(event: &RecordEvent, canonical: &[u8], salt: &Salt, key: &PrivateKey) -> SignedStatement {
    Statement {
        register: event.register.clone(),
        record: event.record,
        version: event.version,
        entry_type: event.entry_type.clone(),
        effective_at: event.effective_at,
        issuer: event.issuer.clone(),
        body: digest(salt, canonical),
    }
    .sign(key)
}
