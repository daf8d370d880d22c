//! What the projections should say, worked out the slow way: every question goes over all entries again.

use std::collections::{BTreeMap, BTreeSet};

use eventstore::Store;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::town::body_of;

/// An entry, plainly.
pub struct Fact {
    pub position: u64,
    pub register: String,
    pub record: Uuid,
    pub version: u64,
    pub kind: String,
    /// Null where it is withheld.
    pub body: Value,
}

/// All entries in order.
pub async fn facts(store: &Store) -> Vec<Fact> {
    let entries = store.read_after(0, 5_000).await.expect("read");
    let fact = |entry: &eventstore::StoredEntry| Fact {
        position: entry.position,
        register: entry.register.to_string(),
        record: entry.record(),
        version: entry.version(),
        kind: entry.statement.statement().entry_type.to_string(),
        body: entry.body.as_ref().map_or(Value::Null, |_| body_of(entry)),
    };
    entries.iter().map(fact).collect()
}

/// What is compared of a record, for one person or for a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub record: Uuid,
    pub version: u64,
    pub status: String,
    pub number: Option<String>,
    pub until: Option<String>,
    pub roles: Vec<String>,
    pub former: Option<u64>,
    pub opened: u64,
    pub changed: u64,
}

fn life(facts: &[Fact], record: Uuid) -> Vec<&Fact> {
    facts.iter().filter(|fact| fact.record == record).collect()
}

/// The records of a register, the newest first.
pub fn records(facts: &[Fact], register: &str) -> Vec<Uuid> {
    let opened = facts.iter().rev().filter(|fact| fact.register == register && fact.version == 1);
    opened.map(|fact| fact.record).collect()
}

pub fn status(life: &[&Fact], version: u64) -> String {
    let mut status = String::new();
    for fact in life.iter().filter(|fact| fact.version <= version) {
        status = match fact.kind.as_str() {
            "issued" | "replaced" | "reinstated" => "valid".into(),
            "suspended" => "suspended".into(),
            "revoked" => "revoked".into(),
            "opened" | "defined" => "active".into(),
            "closed" => "closed".into(),
            _ => status,
        };
    }
    status
}

pub fn content(life: &[&Fact], version: u64) -> Map<String, Value> {
    let mut content = Map::new();
    for fact in life.iter().filter(|fact| fact.version <= version) {
        let members = fact.body.as_object().cloned().unwrap_or_default();
        match fact.kind.as_str() {
            "issued" | "replaced" | "opened" | "defined" => content = members,
            "amended" | "corrected" | "redefined" => content.extend(members),
            _ => {}
        }
    }
    content
        .retain(|name, value| !value.is_null() && !["corrects", "basis", "reason"].contains(&name.as_str()));
    content
}

fn roles(content: &Map<String, Value>, person: Uuid) -> Vec<String> {
    let subjects = content.get("subjects").and_then(Value::as_array).cloned().unwrap_or_default();
    let person = person.to_string();
    let roles = subjects.iter().filter(|subject| subject["person"].as_str() == Some(&person));
    roles
        .map(|subject| subject["role"].as_str().unwrap().to_owned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn seen(life: &[&Fact], version: u64, roles: Vec<String>, former: Option<u64>) -> Seen {
    let content = content(life, version);
    let text = |name: &str| content.get(name).and_then(Value::as_str).map(str::to_owned);
    Seen {
        record: life[0].record,
        version,
        status: status(life, version),
        number: text("number"),
        until: text("valid_until"),
        roles,
        former,
        opened: life[0].position,
        changed: life.iter().find(|fact| fact.version == version).expect("the version").position,
    }
}

/// The permits of a person, the newest first, with those that no longer concern them.
pub fn account(facts: &[Fact], person: Uuid) -> Vec<Seen> {
    let mut found = Vec::new();
    for record in records(facts, "permits") {
        let life = life(facts, record);
        let named = |version: u64| roles(&content(&life, version), person);
        let last = life.iter().map(|fact| fact.version).filter(|version| !named(*version).is_empty()).max();
        if let Some(version) = last {
            let former = (version < life.len() as u64).then_some(version + 1);
            found.push(seen(&life, version, named(version), former));
        }
    }
    found
}

/// The permits, the newest first.
pub fn view(facts: &[Fact]) -> Vec<Seen> {
    let of = |record| {
        let life = life(facts, record);
        seen(&life, life.len() as u64, Vec::new(), None)
    };
    records(facts, "permits").into_iter().map(of).collect()
}

/// Version, type, status before and after of each step of a record.
pub fn history(facts: &[Fact], record: Uuid) -> Vec<(u64, String, Option<String>, String)> {
    let life = life(facts, record);
    let step = |fact: &&Fact| {
        let before = (fact.version > 1).then(|| status(&life, fact.version - 1));
        (fact.version, fact.kind.clone(), before, status(&life, fact.version))
    };
    life.iter().map(step).collect()
}

/// Permits by status and entries of permits by type.
pub fn counts(facts: &[Fact]) -> [BTreeMap<String, u64>; 2] {
    let mut counts = [BTreeMap::new(), BTreeMap::new()];
    for seen in view(facts) {
        *counts[0].entry(seen.status).or_default() += 1;
    }
    for fact in facts.iter().filter(|fact| fact.register == "permits") {
        *counts[1].entry(fact.kind.clone()).or_default() += 1;
    }
    counts
}

/// Every number that a permit ever had, with whether it has it now.
pub fn numbers(facts: &[Fact]) -> BTreeMap<String, (Uuid, bool)> {
    let mut numbers = BTreeMap::new();
    for now in view(facts) {
        let life = life(facts, now.record);
        for version in 1..=now.version {
            if let Some(number) = content(&life, version).get("number").and_then(Value::as_str) {
                numbers.insert(number.to_owned(), (now.record, now.number.as_deref() == Some(number)));
            }
        }
    }
    numbers
}
