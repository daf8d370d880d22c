//! Writes a public register in RSF.
//!
//! A register that came as RSF goes out as it came: its system entries are kept in its definition. One of our own
//! goes out with an item an entry: record, type, version, when it took effect, and the body as canonical JSON.

use std::io::Write;

use api::registry::Registry;
use domain::definition::Visibility;
use eventstore::{Store, StoredEntry};
use proofs::slug::Slug;
use serde_json::{Value, json};

use super::write::Writer;
use crate::failure::Failure;

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// Fields of an entry of our own, with what they are.
const FIELDS: [(&str, &str); 5] = [
    ("record", "The record that the entry is about."),
    ("type", "The entry type."),
    ("version", "The record's version that the entry makes."),
    ("effective-at", "From when it has legal effect."),
    ("body", "The body, as canonical JSON."),
];

/// What was written.
pub struct Exported {
    /// User entries.
    pub entries: u64,
    /// Root over them, in hexadecimal.
    pub root: String,
}

/// Writes a register to `out`.
pub async fn export(
    store: &Store,
    registry: &Registry,
    register: &Slug,
    out: impl Write,
) -> Result<Exported, Failure> {
    let defined = registry
        .knowledge()
        .definitions
        .current(register)
        .ok_or_else(|| Failure::usage(format!("there is no register {register}")))?;
    let definition = &defined.definition;
    if definition.visibility != Visibility::Public {
        return Err(Failure::usage(format!(
            "register {register} is not public: only public registers are exported"
        )));
    }
    let failed = |error: std::io::Error| Failure::because("the export could not be written", &error);
    let source =
        definition.source.as_ref().and_then(|source| source.get("system_entries")).and_then(Value::as_array);
    let native = source.is_none();
    // An item of our own names its record and version.
    let mut writer = Writer::new(out, native).map_err(failed)?;
    for entry in source.cloned().unwrap_or_else(|| describe(register, definition, defined.recorded_at)) {
        let said = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default();
        let item = entry.get("item").unwrap_or(&Value::Null);
        writer.system(said("key"), said("timestamp"), item).map_err(failed)?;
    }
    let mut next = 0;
    loop {
        let page = store.read_register(register, next, PAGE).await;
        let page = page.map_err(|error| Failure::because("the register could not be read", &error))?;
        if page.is_empty() {
            break;
        }
        for entry in &page {
            let (key, timestamp, item) = user(entry, native)?;
            writer.user(&key, &timestamp, &item).map_err(failed)?;
        }
        next += page.len() as u64;
    }
    Ok(Exported { entries: next, root: writer.finish().map_err(failed)? })
}

/// System entries for a register of our own: its name, its keeper and its fields.
fn describe(
    register: &Slug,
    definition: &domain::definition::Definition,
    since: proofs::time::Timestamp,
) -> Vec<Value> {
    let timestamp = seconds(&since.to_string());
    let entry = |key: String, item: Value| json!({ "key": key, "timestamp": timestamp, "item": item });
    let mut entries = vec![
        entry("name".to_owned(), json!({ "name": register })),
        entry("register-name".to_owned(), json!({ "register-name": definition.title.en })),
        entry("custodian".to_owned(), json!({ "custodian": definition.owner })),
    ];
    entries.extend(FIELDS.iter().map(|(field, text)| {
        let item = json!({ "cardinality": "1", "datatype": "string", "field": field, "phase": "live", "text": text });
        entry(format!("field:{field}"), item)
    }));
    let fields: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
    let item = json!({
        "fields": fields, "phase": "live", "register": register, "registry": definition.owner,
        "text": definition.title.en,
    });
    entries.push(entry(format!("register:{register}"), item));
    entries
}

/// Key, timestamp and item of one entry.
fn user(entry: &StoredEntry, native: bool) -> Result<(String, String, Value), Failure> {
    let statement = entry.statement.statement();
    let at = |what: &str| Failure::failed(format!("entry {} of {}: {what}", entry.index, entry.register));
    if native {
        let body =
            entry.body.clone().map(String::from_utf8).transpose().map_err(|_| at("the body is not UTF-8"))?;
        let mut item = json!({
            "record": statement.record.to_string(),
            "type": statement.entry_type,
            "version": statement.version.to_string(),
            "effective-at": statement.effective_at.to_string(),
        });
        if let Some(body) = body {
            item["body"] = Value::String(body);
        }
        return Ok((statement.record.to_string(), seconds(&entry.recorded_at.to_string()), item));
    }
    let body =
        entry.body.as_deref().ok_or_else(|| at("its body was withheld, so the file would not be whole"))?;
    let body: Value = serde_json::from_slice(body).map_err(|_| at("the body is not JSON"))?;
    let said = |member: &str| body.get(member).and_then(Value::as_str).map(str::to_owned);
    let (key, timestamp) =
        said("key").zip(said("entry_timestamp")).ok_or_else(|| at("it did not come from RSF"))?;
    Ok((key, timestamp, body.get("item").cloned().unwrap_or(Value::Null)))
}

/// The format's times have no fractions.
fn seconds(timestamp: &str) -> String {
    timestamp.split_once('.').map_or_else(|| timestamp.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}
