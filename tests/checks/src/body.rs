//! Bodies against a schema: what is wrong is told by JSON Pointers made of the body's own names, and never by its values.

use std::sync::{Arc, LazyLock};

use domain::Fault;
use domain::definition::Definition;
use proofs::jcs;
use serde_json::Value;

/// Registers whose schemas have what schemas can have: alternatives, items, patterns, formats, conditions.
static DEFINITIONS: LazyLock<Vec<Arc<Definition>>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../../fixtures/registers/driving-licences.json"),
        include_str!("../../../fixtures/registers/real-estate.json"),
        include_str!("../../../fixtures/registers/births.json"),
    ];
    let definition = |text: &&str| {
        Definition::from_json(&serde_json::from_str(text).expect("a fixture is JSON")).expect("and right")
    };
    texts.iter().map(definition).collect()
});

/// Where messages come from, with the examples in them.
const MESSAGES: [&str; 2] =
    [include_str!("../../../domain/src/checks.rs"), include_str!("../../../domain/src/definition/body.rs")];

/// Values shorter than this stand in the definition's own words too often to tell where they come from.
const TOLD_CHARACTERS_MIN: usize = 12;
/// Faults that are told at most.
const FAULTS_MAX: usize = 100;

/// Each fault of a body stands at a place that the body has, or where a member is missing; no message repeats a value.
pub fn body(bytes: &[u8]) -> bool {
    let Ok(body) = jcs::parse(bytes) else { return false };
    let mut texts = Vec::new();
    strings(&body, &mut texts);
    texts.retain(|text| !MESSAGES.iter().any(|own| own.contains(*text)));
    for definition in DEFINITIONS.iter() {
        let own = definition.to_json().to_string();
        texts.retain(|text| !own.contains(*text));
        for rule in &definition.types {
            let faults = definition.check_body(rule, &body);
            assert!(faults.is_sorted() && faults.len() <= FAULTS_MAX);
            assert_eq!(faults, definition.check_body(rule, &body), "the same body, the same faults");
            for fault in &faults {
                holds(fault, &body, &texts);
            }
        }
    }
    body.is_object()
}

fn holds(fault: &Fault, body: &Value, texts: &[&str]) {
    assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "no pointer: {}", fault.pointer);
    let parent = fault.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let escaped = fault.pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    assert!(escaped, "a tilde that escapes nothing: {}", fault.pointer);
    let place = body.pointer(&fault.pointer).or_else(|| body.pointer(parent));
    assert!(place.is_some(), "the body has no such place: {}", fault.pointer);
    assert!(!fault.message.is_empty());
    for text in texts {
        assert!(!fault.message.contains(text), "a message repeats a value: {}", fault.message);
    }
}

/// The texts in a body that are long enough.
fn strings<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if text.chars().count() >= TOLD_CHARACTERS_MIN => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, texts)),
        Value::Object(members) => members.values().for_each(|member| strings(member, texts)),
        _ => {}
    }
}
