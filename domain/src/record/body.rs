//! A proposed body against its type, the definition and the record's content so far.

use serde_json::Value;

use super::{Record, RecordError, Step};
use crate::checks;
use crate::definition::{Definition, Effect, TypeRule};
use crate::fault::{self, Fault};
use crate::subject;
use crate::withholding;

/// All that is wrong with a body, at once.
pub(super) fn check(
    record: &Record,
    definition: &Definition,
    rule: &TypeRule,
    step: &Step,
    body: &Value,
) -> Result<(), RecordError> {
    let mut faults = definition.check_body(rule, body);
    if has_nul(body) {
        nul("", body, &mut faults);
    }
    corrects(record, rule, body, &mut faults);
    if withholding::is_order(definition.slug.as_str(), rule.entry_type.as_str()) {
        record.withholding.check(record.state.version, body, &mut faults);
    }
    if rule.effect != Effect::None {
        number(definition, body, &mut faults);
        validity(record, step, body, &mut faults);
        if rule.effect == Effect::Sets || body.get(subject::MEMBER).is_some() {
            faults.extend(subject::check(definition, body.get(subject::MEMBER)));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    faults.sort();
    // The schema and a rule of ours can find one fault each at the same place; the first, by name, says enough.
    faults.dedup();
    Err(RecordError::Body { faults })
}

/// No text has a NUL: PostgreSQL cannot hold one, and no document that an official reads can show it.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains('\0') || has_nul(member)),
        _ => false,
    }
}

/// Where they are.
fn nul(pointer: &str, value: &Value, faults: &mut Vec<Fault>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            faults.push(Fault::new(pointer, "has the character U+0000, which no text may have"));
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                nul(&fault::join(pointer, at), item, faults);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains('\0') {
                    faults.push(Fault::new(pointer, "has a member whose name has the character U+0000"));
                } else {
                    nul(&fault::join(pointer, name), member, faults);
                }
            }
        }
        _ => {}
    }
}

/// A correction names an earlier entry of its record; no other entry does.
fn corrects(record: &Record, rule: &TypeRule, body: &Value, faults: &mut Vec<Fault>) {
    let latest = record.state.version;
    let message = match (rule.corrects, body.get("corrects")) {
        (false, None) => return,
        (false, Some(_)) => "this entry type is not a correction: leave it out".to_owned(),
        (true, None) => format!("a correction names the version that it corrects: 1 to {latest}"),
        (true, Some(version)) => match version.as_u64() {
            Some(version) if (1..=latest).contains(&version) => return,
            _ => format!("must name an earlier version of this record: 1 to {latest}"),
        },
    };
    let pointer = "/corrects";
    if !faults.iter().any(|fault| fault.pointer == pointer) {
        faults.push(Fault::new(pointer, message));
    }
}

fn number(definition: &Definition, body: &Value, faults: &mut Vec<Fault>) {
    let Some(rule) = &definition.number else { return };
    let Some(number) = body.get(&rule.member).and_then(Value::as_str) else { return };
    if !definition.number_matches(number) {
        let message =
            format!("is not an official number of this register, which looks like {}", rule.example);
        faults.push(Fault::new(fault::join("", &rule.member), message));
    }
}

/// Both days exist, and the last is after the first, counting what the content says already.
fn validity(record: &Record, step: &Step, body: &Value, faults: &mut Vec<Fault>) {
    let (Some(from), Some(until)) = (&step.valid_from, &step.valid_until) else { return };
    let amends = step.effect == Effect::Amends;
    let mut day = |name: &str, known| match body.get(name) {
        None => known,
        Some(Value::Null) => None,
        Some(given) => {
            let day = checks::date(given.as_str().unwrap_or_default());
            let pointer = fault::join("", name);
            if let Err(error) = day
                && !faults.iter().any(|fault| fault.pointer == pointer)
            {
                faults.push(Fault::new(pointer, error.to_string()));
            }
            day.ok()
        }
    };
    let from_day = day(from, record.state.valid_from.filter(|_| amends));
    let until_day = day(until, record.state.valid_until.filter(|_| amends));
    if let (Some(from_day), Some(until_day)) = (from_day, until_day)
        && until_day <= from_day
    {
        // The member that this body gives is the one to change.
        let at = if body.get(until).is_some() { until } else { from };
        let message =
            format!("validity must end after it begins: `{until}` must be a later date than `{from}`");
        faults.push(Fault::new(fault::join("", at), message));
    }
}
