//! What must hold in a definition: its form, and that its parts agree with each other.

use std::collections::HashSet;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::provided::{CONTROL_MEMBERS, provided_defs};
use super::{Definition, Effect, TypeRule, body, unfolded};
use crate::fault::Fault;
use crate::withholding::WITHHELD;

/// Longest schema of one entry type, in bytes of compact JSON: the largest fixture's takes some 4 KiB.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Longest definition, in bytes of compact JSON. It is the body of an entry, and 64 types of 4 KiB fit.
pub const BYTES_MAX: usize = 512 * 1024;

/// The form of a definition: which members there are, of which types, and how many.
pub(super) fn form(json: &Value) -> Result<(), Vec<Fault>> {
    static FORM: LazyLock<Option<Validator>> = LazyLock::new(|| {
        let schema: Value = serde_json::from_str(include_str!("definition.schema.json")).ok()?;
        body::build(&schema).ok()
    });
    let bytes = json.to_string().len();
    if bytes > BYTES_MAX {
        return Err(vec![Fault::new(
            "",
            format!("a definition takes at most {BYTES_MAX} bytes, and this one {bytes}"),
        )]);
    }
    let Some(form) = FORM.as_ref() else {
        return Err(vec![Fault::new("", "the engine's own schema of definitions does not compile")]);
    };
    let faults = body::faults(form, json);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// What the form cannot say.
pub(super) fn consistency(definition: &Definition) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    names(definition, &mut faults);
    for (at, rule) in definition.types.iter().enumerate() {
        type_rule(definition, rule, &format!("/types/{at}"), &mut faults);
    }
    if definition.opening_types().next().is_none() {
        faults.push(Fault::new("/types", "no type has `from: null`, so that no record could ever be made"));
    }
    number(definition, &mut faults);
    validity(definition, &mut faults);
    subjects(definition, &mut faults);
    if let Some(defs) = &definition.defs {
        let taken = defs.keys().filter(|name| provided_defs().contains_key(*name));
        faults.extend(
            taken.map(|name| Fault::new(format!("/defs/{name}"), "the engine provides a $def of this name")),
        );
    }
    faults.sort();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// No name stands twice in its list.
fn names(definition: &Definition, faults: &mut Vec<Fault>) {
    let mut unique = |list: &str, member: &str, names: Vec<&str>| {
        let mut seen = HashSet::new();
        for (at, name) in names.into_iter().enumerate() {
            if !seen.insert(name) {
                faults.push(Fault::new(format!("/{list}/{at}/{member}"), format!("`{name}` stands twice")));
            }
        }
    };
    unique("statuses", "status", definition.statuses.iter().map(|rule| rule.status.as_str()).collect());
    unique("types", "type", definition.types.iter().map(|rule| rule.entry_type.as_str()).collect());
    unique("subjects", "role", definition.subjects.iter().map(|rule| rule.role.as_str()).collect());
    if let Some(at) = definition.types.iter().position(|rule| rule.entry_type == *WITHHELD) {
        let message =
            format!("`{WITHHELD}` is the engine's own type, which every register has: leave it out");
        faults.push(Fault::new(format!("/types/{at}/type"), message));
    }
}

fn type_rule(definition: &Definition, rule: &TypeRule, at: &str, faults: &mut Vec<Fault>) {
    for (index, status) in rule.from.iter().flatten().enumerate() {
        match definition.status(status) {
            None => faults
                .push(Fault::new(format!("{at}/from/{index}"), format!("there is no status `{status}`"))),
            Some(from) if from.is_final && rule.to.as_ref().is_some_and(|to| to != status) => {
                let message = format!("the status `{status}` is final, so that no type leads out of it");
                faults.push(Fault::new(format!("{at}/from/{index}"), message));
            }
            Some(_) => {}
        }
    }
    match &rule.to {
        Some(status) if definition.status(status).is_none() => {
            faults.push(Fault::new(format!("{at}/to"), format!("there is no status `{status}`")));
        }
        None if rule.from.is_none() => {
            faults
                .push(Fault::new(format!("{at}/to"), "a type that makes a new record must lead to a status"));
        }
        _ => {}
    }
    if rule.corrects && rule.from.is_none() {
        faults.push(Fault::new(
            format!("{at}/from"),
            "a correction needs an earlier entry, so that `from` is a list",
        ));
    }
    schema(definition, rule, at, faults);
}

fn schema(definition: &Definition, rule: &TypeRule, at: &str, faults: &mut Vec<Fault>) {
    let bytes = rule.schema.to_string().len();
    if bytes > SCHEMA_BYTES_MAX {
        let message = format!("a schema takes at most {SCHEMA_BYTES_MAX} bytes, and this one {bytes}");
        return faults.push(Fault::new(format!("{at}/schema"), message));
    }
    if rule.schema["type"] != "object" {
        faults.push(Fault::new(
            format!("{at}/schema/type"),
            "a body is an object: the schema's `type` is \"object\"",
        ));
    }
    if let Err(message) = unfolded::check(&rule.schema, definition.defs.as_ref()) {
        return faults.push(Fault::new(format!("{at}/schema"), message));
    }
    // Compiling fails as a whole; the pointer inside the schema is the library's, and may be empty.
    match body::compile(&rule.schema, definition.defs.as_ref()) {
        Ok(_) => {}
        Err(fault) => faults.push(fault.under(&format!("{at}/schema"))),
    }
    let properties = format!("{at}/schema/properties");
    if rule.corrects && lacks(rule, "corrects") {
        let message = "a correction's body names the version it corrects: add \"corrects\": {\"$ref\": \"#/$defs/corrects\"}";
        faults.push(Fault::new(properties.clone(), message));
    }
    let needs_subjects = definition.subjects.iter().any(|subject| subject.min > 0);
    if rule.effect == Effect::Sets && needs_subjects && lacks(rule, "subjects") {
        let message =
            "the body must say whom the record concerns: add \"subjects\": {\"$ref\": \"#/$defs/subjects\"}";
        faults.push(Fault::new(properties, message));
    }
}

/// Does the schema certainly refuse this member at the top level?
fn lacks(rule: &TypeRule, member: &str) -> bool {
    let is_closed = rule.schema["additionalProperties"] == false;
    let has_other_ways = ["allOf", "anyOf", "oneOf", "$ref", "patternProperties", "if", "dependentSchemas"]
        .iter()
        .any(|keyword| rule.schema.get(keyword).is_some());
    is_closed && !has_other_ways && rule.schema["properties"].get(member).is_none()
}

/// A member that the engine reads must be one that some body can have, and must not be one that never becomes content.
fn member(definition: &Definition, name: &str, pointer: &str, faults: &mut Vec<Fault>) {
    if CONTROL_MEMBERS.contains(&name) || name == "subjects" {
        faults.push(Fault::new(pointer, format!("`{name}` has a meaning of its own and cannot serve here")));
    } else if definition.types.iter().filter(|rule| rule.effect != Effect::None).all(|rule| lacks(rule, name))
    {
        let message = format!("no type that sets or amends the content has a member `{name}` in its schema");
        faults.push(Fault::new(pointer, message));
    }
}

fn number(definition: &Definition, faults: &mut Vec<Fault>) {
    let Some(rule) = &definition.number else { return };
    member(definition, &rule.member, "/number/member", faults);
    match body::pattern(&rule.pattern) {
        Err(fault) => faults.push(Fault::new("/number/pattern", format!("is no pattern: {}", fault.message))),
        Ok(pattern) if !pattern.is_valid(&Value::from(rule.example.as_str())) => {
            faults.push(Fault::new("/number/example", "does not match the pattern"));
        }
        Ok(_) => {}
    }
    if !(rule.pattern.starts_with('^') && rule.pattern.ends_with('$')) {
        faults.push(Fault::new(
            "/number/pattern",
            "must begin with ^ and end with $, to describe the whole number",
        ));
    }
}

fn validity(definition: &Definition, faults: &mut Vec<Fault>) {
    let Some(rule) = &definition.validity else { return };
    member(definition, &rule.from, "/validity/from", faults);
    member(definition, &rule.until, "/validity/until", faults);
    if rule.from == rule.until {
        faults.push(Fault::new("/validity/until", "must be another member than `from`"));
    }
}

fn subjects(definition: &Definition, faults: &mut Vec<Fault>) {
    for (at, rule) in definition.subjects.iter().enumerate() {
        if rule.max < rule.min {
            faults.push(Fault::new(format!("/subjects/{at}/max"), "must not be less than `min`"));
        }
    }
}
