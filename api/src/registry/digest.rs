//! What makes two requests the same: the digest that stands behind an idempotency key.
//!
//! It covers what the caller says, and not how: a retry that was signed again, with a fresh salt, is the same request.

use proofs::slug::Slug;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::request::EntryRequest;
use proofs::jcs::{self, JcsError};
use proofs::statement::SignedStatement;

/// One entry, as far as sameness goes.
pub fn meaning(entry: &EntryRequest, signed: Option<&SignedStatement>) -> Value {
    match (entry, signed) {
        (EntryRequest::Signed { body, .. }, Some(signed)) => {
            let statement = signed.statement();
            json!({
                "record": statement.record,
                "version": statement.version,
                "type": statement.entry_type,
                "effective_at": statement.effective_at,
                "body": body,
            })
        }
        (EntryRequest::Signed { body, .. }, None) => json!({ "body": body }),
        (EntryRequest::Platform { record, version, entry_type, effective_at, body }, _) => json!({
            "record": record,
            "version": version,
            "type": entry_type,
            "effective_at": effective_at,
            "body": body,
        }),
    }
}

/// The digest of a request.
pub fn digest(register: &Slug, meanings: &[Value]) -> Result<[u8; 32], JcsError> {
    // Entry by entry: one canonical text of a thousand bodies would be held in memory at once.
    let mut hash = Sha256::new().chain_update(register.as_str());
    for meaning in meanings {
        hash.update(Sha256::digest(jcs::canonical(meaning)?));
    }
    Ok(hash.finalize().into())
}
