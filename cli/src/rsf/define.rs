//! What an RSF file's system entries say of the register, as a definition of ours.

use proofs::slug::Slug;
use serde_json::{Map, Value, json};

use super::parse::{Entry, Rsf};

/// Entry type of a key's first entry.
pub const ENTERED: &str = "entered";
/// Entry type of a key's later entries.
pub const UPDATED: &str = "updated";

/// The definition for a file: name, custodian and fields come from its system entries, the last word counting.
pub fn definition(rsf: &Rsf, register: &Slug, department: &Slug) -> Value {
    let name = last(rsf, "register-name", "register-name")
        .or_else(|| last(rsf, "name", "name"))
        .unwrap_or_else(|| register.to_string());
    let text = last_item(rsf, |key| key.starts_with("register:"))
        .and_then(|item| item.get("text"))
        .and_then(Value::as_str)
        .unwrap_or(&name);
    let schema = json!({
        "type": "object",
        "required": ["key", "entry_number", "entry_timestamp", "item"],
        "additionalProperties": false,
        "properties": {
            "key": { "type": "string", "minLength": 1, "maxLength": 256 },
            "entry_number": { "type": "integer", "minimum": 1 },
            "entry_timestamp": { "type": "string", "format": "date-time" },
            "item": {
                "type": "object",
                "additionalProperties": false,
                "properties": fields(rsf),
            },
        },
    });
    let both = |text: &str| json!({ "ru": text, "en": text });
    json!({
        "slug": register,
        "title": both(&name),
        "owner": department,
        "kind": "membership",
        "visibility": "public",
        "group": "other",
        "number": { "member": "key", "pattern": "^.{1,256}$", "example": "GB", "title": { "ru": "Ключ", "en": "Key" } },
        "subjects": [],
        "statuses": [{ "status": "current", "title": { "ru": "Действует", "en": "Current" }, "in_force": true }],
        "types": [
            {
                "type": ENTERED, "title": { "ru": "Внесено", "en": "Entered" },
                "from": null, "to": "current", "effect": "sets", "schema": schema,
            },
            {
                "type": UPDATED, "title": { "ru": "Изменено", "en": "Updated" },
                "from": ["current"], "to": null, "effect": "sets", "schema": schema,
            },
        ],
        "legal_basis": [{ "title": both(text), "citation": "Register Serialisation Format" }],
        "source": { "format": "rsf", "system_entries": rsf.system.iter().map(system_entry).collect::<Vec<_>>() },
    })
}

/// The department that keeps the register, as a fixture of ours would describe it.
pub fn department(department: &Slug) -> Value {
    // The format names the body that keeps a register by its slug alone; the custodian is a person, and stays out.
    let title = department.as_ref().replace('-', " ");
    json!({ "slug": department, "title": { "ru": title, "en": title }, "level": "federal" })
}

fn system_entry(entry: &Entry) -> Value {
    json!({ "key": entry.key, "timestamp": entry.timestamp, "item": entry.item })
}

fn last_item(rsf: &Rsf, key: impl Fn(&str) -> bool) -> Option<&Value> {
    rsf.system.iter().rev().find(|entry| key(&entry.key)).map(|entry| &entry.item)
}

fn last(rsf: &Rsf, key: &str, member: &str) -> Option<String> {
    last_item(rsf, |found| found == key)?.get(member)?.as_str().map(str::to_owned)
}

/// A JSON Schema for each field: datatype and cardinality as the file declares them.
fn fields(rsf: &Rsf) -> Map<String, Value> {
    let mut fields = Map::new();
    for entry in &rsf.system {
        let Some(name) = entry.key.strip_prefix("field:") else { continue };
        let said = |member: &str| entry.item.get(member).and_then(Value::as_str).unwrap_or_default();
        let value = match said("datatype") {
            "datetime" => json!({
                "type": "string",
                "pattern": r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2})?)?Z)?)?)?$",
            }),
            "timestamp" => json!({ "type": "string", "format": "date-time" }),
            "integer" => json!({ "type": "string", "pattern": "^-?(0|[1-9][0-9]*)$" }),
            "curie" => json!({ "type": "string", "pattern": "^[^:]+(:[^:]*)?$" }),
            _ => json!({ "type": "string" }),
        };
        let field =
            if said("cardinality") == "n" { json!({ "type": "array", "items": value }) } else { value };
        // A later entry for a field replaces the earlier one.
        fields.insert(name.to_owned(), field);
    }
    fields
}
