//! The templates of `fixtures/samples/*.json`: `{{…}}` inside strings of a sample body.
//!
//! The list of what may stand between the braces is in `fixtures/README.md`.

use chrono::{Days, NaiveDate};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::people::{Organisation, Person};

/// What a template may refer to.
pub struct Scope<'a> {
    /// The subject of the story.
    pub person: &'a Person,
    /// The subject's household, where relatives are found by index.
    pub household: &'a [Person],
    /// The organisation of the story.
    pub organisation: &'a Organisation,
    /// The day of the entry.
    pub day: NaiveDate,
    /// Unique in the register: what `{{number:…}}` is made of.
    pub serial: u64,
    /// The body of the story's first entry.
    pub first: Option<&'a Value>,
}

/// Fills every template in a body. The error names the template that cannot be filled.
pub fn fill(value: &Value, scope: &Scope, rng: &mut ChaCha8Rng) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => string(text, scope, rng)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, scope, rng)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| Ok((name.clone(), fill(member, scope, rng)?)))
                .collect::<Result<Map<_, _>, String>>()?,
        ),
        other => other.clone(),
    })
}

fn string(text: &str, scope: &Scope, rng: &mut ChaCha8Rng) -> Result<Value, String> {
    if let Some(only) = text.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"))
        && !only.contains("{{")
    {
        if only.starts_with("int:") {
            let number = expression(only, scope, rng)?;
            return number.parse::<i64>().map(Value::from).map_err(|_| format!("{{{{{only}}}}}"));
        }
        if let Some(member) = only.strip_prefix("story:") {
            return scope.first.and_then(|body| body.get(member)).cloned().ok_or(format!("{{{{{only}}}}}"));
        }
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, tail) = after.split_once("}}").ok_or_else(|| format!("unclosed braces in {text:?}"))?;
        filled.push_str(before);
        filled.push_str(&expression(inside, scope, rng)?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(Value::String(filled))
}

fn expression(text: &str, scope: &Scope, rng: &mut ChaCha8Rng) -> Result<String, String> {
    let unknown = || format!("{{{{{text}}}}} cannot be filled here");
    if let Some(days) = text.strip_prefix("date") {
        return day(scope.day, days).ok_or_else(unknown);
    }
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    Ok(match name {
        "number" => mask(argument, scope.serial),
        "year" => scope.day.format("%Y").to_string(),
        "at" => format!("{}T09:00:00.000Z", scope.day),
        "pick" => {
            let choices: Vec<&str> = argument.split('|').collect();
            choices[rng.random_range(0..choices.len())].to_owned()
        }
        "int" => {
            let (low, high) = argument.split_once(':').ok_or_else(unknown)?;
            let (low, high): (i64, i64) =
                (low.parse().map_err(|_| unknown())?, high.parse().map_err(|_| unknown())?);
            rng.random_range(low..=high.max(low)).to_string()
        }
        "hex" => {
            let length: usize = argument.parse().map_err(|_| unknown())?;
            (0..length.min(64)).filter_map(|_| char::from_digit(rng.random_range(0..16), 16)).collect()
        }
        "uuid" => {
            let mut bytes = [0; 16];
            rng.fill(&mut bytes);
            uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
        }
        "story" => scope
            .first
            .and_then(|body| body.get(argument))
            .and_then(Value::as_str)
            .ok_or_else(unknown)?
            .to_owned(),
        _ => relative(text, scope).ok_or_else(unknown)?,
    })
}

/// `""` is the day itself, `+30` and `-30` days from it, `time` its morning as a date-time.
fn day(day: NaiveDate, shift: &str) -> Option<String> {
    if shift == "time" {
        return Some(format!("{day}T09:00:00.000Z"));
    }
    let (sign, digits) = (shift.get(..1), shift.get(1..).and_then(|d| d.parse().ok()));
    let moved = match (sign, digits) {
        (None, _) => Some(day),
        (Some("+"), Some(days)) => day.checked_add_days(Days::new(days)),
        (Some("-"), Some(days)) => day.checked_sub_days(Days::new(days)),
        _ => None,
    };
    moved.map(|day| day.to_string())
}

/// Fills each `#` of a mask with a digit so that different serials give different numbers.
fn mask(mask: &str, serial: u64) -> String {
    let places = u32::try_from(mask.matches('#').count()).unwrap_or(18).min(18);
    let modulus = 10_u64.pow(places);
    // 7 and 3 are prime to 10, and so is the step: it permutes 0..modulus.
    let mixed = (u128::from(serial) * 7_340_033_u128 + 12_345) % u128::from(modulus.max(1));
    let digits = format!("{mixed:0width$}", width = places as usize);
    let mut digits = digits.chars();
    mask.chars().map(|c| if c == '#' { digits.next().unwrap_or('0') } else { c }).collect()
}

fn relative(text: &str, scope: &Scope) -> Option<String> {
    let (who, field) = text.split_once('.').map_or((text, None), |(who, field)| (who, Some(field)));
    if who == "organisation" {
        return Some(match field? {
            "name" => scope.organisation.name.clone(),
            "inn" => scope.organisation.inn.clone(),
            "ogrn" => scope.organisation.ogrn.clone(),
            "address" => scope.organisation.address.clone(),
            _ => return None,
        });
    }
    let index = match who {
        "person" => Some(scope.person.index),
        "spouse" => scope.person.spouse,
        "child" => scope.person.children.first().copied(),
        "mother" => scope.person.parents.map(|(mother, _)| mother),
        "father" => scope.person.parents.map(|(_, father)| father),
        _ => None,
    }?;
    let person = scope.household.iter().find(|person| person.index == index)?;
    match field {
        None => Some(Uuid::to_string(&person.record)),
        Some(field) => person.field(field),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::mask;

    #[test]
    fn numbers_differ_for_different_serials() {
        let numbers: HashSet<String> = (0..5_000).map(|serial| mask("77 ## ######", serial)).collect();
        assert_eq!(numbers.len(), 5_000);
        assert!(numbers.iter().all(|number| number.starts_with("77 ") && number.len() == 12));
    }
}
