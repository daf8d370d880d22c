//! Keys of registers and departments: made here when whoever adds one brings none, and handed to the log when its signers change.

use std::sync::Arc;

use domain::platform::{DEPARTMENTS, REGISTERS};
use domain::register_keys::{KEY_ADDED, KEY_COMPROMISED, KEY_RETIRED};
use eventstore::{CHECKPOINT, KeyChange, Rekey, STATEMENT};
use proofs::key::PublicKey;
use proofs::note::VerifierKey;
use proofs::signer::Signer;
use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Registry;
use super::decide::Parsed;
use super::knowledge::Knowledge;
use super::refusal::{Reason, Refusal};

/// The entry that puts a department's key in force.
const KEY_ENROLLED: &str = "key-enrolled";

impl Registry {
    /// The key for an entry that adds one to a register or a department and brings none; nothing for another entry.
    pub(super) async fn next_key(
        &self,
        register: &Slug,
        record: Option<Uuid>,
        entry_type: &str,
    ) -> Result<Option<Value>, Refusal> {
        let Some(record) = record else { return Ok(None) };
        let knowledge = self.refresh().await?;
        let (definitions, departments) = (&knowledge.definitions, &knowledge.departments);
        if *register == *REGISTERS && entry_type == KEY_ADDED {
            let Some(slug) = definitions.register_of(record) else { return Ok(None) };
            let known = |key: &PublicKey| {
                definitions.keys_of(slug).is_some_and(|keys| keys.iter().any(|one| one.vkey.key() == key))
            };
            let key = self.unused_key(slug, CHECKPOINT, known).await?;
            return Ok(Some(json!(self.verifier(slug, &*key)?.to_string())));
        }
        if *register == *DEPARTMENTS && entry_type == KEY_ENROLLED {
            let Some(department) = departments.by_record(record) else { return Ok(None) };
            let known = |key: &PublicKey| department.key(&key.kid()).is_some();
            let key = self.unused_key(&department.slug, STATEMENT, known).await?;
            return Ok(Some(json!(key.public().jwk())));
        }
        Ok(None)
    }

    /// The newest key that is kept for an owner, if no entry names it yet: one that was brought, or that was made just before the
    /// server died. Otherwise a new one.
    async fn unused_key(
        &self,
        owner: &Slug,
        purpose: &str,
        known: impl Fn(&PublicKey) -> bool,
    ) -> Result<Arc<dyn Signer>, Refusal> {
        let kept = self.store().key(owner.as_str(), purpose).await?;
        match kept.filter(|key| !known(&key.public())) {
            Some(key) => Ok(key),
            None => Ok(self.store().new_key(owner.as_str(), purpose).await?),
        }
    }

    /// What entries of `registers` that were decided on change in the keys that sign checkpoints. A key that is added must be
    /// kept here.
    pub(super) async fn rekeys(
        &self,
        register: &Slug,
        entries: &[Parsed],
        knowledge: &Knowledge,
    ) -> Result<Vec<Rekey>, Refusal> {
        let mut rekeys = Vec::new();
        if *register != *REGISTERS {
            return Ok(rekeys);
        }
        for (at, entry) in entries.iter().enumerate() {
            let entry_type = entry.entry_type.as_str();
            if ![KEY_ADDED, KEY_RETIRED, KEY_COMPROMISED].contains(&entry_type) {
                continue;
            }
            let vkey: Option<VerifierKey> = entry.body["key"].as_str().and_then(|key| key.parse().ok());
            let slug = knowledge.definitions.register_of(entry.record).cloned();
            let slug = slug.or_else(|| defined(entry.record, entries));
            let (Some(vkey), Some(register)) = (vkey, slug) else {
                return Err(Reason::CheckpointKey.at(at));
            };
            let change = if entry_type == KEY_ADDED {
                let kid = vkey.key().kid();
                if !self.store().keeps(register.as_str(), CHECKPOINT, &kid).await? {
                    return Err(Reason::CheckpointKey.at(at));
                }
                KeyChange::Add(vkey)
            } else {
                KeyChange::End(vkey)
            };
            rekeys.push(Rekey { register, change });
        }
        Ok(rekeys)
    }
}

/// The register that an entry of the list itself defines in this record.
fn defined(record: Uuid, entries: &[Parsed]) -> Option<Slug> {
    let slug = |entry: &Parsed| entry.body["slug"].as_str()?.parse().ok();
    entries.iter().filter(|entry| entry.record == record).find_map(slug)
}
