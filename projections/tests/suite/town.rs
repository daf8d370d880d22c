//! A small town: a department `town`, the platform's registers, and the register `permits`, with a writer of entries
//! that signs as a department would.

use domain::{
    definitions::Definitions,
    withholding::{self, WITHHELD},
};
use eventstore::{NewEntry, NewLog, Store, StoredEntry, Submission, Withhold};
use proofs::{
    body::{self, Salt},
    jcs,
    key::PrivateKey,
    slug::Slug,
    statement::Statement,
    time::Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// An entry to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    pub register: String,
    pub record: Uuid,
    pub version: u64,
    pub entry_type: String,
    pub effective_at: Timestamp,
    pub body: Value,
}

pub fn draft(register: &str, record: Uuid, version: u64, entry_type: &str, body: Value) -> Draft {
    let effective_at = Timestamp::from_millis(1_700_000_000_000 + i64::try_from(version).unwrap());
    Draft { register: register.into(), record, version, entry_type: entry_type.into(), effective_at, body }
}

/// The n-th identifier of a kind.
pub fn id(kind: u8, n: u64) -> Uuid {
    let mut bytes = [0_u8; 16];
    bytes[9..15].copy_from_slice(&n.to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[15] = kind;
    Uuid::from_bytes(bytes)
}

pub fn person(n: u64) -> Uuid {
    id(1, n)
}

pub fn slug(name: &str) -> Slug {
    name.parse().expect("a slug")
}

/// Opens the logs and defines the registers: positions 1 to 3.
pub async fn found(store: &Store) {
    let definitions = [platform_definition("registers"), persons(), permits(true)];
    open(store, &["registers", "persons", "permits"]).await;
    let entries =
        definitions.iter().zip(1..).map(|(definition, n)| entry(&define(store, n, definition))).collect();
    let submission = Submission { entries, ..Submission::default() };
    store.submit(submission).await.expect("the town is founded");
}

/// Opens logs, all with one key.
pub async fn open(store: &Store, registers: &[&str]) {
    let key = PrivateKey::from_seed(&[3; 32]);
    let mut opens = Vec::new();
    for register in registers {
        store.put_key(register, eventstore::CHECKPOINT, &key).await.expect("the key is kept");
        opens.push(NewLog { register: slug(register), key: key.public() });
    }
    store.submit(Submission { opens, ..Submission::default() }).await.expect("the logs open");
}

pub fn define(store: &Store, n: u64, definition: &Value) -> Draft {
    let register = definition["slug"].as_str().expect("a slug");
    let origin = store.origin(&slug(register));
    let key = proofs::note::NoteSigner::new(&origin, PrivateKey::from_seed(&[3; 32])).expect("a key name");
    let body = json!({"slug": register, "definition": definition, "key": key.verifier().to_string()});
    draft("registers", id(9, n), 1, "defined", body)
}

/// Appends the entries as one submission; gives the position of the last.
pub async fn append(store: &Store, drafts: &[Draft]) -> u64 {
    let entries = drafts.iter().map(entry).collect();
    let orders = drafts.iter().filter(|draft| draft.entry_type == WITHHELD);
    let withholds = orders.map(|order| Withhold {
        record: order.record,
        by: order.version,
        versions: withholding::versions(&order.body),
    });
    let withholds = withholds.collect();
    let submission = Submission { entries, withholds, ..Submission::default() };
    let appended = store.submit(submission).await.expect("appended");
    appended.last().expect("at least one").position
}

fn entry(draft: &Draft) -> NewEntry {
    let body = jcs::canonical(&draft.body).expect("canonical");
    let salt = Salt([5; 16]);
    let statement = Statement {
        register: slug(&draft.register),
        record: draft.record,
        version: draft.version,
        entry_type: draft.entry_type.parse().expect("a type"),
        effective_at: draft.effective_at,
        issuer: slug("town"),
        body: body::digest(&salt, &body),
    };
    let number = draft.body.get("number").and_then(Value::as_str).map(str::to_owned);
    let number = number.filter(|_| draft.register == "permits");
    NewEntry { statement: statement.sign(&PrivateKey::from_seed(&[4; 32])), body, salt, number }
}

/// The definitions in force, folded as `api` does.
pub async fn definitions(store: &Store) -> Definitions {
    let mut definitions = Definitions::default();
    let entries = store.read_register(&slug("registers"), 0, 1_000).await.expect("read");
    for entry in &entries {
        let body = body_of(entry);
        let statement = entry.statement.statement();
        let view = domain::EntryView {
            register: &entry.register,
            record: statement.record,
            version: statement.version,
            entry_type: &statement.entry_type,
            effective_at: statement.effective_at,
            recorded_at: entry.recorded_at,
            issuer: &statement.issuer,
            position: entry.position,
            body: Some(&body),
        };
        definitions.apply(&view).expect("definitions fold");
    }
    definitions
}

pub fn body_of(entry: &StoredEntry) -> Value {
    serde_json::from_slice(entry.body.as_ref().expect("a body")).expect("JSON")
}

fn title(words: &str) -> Value {
    json!({"ru": format!("{words} (ru)"), "en": words})
}

fn status(name: &str, in_force: bool) -> Value {
    json!({"status": name, "title": title(name), "in_force": in_force})
}

fn kind(name: &str, from: Option<&[&str]>, to: Option<&str>, effect: &str) -> Value {
    json!({"type": name, "title": title(name), "from": from, "to": to, "effect": effect, "schema": {}})
}

fn platform_definition(register: &str) -> Value {
    json!({
        "slug": register, "title": title(register), "owner": "town", "kind": "platform",
        "visibility": "public", "group": "other", "subjects": [], "legal_basis": [],
        "statuses": [status("active", true), status("closed", false)],
        "types": [kind("defined", None, Some("active"), "sets"),
                  kind("redefined", Some(&["active"]), None, "amends")],
    })
}

fn persons() -> Value {
    let mut definition = platform_definition("persons");
    definition["visibility"] = json!("restricted");
    definition["types"] = json!([
        kind("opened", None, Some("active"), "sets"),
        kind("amended", Some(&["active"]), None, "amends"),
        kind("closed", Some(&["active"]), Some("closed"), "none"),
    ]);
    definition
}

/// The register `permits`. Redefined, a suspended permit stays in force, `suspended` is called otherwise and the
/// register is shown in another group.
pub fn permits(original: bool) -> Value {
    let alive: Option<&[&str]> = Some(&["valid", "suspended"]);
    let mut suspended = status("suspended", !original);
    if !original {
        suspended["title"] = title("paused");
    }
    let mut corrected = kind("corrected", alive, None, "amends");
    corrected["corrects"] = json!(true);
    json!({
        "slug": "permits", "title": title("permits"), "owner": "town", "kind": "permit",
        "visibility": "status-public", "group": if original { "business" } else { "nature" },
        "number": {"member": "number", "pattern": "^.+$", "example": "1", "title": title("number")},
        "validity": {"from": "valid_from", "until": "valid_until"},
        "subjects": [
            {"role": "holder", "title": title("holder"), "kinds": ["person", "organisation"], "min": 0, "max": 9},
            {"role": "heir", "title": title("heir"), "kinds": ["person"], "min": 0, "max": 9},
        ],
        "legal_basis": [],
        "statuses": [status("valid", true), suspended, status("revoked", false)],
        "types": [
            kind("issued", None, Some("valid"), "sets"),
            kind("replaced", alive, Some("valid"), "sets"),
            kind("amended", alive, None, "amends"),
            corrected,
            kind("suspended", Some(&["valid"]), Some("suspended"), "none"),
            kind("reinstated", Some(&["suspended"]), Some("valid"), "none"),
            kind("revoked", alive, Some("revoked"), "none"),
        ],
    })
}

/// An order that bodies of a record be withheld.
pub fn withhold(register: &str, record: Uuid, version: u64, versions: &[u64]) -> Draft {
    let order = json!({"authority": "court", "number": "2-1/2026", "date": "2026-02-01"});
    draft(register, record, version, WITHHELD, json!({"order": order, "versions": versions}))
}

/// The entry that redefines `permits`.
pub fn redefine(version: u64, original: bool) -> Draft {
    draft("registers", id(9, 3), version, "redefined", json!({"definition": permits(original)}))
}

pub fn holder(person: Uuid) -> Value {
    json!({"role": "holder", "person": person})
}

pub fn heir(person: Uuid) -> Value {
    json!({"role": "heir", "person": person})
}
