//! Rules: what is refused, what is evaluated, and that it is always the same.

mod evaluated;
mod fixtures;
mod folded;
mod refused;

use std::sync::Arc;

use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::definitions::Definitions;
use crate::record::RecordEvent;
use crate::testing::{Recorded, at, fixture, private_key, slug, verifier_key};

/// A rule that is right: of a first child, to the mother.
pub fn right() -> Value {
    json!({
        "slug": "first-child", "title": {"ru": "Р", "en": "First child"}, "situation": "birth-of-a-child", "kind": "family",
        "department": "sfr",
        "cause": {"entry": {"register": "births", "types": ["recorded"]}},
        "for": "subject:mother",
        "reads": ["maternity-capital-certificates"],
        "family": ["children", "spouse"],
        "let": [{"name": "child_count", "is": "size(family.children)"}],
        "when": "child_count == 1 && size(account['maternity-capital-certificates']) == 0",
        "effect": {"offer": {
            "service": "maternity-capital", "title": {"ru": "Р", "en": "Maternity capital"}, "department": "sfr",
            "values": {"mother": "person.name.family", "born": "cause.content.child.birth_date", "inn": "person.inn"}
        }},
        "expires_days": 90,
        "legal_basis": [{"title": {"ru": "Р", "en": "L"}, "citation": "256-ФЗ"}],
        "in_force": {"from": "2007-01-01", "until": null}
    })
}

/// The rule with one member changed, at a JSON Pointer.
pub fn with(mut rule: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match rule.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer} is in neither an object nor an array"),
    }
    rule
}

pub fn compiled(rule: &Value) -> Arc<CompiledRule> {
    CompiledRule::compile(rule).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// Every register of the fixtures in force, under their owners.
pub fn definitions() -> Definitions {
    let mut definitions = Definitions::default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/registers");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for (position, path) in (1..).zip(&names) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let key = verifier_key(&format!("registers.example.gov/registers/{name}")).to_string();
        let body = json!({"slug": name, "definition": fixture(name), "key": key});
        let made = (u128::from(position), 1);
        let entry = Recorded::new("registers", position, "2020-01-01", made, "defined", body);
        definitions.apply(&entry.view()).unwrap();
    }
    definitions
}

/// Every department of the fixtures.
pub fn departments() -> crate::departments::Departments {
    let mut departments = crate::departments::Departments::default();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/departments");
    for (position, entry) in (1..).zip(std::fs::read_dir(folder).unwrap()) {
        let mut body: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        body["key"] = json!(private_key(1).public().jwk());
        let made = (u128::from(position), 1);
        let entry = Recorded::new("departments", position, "2020-01-01", made, "established", body);
        departments.apply(&entry.view()).unwrap();
    }
    departments
}

/// A world of records, under the definitions of the fixtures.
pub struct World {
    pub definitions: Definitions,
    pub source: MemorySource,
    position: u64,
}

impl World {
    pub fn new() -> Self {
        Self { definitions: definitions(), source: MemorySource::default(), position: 1000 }
    }

    /// Records an entry: no schema is asked, so that tests say only what they are about.
    pub fn record(
        &mut self,
        register: &str,
        made: (u128, u64),
        when: &str,
        kind: &str,
        body: Value,
    ) -> RecordEvent {
        self.position += 1;
        let entry = Recorded::new(register, self.position, when, made, kind, body);
        let event = crate::record::resolve(&entry.view(), &self.definitions).unwrap();
        let definition = &self.definitions.current(&slug(register)).unwrap().definition;
        self.source.step(&event, definition);
        event
    }

    pub fn person(&mut self, id: u128, born: &str) {
        let body = json!({"name": {"family": format!("F{id}"), "given": "G"}, "birth_date": born, "sex": "female",
            "address": {"region": "Москва"}});
        self.record("persons", (id, 1), "2020-01-01", "opened", body);
    }

    pub fn birth(
        &mut self,
        id: u128,
        when: &str,
        (child, mother, father): (u128, u128, u128),
    ) -> RecordEvent {
        let subject = |role: &str, person: u128| json!({"role": role, "person": Uuid::from_u128(person)});
        let subjects = json!([subject("child", child), subject("mother", mother), subject("father", father)]);
        self.record(
            "births",
            (id, 1),
            when,
            "recorded",
            json!({"child": {"birth_date": when}, "subjects": subjects}),
        )
    }

    pub fn cause(&self, event: &RecordEvent) -> Cause {
        Cause::entry(event, self.source.record(event.record).unwrap().clone())
    }

    pub fn evaluate(
        &self,
        rule: &CompiledRule,
        cause: &Cause,
        person: u128,
        today: &str,
    ) -> Result<Verdict, EvalError> {
        rule.evaluate(cause, Uuid::from_u128(person), &self.source, at(today).date())
    }
}

pub fn register(name: &str) -> Slug {
    slug(name)
}
