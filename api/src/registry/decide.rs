//! Deciding, without input or output: statements are checked, and aggregates say yes or no, entry by entry.

use std::collections::HashMap;
use std::sync::Arc;

use domain::any_record::AnyRecord;
use domain::definitions::InForce;
use domain::departments::KeyTerm;
use domain::record::{Proposed, RecordError, RecordEvent};
use proofs::body::{Salt, digest};
use proofs::jcs;
use proofs::slug::{EntryType, Slug};
use proofs::statement::SignedStatement;
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::knowledge::Knowledge;
use super::refusal::{Reason, Refusal};
use super::request::{BODY_BYTES_MAX, EntryRequest};

/// An entry that was read: well formed, and its statement says what comes with it. Nothing is decided yet.
#[derive(Clone)]
pub struct Parsed {
    /// The record; of a new one, the identifier that it gets.
    pub record: Uuid,
    /// The version that the caller says it makes.
    pub version: Option<u64>,
    /// The type.
    pub entry_type: EntryType,
    /// From when it has effect; `None` is now.
    pub effective_at: Option<Timestamp>,
    /// The body.
    pub body: Value,
    /// The body's canonical bytes.
    pub canonical: Vec<u8>,
    /// The department's statement, and the salt in it.
    pub signed: Option<(SignedStatement, Salt)>,
}

impl Parsed {
    /// Reads one entry. `new_record` is the identifier for a record that is to be made.
    pub fn read(entry: EntryRequest, register: &Slug, new_record: Uuid) -> Result<Self, Reason> {
        match entry {
            EntryRequest::Platform { record, version, entry_type, effective_at, body } => Ok(Self {
                record: record.unwrap_or(new_record),
                version,
                entry_type,
                effective_at,
                canonical: canonical(&body)?,
                body,
                signed: None,
            }),
            EntryRequest::Signed { statement, body, salt } => {
                let signed = SignedStatement::parse(&statement)
                    .map_err(|error| Reason::Statement(error.to_string()))?;
                let said = signed.statement();
                if said.register != *register {
                    let words = format!("the statement is for register {}, not {register}", said.register);
                    return Err(Reason::Statement(words));
                }
                let canonical = canonical(&body)?;
                if digest(&salt, &canonical) != said.body {
                    let words = "the statement's digest is not that of this body and salt";
                    return Err(Reason::Statement(words.to_owned()));
                }
                Ok(Self {
                    record: said.record,
                    version: Some(said.version),
                    entry_type: said.entry_type.clone(),
                    effective_at: Some(said.effective_at),
                    body,
                    canonical,
                    signed: Some((signed, salt)),
                })
            }
        }
    }
}

fn canonical(body: &Value) -> Result<Vec<u8>, Reason> {
    let bytes = jcs::canonical(body).map_err(|error| Reason::Statement(format!("the body: {error}")))?;
    if bytes.len() > BODY_BYTES_MAX { Err(Reason::BodyTooLarge) } else { Ok(bytes) }
}

/// What a decision rests on.
pub struct Ground {
    /// What is in force.
    pub knowledge: Arc<Knowledge>,
    /// The register.
    pub in_force: Arc<InForce>,
    /// For whom it is done.
    pub department: Slug,
    /// Now.
    pub now: Timestamp,
    /// The version that the first entry's record must be at.
    pub if_match: Option<u64>,
}

/// An entry that was decided, and the status of its record after it.
#[derive(Clone)]
pub struct Decided {
    /// What happens.
    pub event: RecordEvent,
    /// The record's status then.
    pub status: String,
}

/// Decides on a list of entries in order: later ones see what earlier ones did. `records` holds those that exist.
pub fn decide(
    ground: &Ground,
    entries: &[Parsed],
    mut records: HashMap<Uuid, AnyRecord>,
) -> Result<Vec<Decided>, Refusal> {
    let register = &ground.in_force.definition;
    if let (Some(version), Some(first)) = (ground.if_match, entries.first()) {
        let found = records.get(&first.record).map_or(0, |record| record.record().state.version);
        if found != version {
            return Err(Reason::Precondition { found }.at(0));
        }
    }
    let mut decided = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        verify(ground, entry).map_err(|reason| reason.at(at))?;
        let record = records.entry(entry.record).or_insert_with(|| AnyRecord::of(register.slug.as_str()));
        let proposed = Proposed {
            record: entry.record,
            version: entry.version,
            entry_type: entry.entry_type.clone(),
            effective_at: entry.effective_at.unwrap_or(ground.now),
            issuer: ground.department.clone(),
            body: entry.body.clone(),
            now: ground.now,
            definition: Arc::clone(&ground.in_force),
        };
        let event = record.decide(&proposed).map_err(|error| refused(error).at(at))?;
        record.step(&event);
        decided.push(Decided { event, status: record.record().state.status.clone() });
    }
    Ok(decided)
}

/// A signed entry is the acting department's own, under a key of its that is in force.
///
/// Only keys that are in force *now* count: one revoked at this very millisecond would be out of force at the commit.
fn verify(ground: &Ground, entry: &Parsed) -> Result<(), Reason> {
    let Some((signed, _)) = &entry.signed else { return Ok(()) };
    let issuer = &signed.statement().issuer;
    if *issuer != ground.department {
        return Err(Reason::ForeignRegister {
            register: ground.in_force.definition.slug.clone(),
            owner: ground.department.clone(),
            department: issuer.clone(),
        });
    }
    let not_in_force = || Reason::KeyNotInForce { issuer: issuer.clone(), kid: signed.kid().clone() };
    let keys = ground.knowledge.departments.keys_now(issuer);
    let key = keys.into_iter().find(|key| key.kid == *signed.kid()).and_then(KeyTerm::public_key);
    let key = key.ok_or_else(not_in_force)?;
    signed.verify(&key).map_err(|error| Reason::Statement(error.to_string()))
}

fn refused(error: RecordError) -> Reason {
    match error {
        RecordError::Version { record, next, .. } => Reason::Version { record, found: next - 1 },
        RecordError::ForeignRegister { register, owner, issuer } => {
            Reason::ForeignRegister { register, owner, department: issuer }
        }
        other => Reason::Rule(Box::new(other)),
    }
}
