//! What makes two requests the same: the digest that stands behind an idempotency key.
//!
//! It covers what the caller says, and not how: a retry that was signed again, with a fresh salt, is the same request.

use proofs::jcs::{self, JcsError};
use proofs::slug::Slug;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::decide::Parsed;
use super::request::EntryRequest;

/// What must be kept of an entry that is asked for, to tell what it means: nothing of one that its department signed, which goes into
/// the register as it came.
pub fn kept(entry: &EntryRequest) -> Option<EntryRequest> {
    matches!(entry, EntryRequest::Platform { .. }).then(|| entry.clone())
}

/// One entry as far as sameness goes, in canonical form.
pub fn meaning(kept: Option<&EntryRequest>, entry: &Parsed) -> Result<Vec<u8>, JcsError> {
    if let Some(EntryRequest::Platform { record, version, entry_type, effective_at, body }) = kept {
        return jcs::canonical(&json!({
            "record": record,
            "version": version,
            "type": entry_type,
            "effective_at": effective_at,
            "body": body,
        }));
    }
    let said = jcs::canonical(&json!({
        "record": entry.record,
        "version": entry.version,
        "type": entry.entry_type,
        "effective_at": entry.effective_at,
    }))?;
    // No name comes before the body's, and the body has its form already.
    let rest = said.strip_prefix(b"{").unwrap_or_default();
    Ok([b"{\"body\":", entry.canonical.as_slice(), b",", rest].concat())
}

/// The digest of a request.
pub fn digest(
    register: &Slug,
    meanings: impl IntoIterator<Item = Result<Vec<u8>, JcsError>>,
) -> Result<[u8; 32], JcsError> {
    // Entry by entry: one canonical text of a thousand bodies would be held in memory at once.
    let mut hash = Sha256::new().chain_update(register.as_str());
    for meaning in meanings {
        hash.update(Sha256::digest(meaning?));
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use proofs::body::{self, Salt};
    use proofs::key::PrivateKey;
    use proofs::statement::Statement;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_signed_entry_means_what_is_said_of_it_and_its_body() {
        let register: Slug = "permits".parse().unwrap();
        let (record, salt) = (Uuid::from_u128(7), Salt([7; 16]));
        let body = json!({"я": [1, 0.5, null], "a": {"text": "\u{1f}\"\u{1f600}"}});
        let canonical = jcs::canonical(&body).unwrap();
        let statement = Statement {
            register: register.clone(),
            record,
            version: 2,
            entry_type: "issued".parse().unwrap(),
            effective_at: "2026-01-02T03:04:05.006Z".parse().unwrap(),
            issuer: "city".parse().unwrap(),
            body: body::digest(&salt, &canonical),
        };
        let statement = statement.sign(&PrivateKey::from_seed(&[7; 32])).as_str().to_owned();
        let entry = EntryRequest::Signed { statement, body: body.clone(), salt };
        assert!(kept(&entry).is_none());
        let parsed = Parsed::read(entry, &register, Uuid::from_u128(8)).unwrap();
        let whole = json!({
            "record": record, "version": 2, "type": "issued", "effective_at": "2026-01-02T03:04:05.006Z", "body": body,
        });
        assert_eq!(meaning(None, &parsed), jcs::canonical(&whole));
    }
}
