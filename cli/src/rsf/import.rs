//! Brings a register in: the whole file is checked before anything is written.
//!
//! Every chunk has an idempotency key of its own, so that an import that was interrupted can be run again, and one
//! that is run twice changes nothing.

use std::collections::HashMap;

use api::registry::{Actor, AppendRequest, EntryRequest, Registry};
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::define::{ENTERED, UPDATED, definition, department};
use super::parse::{Entry, Rsf, hex, parse};
use crate::failure::Failure;
use crate::progress::Progress;

/// Entries in one transaction.
const CHUNK: usize = 500;

/// What an import did.
pub struct Imported {
    /// Entries of the file, all of them in the register now.
    pub entries: usize,
    /// The file's root, in hexadecimal.
    pub root: String,
}

/// Imports a file's text into a register of a department; both are made when new.
pub async fn import(
    registry: &Registry,
    text: &str,
    register: &Slug,
    owner: &Slug,
    progress: Progress,
) -> Result<Imported, Failure> {
    let rsf = parse(text).map_err(|error| Failure::failed(format!("nothing was imported: {error}")))?;
    let failed = |error: api::registry::Refusal| Failure::because("the import failed", &error);
    let entered =
        EntryType::try_from(ENTERED.to_owned()).map_err(|error| Failure::because(ENTERED, &error))?;
    let updated =
        EntryType::try_from(UPDATED.to_owned()).map_err(|error| Failure::because(UPDATED, &error))?;
    registry.establish_department(department(owner)).await.map_err(failed)?;
    registry.define_register(definition(&rsf, register, owner)).await.map_err(failed)?;

    let file = hex(&Sha256::digest(text.as_bytes()));
    let bar = progress.bar("entries imported", rsf.user.len() as u64);
    let mut versions: HashMap<&str, u64> = HashMap::new();
    for (chunk, first) in rsf.user.chunks(CHUNK).zip((1..).step_by(CHUNK)) {
        let entries = chunk.iter().zip(first..).map(|(entry, number)| {
            let version = versions.entry(&entry.key).and_modify(|version| *version += 1).or_insert(1);
            let entry_type = if *version == 1 { entered.clone() } else { updated.clone() };
            request(register, entry, number, *version, entry_type)
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let mut request = AppendRequest::new(register.clone(), Actor::local(owner.clone()), entries);
        request.idempotency_key = Some(format!("rsf:{file}:{first}"));
        registry.append(request).await.map_err(|error| refused(&rsf, first, &error))?;
        bar.add(chunk.len() as u64);
    }
    bar.finish();
    Ok(Imported { entries: rsf.user.len(), root: hex(rsf.root.as_bytes()) })
}

/// Names the line of the entry at fault.
fn refused(rsf: &Rsf, first: usize, error: &api::registry::Refusal) -> Failure {
    let line = error.entry.and_then(|at| rsf.user.get(first - 1 + at)).map(|entry| entry.line);
    let what = line.map_or_else(|| "the import failed".to_owned(), |line| format!("line {line}"));
    Failure::because(&what, error)
}

fn request(
    register: &Slug,
    entry: &Entry,
    number: usize,
    version: u64,
    entry_type: EntryType,
) -> Result<EntryRequest, Failure> {
    let millis = format!("{}.000Z", entry.timestamp.trim_end_matches('Z'));
    let effective_at: Timestamp =
        millis.parse().map_err(|_| Failure::failed(format!("line {}: the timestamp", entry.line)))?;
    Ok(EntryRequest::Platform {
        record: Some(record(register, &entry.key)),
        version: Some(version),
        entry_type,
        effective_at: Some(effective_at),
        body: json!({
            "key": entry.key,
            "entry_number": number,
            "entry_timestamp": entry.timestamp,
            "item": entry.item,
        }),
    })
}

/// A key's record: the same in every import (UUIDv8 of the register and the key).
fn record(register: &Slug, key: &str) -> Uuid {
    let digest = Sha256::digest(format!("rsf\n{register}\n{key}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}
