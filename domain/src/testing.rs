//! Builders that tests share.

use std::path::Path;
use std::sync::Arc;

use proofs::key::PrivateKey;
use proofs::note::{KeyType, VerifierKey};
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::definition::Definition;
use crate::definitions::InForce;
use crate::entry::EntryView;
use crate::record::Proposed;

/// A day, or a moment.
pub fn at(text: &str) -> Timestamp {
    if text.len() == 10 { format!("{text}T00:00:00.000Z") } else { text.to_owned() }.parse().unwrap()
}

/// A slug.
pub fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

/// The private key of a seed.
pub fn private_key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

/// A checkpoint key of this name.
pub fn verifier_key(name: &str) -> VerifierKey {
    seeded_verifier_key(name, 9)
}

/// The checkpoint key of this name and seed.
pub fn seeded_verifier_key(name: &str, seed: u8) -> VerifierKey {
    VerifierKey::new(name, KeyType::Ed25519, private_key(seed).public()).unwrap()
}

/// A definition in force, as if it were recorded first of all.
pub fn in_force(definition: Arc<Definition>) -> InForce {
    let key = verifier_key(&format!("registers.example.gov/registers/{}", definition.slug));
    InForce {
        definition,
        record: Uuid::from_u128(0xd),
        version: 1,
        position: 1,
        recorded_at: at("2020-01-01"),
        key,
        closed: false,
    }
}

/// A file of `fixtures/registers`.
pub fn fixture(register: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/registers/{register}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A proposed entry by the owner, today (2026-01-01).
pub fn proposed(in_force: &Arc<InForce>, entry_type: &str, body: Value) -> Proposed {
    Proposed {
        record: Uuid::from_u128(7),
        version: None,
        entry_type: entry_type.parse().unwrap(),
        effective_at: at("2026-01-01"),
        issuer: in_force.definition.owner.clone(),
        body,
        now: at("2026-01-01"),
        definition: in_force.clone(),
    }
}

/// One of the platform's registers in force, from its fixture.
pub fn platform(register: &str) -> Arc<InForce> {
    Arc::new(in_force(Definition::from_json(&fixture(register)).unwrap()))
}

/// A recorded entry that owns its parts.
pub struct Recorded {
    /// The register.
    pub register: Slug,
    /// The record.
    pub record: u128,
    /// The version.
    pub version: u64,
    /// The type.
    pub entry_type: EntryType,
    /// When it was recorded, and has effect.
    pub at: Timestamp,
    /// The issuer.
    pub issuer: Slug,
    /// Its position.
    pub position: u64,
    /// Its body.
    pub body: Option<Value>,
}

impl Recorded {
    /// An entry by the platform.
    pub fn new(
        register: &str,
        position: u64,
        when: &str,
        (record, version): (u128, u64),
        entry_type: &str,
        body: Value,
    ) -> Self {
        Self {
            register: slug(register),
            record,
            version,
            entry_type: entry_type.parse().unwrap(),
            at: at(when),
            issuer: slug("platform"),
            position,
            body: Some(body),
        }
    }

    /// As the domain sees it.
    pub fn view(&self) -> EntryView<'_> {
        EntryView {
            register: &self.register,
            record: Uuid::from_u128(self.record),
            version: self.version,
            entry_type: &self.entry_type,
            effective_at: self.at,
            recorded_at: self.at,
            issuer: &self.issuer,
            position: self.position,
            body: self.body.as_ref(),
        }
    }
}

/// A definition of three steps, in which statuses can be renamed by the caller.
pub fn small_definition(slug: &str, owner: &str) -> Value {
    let title = json!({"ru": "Слово", "en": "Word"});
    let kind = |name: &str, from: Value, to: Value| json!({"type": name, "title": title, "from": from, "to": to, "effect": "none", "schema": {"type": "object"}});
    json!({
        "slug": slug, "title": title, "owner": owner, "kind": "permit", "visibility": "status-public", "group": "other",
        "subjects": [],
        "statuses": [
            {"status": "valid", "title": title, "in_force": true},
            {"status": "revoked", "title": {"ru": "Отозвано", "en": "Revoked"}, "in_force": false}
        ],
        "types": [
            kind("issued", json!(null), json!("valid")), kind("noted", json!(["valid"]), json!(null)),
            kind("revoked", json!(["valid"]), json!("revoked"))
        ],
        "legal_basis": []
    })
}
