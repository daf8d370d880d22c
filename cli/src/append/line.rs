//! One line of an NDJSON file: an entry to be signed.
//!
//! What is derived from a line (its record, when it names none, and its idempotency key) depends on the line alone, so
//! that a file that was interrupted can be sent again. Two equal lines are one entry; `idempotency_key` tells them apart.

use eventstore::Entropy;
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::slug::{EntryType, Slug};
use proofs::statement::{SignedStatement, Statement};
use proofs::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::failure::Failure;
use crate::rsf::parse::hex;

/// A line, parsed.
pub struct Line {
    /// From 1.
    pub number: usize,
    entry: Entry,
    /// SHA-256 of the register and the line in canonical form.
    digest: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    record: Option<Uuid>,
    version: Option<u64>,
    r#type: EntryType,
    effective_at: Timestamp,
    body: Value,
    idempotency_key: Option<String>,
}

/// A signed entry, ready to be sent.
pub struct Prepared {
    /// The statement.
    pub statement: SignedStatement,
    /// The body.
    pub body: Value,
    /// The salt.
    pub salt: Salt,
    /// The key under which it is sent.
    pub idempotency_key: String,
}

impl Line {
    /// Parses a file. Nothing is sent unless every line is an entry.
    pub fn read_all(text: &str, register: &Slug) -> Result<Vec<Self>, Failure> {
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        lines
            .map(|(line, number)| {
                Self::read(line, number, register)
                    .map_err(|what| Failure::failed(format!("line {number}: {what}; nothing was sent")))
            })
            .collect()
    }

    fn read(line: &str, number: usize, register: &Slug) -> Result<Self, String> {
        let value = proofs::jcs::parse(line.as_bytes()).map_err(|error| error.to_string())?;
        let canonical = proofs::jcs::canonical(&value).map_err(|error| error.to_string())?;
        let digest = Sha256::new().chain_update(register.as_str()).chain_update("\n").chain_update(canonical);
        let entry: Entry = serde_json::from_value(value).map_err(|error| {
            format!("{error}; a line is {{\"type\", \"effective_at\", \"body\"}}, with \"record\" and \"version\" to continue one")
        })?;
        if entry.record.is_some() != entry.version.is_some() {
            return Err(
                "\"record\" and \"version\" go together: both to continue a record, neither for a new one"
                    .to_owned(),
            );
        }
        Ok(Self { number, entry, digest: digest.finalize().into() })
    }

    /// How many of these lines, from the first, may be sent at once: a line that continues a record goes alone.
    pub fn independent(lines: &[Self]) -> usize {
        let until = lines.iter().position(|line| line.entry.version.is_some_and(|version| version > 1));
        until.unwrap_or(lines.len()).max(1)
    }

    /// Signs it.
    pub fn prepare(
        &self,
        register: &Slug,
        department: &Slug,
        key: &PrivateKey,
        entropy: &dyn Entropy,
    ) -> Result<Prepared, String> {
        let canonical =
            proofs::jcs::canonical(&self.entry.body).map_err(|error| format!("the body: {error}"))?;
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let salt = Salt(salt);
        let mut derived = [0; 16];
        derived.copy_from_slice(&self.digest[..16]);
        let statement = Statement {
            register: register.clone(),
            record: self.entry.record.unwrap_or_else(|| Uuid::new_v8(derived)),
            version: self.entry.version.unwrap_or(1),
            entry_type: self.entry.r#type.clone(),
            effective_at: self.entry.effective_at,
            issuer: department.clone(),
            body: digest(&salt, &canonical),
        };
        let idempotency_key =
            self.entry.idempotency_key.clone().unwrap_or_else(|| format!("line:{}", hex(&self.digest)));
        Ok(Prepared { statement: statement.sign(key), body: self.entry.body.clone(), salt, idempotency_key })
    }
}
