//! The body of an append: one entry or a list, each signed or to be signed.

use chrono::DateTime;
use proofs::body::Salt;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::{self, Pointed, Problem};
use crate::registry::{ENTRIES_MAX, EntryRequest};

/// An entry that the department signed. Only its form is described here: it is read member by member.
#[derive(Serialize, ToSchema)]
pub struct SignedEntry {
    /// The statement: a JWS in compact serialisation (`docs/format.md`).
    pub statement: String,
    /// What the entry says.
    pub body: Value,
    /// 16 random bytes in base64url, without padding.
    pub salt: String,
}

/// An entry that the platform is to sign with the department's key that it holds.
#[derive(Serialize, ToSchema)]
pub struct UnsignedEntry {
    /// The record; left out, a new one is made.
    pub record: Option<Uuid>,
    /// The version that it makes; left out, the next.
    pub version: Option<u64>,
    /// Entry type, one of the register's.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// From when it has effect; left out, from now.
    pub effective_at: Option<String>,
    /// What the entry says.
    pub body: Value,
}

/// One entry.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum EntryInput {
    /// Signed by the department.
    Signed(SignedEntry),
    /// To be signed by the platform.
    Unsigned(UnsignedEntry),
}

/// What is appended.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum AppendInput {
    /// One entry.
    One(EntryInput),
    /// An atomic list of up to 1,000.
    Many(Vec<EntryInput>),
}

/// The entries, and whether they came as a list.
pub fn read(input: Value) -> Result<(Vec<EntryRequest>, bool), Problem> {
    match input {
        Value::Array(items) if items.is_empty() => Err(Problem::invalid("The list has no entry.")),
        Value::Array(items) if items.len() > ENTRIES_MAX => {
            Err(Problem::new(problem::TOO_LARGE, format!("A list has at most {ENTRIES_MAX} entries.")))
        }
        Value::Array(items) => {
            let entries = items.into_iter().enumerate().map(|(at, item)| entry(item, &format!("/{at}")));
            Ok((entries.collect::<Result<_, _>>()?, true))
        }
        one => Ok((vec![entry(one, "")?], false)),
    }
}

fn entry(input: Value, at: &str) -> Result<EntryRequest, Problem> {
    let Value::Object(mut members) = input else {
        return Err(fault(at, "must be an object"));
    };
    let signed = members.contains_key("statement");
    let known: &[&str] = if signed {
        &["statement", "body", "salt"]
    } else {
        &["record", "version", "type", "effective_at", "body"]
    };
    if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
        let form = if signed { "a signed entry" } else { "an entry without a statement" };
        let detail = format!("is not a member of {form}; its members are {}", known.join(", "));
        return Err(fault(&format!("{at}/{}", unknown.replace('~', "~0").replace('/', "~1")), &detail));
    }
    let Some(body @ Value::Object(_)) = members.remove("body") else {
        return Err(fault(&format!("{at}/body"), "must be there, and be an object"));
    };
    if signed {
        let salt: Salt = parsed(&members, at, "salt", "must be 16 bytes in base64url without padding")?
            .ok_or_else(|| {
                fault(&format!("{at}/salt"), "must be there: 16 bytes in base64url without padding")
            })?;
        let statement = text(&members, at, "statement")?.unwrap_or_default().to_owned();
        return Ok(EntryRequest::Signed { statement, body, salt });
    }
    let version = match members.get("version") {
        None | Some(Value::Null) => None,
        Some(version) => match version.as_u64() {
            Some(version) if version > 0 => Some(version),
            _ => return Err(fault(&format!("{at}/version"), "must be an integer from 1")),
        },
    };
    let entry_type = parsed(&members, at, "type", "must be an entry type of the register")?
        .ok_or_else(|| fault(&format!("{at}/type"), "must be there"))?;
    let effective_at = text(&members, at, "effective_at")?.map(|text| time(text, at)).transpose()?;
    let record: Option<Uuid> = parsed(&members, at, "record", "must be a UUID")?;
    Ok(EntryRequest::Platform { record, version, entry_type, effective_at, body })
}

/// RFC 3339 in any offset and precision; the statement will have it in UTC, to the millisecond.
fn time(text: &str, at: &str) -> Result<Timestamp, Problem> {
    let parsed = DateTime::parse_from_rfc3339(text).map(|time| Timestamp::try_from(time.timestamp_millis()));
    match parsed {
        Ok(Ok(time)) => Ok(time),
        _ => Err(fault(&format!("{at}/effective_at"), "must be a time as 2026-01-31T09:00:00.000Z")),
    }
}

fn parsed<T: std::str::FromStr>(
    members: &Map<String, Value>,
    at: &str,
    name: &str,
    rule: &str,
) -> Result<Option<T>, Problem> {
    let parse = |text: &str| text.parse().map_err(|_| fault(&format!("{at}/{name}"), rule));
    text(members, at, name)?.map(parse).transpose()
}

fn text<'a>(members: &'a Map<String, Value>, at: &str, name: &str) -> Result<Option<&'a str>, Problem> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(fault(&format!("{at}/{name}"), "must be a string")),
    }
}

fn fault(pointer: &str, detail: &str) -> Problem {
    let place = Pointed { pointer: pointer.to_owned(), detail: detail.to_owned() };
    Problem::new(problem::INVALID_ENTRY, "The entry is not of the form that is taken.")
        .with_errors(vec![place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_read_alone_and_in_lists() {
        let one = json!({ "type": "issued", "body": {} });
        let signed = json!({ "statement": "a.b.c", "body": {}, "salt": "AAAAAAAAAAAAAAAAAAAAAA" });
        assert!(matches!(read(one.clone()), Ok((entries, false)) if entries.len() == 1));
        assert!(matches!(read(json!([one, signed])), Ok((entries, true)) if entries.len() == 2));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for input in [
            json!(null),
            json!([]),
            json!([1]),
            json!({ "type": "issued" }),
            json!({ "type": "issued", "body": [] }),
            json!({ "type": "Issued", "body": {} }),
            json!({ "body": {} }),
            json!({ "type": "issued", "body": {}, "extra": 1 }),
            json!({ "type": "issued", "body": {}, "version": 0 }),
            json!({ "type": "issued", "body": {}, "version": "1" }),
            json!({ "type": "issued", "body": {}, "record": "x" }),
            json!({ "type": "issued", "body": {}, "effective_at": "2026-01-31" }),
            json!({ "statement": "a.b.c", "body": {} }),
            json!({ "statement": 1, "body": {}, "salt": "AAAAAAAAAAAAAAAAAAAAAA" }),
            json!({ "statement": "a.b.c", "type": "issued", "body": {}, "salt": "AAAAAAAAAAAAAAAAAAAAAA" }),
        ] {
            assert!(read(input.clone()).is_err(), "{input}");
        }
        let many = vec![json!({ "type": "issued", "body": {} }); ENTRIES_MAX + 1];
        assert!(read(Value::Array(many)).is_err_and(|problem| problem.kind() == problem::TOO_LARGE));
    }
}
