//! What the platform makes: identifiers, salts, keys, and statements in a department's name.

use std::sync::Arc;

use eventstore::{NewEntry, Store, StoreError};
use proofs::body::{Salt, digest};
use proofs::signer::Signer;
use proofs::slug::Slug;
use proofs::statement::{SignedStatement, Statement};
use uuid::{Builder, Uuid};

use super::decide::{Decided, Parsed};
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

/// The key that the platform holds for a department: the newest of those in force.
pub async fn held_key(
    store: &Store,
    knowledge: &Knowledge,
    department: &Slug,
) -> Result<Arc<dyn Signer>, Refusal> {
    let in_force = knowledge.departments.keys_now(department);
    let newest = store.key(department.as_str(), eventstore::STATEMENT).await?;
    if let Some(key) = newest.filter(|key| in_force.iter().any(|term| term.kid == key.public().kid())) {
        return Ok(key);
    }
    for term in in_force {
        if let Some(key) = store.key_by_kid(&term.kid).await? {
            return Ok(key);
        }
    }
    Err(Reason::NoKeyHeld(department.clone()).into())
}

/// Has what was decided signed. May block, unless the signer is local.
pub fn sign(
    event: &RecordEvent,
    canonical: &[u8],
    salt: &Salt,
    signer: &dyn Signer,
) -> Result<SignedStatement, Refusal> {
    let statement = Statement {
        register: event.register.clone(),
        record: event.record,
        version: event.version,
        entry_type: event.entry_type.clone(),
        effective_at: event.effective_at,
        issuer: event.issuer.clone(),
        body: digest(salt, canonical),
    };
    statement
        .sign_by(signer)
        .map_err(|why| StoreError::Signer { what: format!("a statement of {}", event.issuer), why }.into())
}

/// What is submitted: the department's statements as they came, and the platform's in its name. May block, as [`sign`].
pub fn all(
    store: &Store,
    entries: &[Parsed],
    decided: &[Decided],
    signer: Option<&dyn Signer>,
) -> Result<Vec<NewEntry>, Refusal> {
    let mut all = Vec::with_capacity(entries.len());
    for (entry, decided) in entries.iter().zip(decided) {
        let (statement, salt) = match (&entry.signed, signer) {
            (Some((statement, salt)), _) => (statement.clone(), *salt),
            (None, Some(signer)) => {
                let salt = new_salt(store);
                (sign(&decided.event, &entry.canonical, &salt, signer)?, salt)
            }
            (None, None) => return Err(Reason::NoKeyHeld(decided.event.issuer.clone()).into()),
        };
        let number = decided.event.number().map(str::to_owned);
        all.push(NewEntry { statement, body: entry.canonical.clone(), salt, number });
    }
    Ok(all)
}
