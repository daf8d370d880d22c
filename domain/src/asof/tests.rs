use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::testing::{Recorded, at, private_key, small_definition};

/// The definition of a register `permits` whose content has subjects and a term.
fn permits(revoked_from: &Value) -> Value {
    let mut definition = small_definition("permits", "platform");
    let title = json!({"ru": "Слово", "en": "Word"});
    let kind = |name: &str, from: Value, to: Value, effect: &str, corrects: bool| json!({"type": name, "title": title, "from": from, "to": to, "effect": effect, "corrects": corrects, "schema": {"type": "object"}});
    let alive = json!(["valid", "suspended"]);
    definition["statuses"].as_array_mut().unwrap().push(json!(
        {"status": "suspended", "title": title, "in_force": false}));
    definition["subjects"] =
        json!([{"role": "holder", "title": title, "kinds": ["person"], "min": 0, "max": 9}]);
    definition["validity"] = json!({"from": "from", "until": "until"});
    definition["types"] = json!([
        kind("issued", Value::Null, json!("valid"), "sets", false),
        kind("replaced", alive.clone(), json!("valid"), "sets", false),
        kind("amended", alive.clone(), Value::Null, "amends", false),
        kind("corrected", alive.clone(), Value::Null, "amends", true),
        kind("suspended", json!(["valid"]), json!("suspended"), "none", false),
        kind("reinstated", json!(["suspended"]), json!("valid"), "none", false),
        kind("revoked", revoked_from.clone(), json!("revoked"), "none", false),
    ]);
    definition
}

fn definitions() -> Definitions {
    let key = proofs::note::VerifierKey::new(
        "registers.example.gov/registers/permits",
        proofs::note::KeyType::Ed25519,
        private_key(9).public(),
    )
    .unwrap();
    let body = crate::register::body(&permits(&json!(["valid", "suspended"])), &key);
    let mut definitions = Definitions::default();
    let defined = Recorded::new("registers", 1, "2020-01-01", (0xd, 1), "defined", body);
    definitions.apply(&defined.view()).unwrap();
    definitions
}

/// An entry of record 7, with the days on which it was recorded and takes effect.
#[derive(Debug, Clone)]
struct Made {
    kind: &'static str,
    recorded: String,
    effective: String,
    body: Value,
}

fn made(kind: &'static str, recorded: &str, effective: &str, body: Value) -> Made {
    Made { kind, recorded: recorded.to_owned(), effective: effective.to_owned(), body }
}

fn past(entries: &[Made], recorded: &str, effective: &str) -> Option<Past> {
    let moment = |text: &str| if text.is_empty() { None } else { Some(text.parse::<Moment>().unwrap()) };
    let as_of = AsOf::new(moment(recorded), moment(effective), at("2030-01-01")).unwrap();
    let recorded: Vec<Recorded> = (1..)
        .zip(entries)
        .map(|(version, made)| {
            Recorded::new("permits", version + 1, &made.recorded, (7, version), made.kind, made.body.clone())
        })
        .collect();
    let views = recorded
        .iter()
        .zip(entries)
        .map(|(entry, made)| EntryView { effective_at: at(&made.effective), ..entry.view() });
    fold(views, &definitions(), as_of).unwrap()
}

fn told(past: Option<Past>) -> (String, u64, Value) {
    past.map_or_else(
        || ("none".to_owned(), 0, Value::Null),
        |past| (past.record.state.status.clone(), past.record.state.version, past.record.content.to_json()),
    )
}

#[test]
fn what_the_register_said_in_march_as_it_was_known_in_june() {
    let life = [
        made("issued", "2026-01-10", "2026-01-10", json!({"category": "B"})),
        // Learnt in May: it was suspended from February.
        made("suspended", "2026-05-01", "2026-02-01", json!({})),
        // Learnt in July: it never should have been.
        made("reinstated", "2026-07-01", "2026-02-01", json!({})),
        // Decided in July, for the next year.
        made("amended", "2026-07-02", "2027-01-01", json!({"category": "C"})),
    ];
    let b = json!({"category": "B"});
    let seen = |recorded: &str, effective: &str| told(past(&life, recorded, effective));
    assert_eq!(seen("2026-03-01", "2026-03-01"), ("valid".to_owned(), 1, b.clone()));
    assert_eq!(seen("2026-06-01", "2026-03-01"), ("suspended".to_owned(), 2, b.clone()));
    assert_eq!(seen("2026-08-01", "2026-03-01"), ("valid".to_owned(), 3, b.clone()));
    assert_eq!(seen("", "2026-03-01"), ("valid".to_owned(), 3, b.clone()));
    // The present shows what is decided for later; as of a day it does not count yet.
    let c = json!({"category": "C"});
    assert_eq!(seen("", ""), ("valid".to_owned(), 4, c.clone()));
    assert_eq!(seen("", "2026-08-01"), ("valid".to_owned(), 3, b));
    assert_eq!(seen("2026-08-01", "2027-01-01"), ("valid".to_owned(), 4, c));
    // Nothing was there yet: neither known nor so.
    assert_eq!(seen("2026-01-09", "").0, "none");
    assert_eq!(seen("", "2026-01-09").0, "none");
}

#[test]
fn a_record_whose_making_has_not_taken_effect_does_not_exist() {
    let life = [
        made("issued", "2026-01-10", "2026-06-01", json!({"category": "B"})),
        made("amended", "2026-01-11", "2026-02-01", json!({"category": "C"})),
    ];
    assert_eq!(told(past(&life, "", "2026-03-01")).0, "none");
    assert_eq!(told(past(&life, "", "2026-06-01")), ("valid".to_owned(), 2, json!({"category": "C"})));
}

#[test]
fn a_correction_counts_from_when_it_has_effect() {
    let life = [
        made("issued", "2026-01-10", "2026-01-10", json!({"until": "2027-01-01"})),
        made("corrected", "2026-04-01", "2026-01-10", json!({"corrects": 1, "until": "2028-01-01"})),
    ];
    let until = |recorded: &str, effective: &str| {
        past(&life, recorded, effective).unwrap().record.state.valid_until.unwrap().to_string()
    };
    assert_eq!(until("2026-03-01", "2026-02-01"), "2027-01-01");
    assert_eq!(until("", "2026-02-01"), "2028-01-01");
}

fn holder(person: u128) -> Value {
    json!([{"role": "holder", "person": Uuid::from_u128(person)}])
}

/// The second holder's entry says what was so in the first one's time: it was never the first's to read.
#[test]
fn who_was_left_by_the_record_sees_nothing_that_came_later() {
    let life = [
        made("issued", "2026-01-10", "2026-01-10", json!({"subjects": holder(1), "address": "a"})),
        made("amended", "2026-03-01", "2026-03-01", json!({"subjects": holder(2)})),
        made("amended", "2026-04-01", "2026-02-01", json!({"address": "b"})),
    ];
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let seen = |recorded: &str, effective: &str| {
        let past = past(&life, recorded, effective).unwrap();
        (past.concerned, past.seen_by)
    };
    assert_eq!(seen("2026-02-15", ""), (vec![one], vec![one]));
    assert_eq!(seen("2026-03-15", "2026-02-15"), (vec![one], vec![one]));
    assert_eq!(seen("", "2026-02-15"), (vec![one], vec![]));
    assert_eq!(seen("", ""), (vec![two], vec![two]));
}

#[test]
fn times_are_days_or_moments_and_never_in_the_future_of_what_is_known() {
    let now = at("2026-06-01T12:00:00.000Z");
    let as_of = |recorded: &str| AsOf::new(Some(recorded.parse().unwrap()), None, now);
    assert_eq!(as_of("2026-05-31").unwrap().recorded, at("2026-05-31T23:59:59.999Z"));
    assert_eq!(as_of("2026-06-01").unwrap().recorded, now);
    assert_eq!(as_of("2026-06-01T14:59:59+03:00").unwrap().recorded, at("2026-06-01T11:59:59.000Z"));
    assert_eq!(as_of("2026-06-01T12:00:00Z").unwrap().recorded, now);
    for future in ["2026-06-02", "2026-06-01T12:00:00.001Z", "9999-12-31"] {
        assert_eq!(as_of(future), Err(AsOfError::Future), "{future}");
    }
    let later = AsOf::new(None, Some("9999-12-31".parse().unwrap()), now).unwrap();
    assert_eq!(later, AsOf::PRESENT);
    for bad in [
        "",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "2026-6-1",
        "yesterday",
        "2026-06-01T00:00:00 03:00",
        "2026-06-01T00:00:00",
    ] {
        assert_eq!(bad.parse::<Moment>(), Err(AsOfError::Form), "{bad}");
    }
}

/// What a record says, worked out the slow way: member by member, from the last entry backwards.
fn naive(entries: &[Made], recorded: &str, effective: &str) -> (String, u64, Value) {
    let left: Vec<(usize, &Made)> = entries
        .iter()
        .enumerate()
        .filter(|(_, made)| made.recorded.as_str() <= recorded && made.effective.as_str() <= effective)
        .collect();
    if left.first().is_none_or(|(at, _)| *at != 0) {
        return ("none".to_owned(), 0, Value::Null);
    }
    let status = left.iter().rev().find_map(|(_, made)| match made.kind {
        "issued" | "replaced" | "reinstated" => Some("valid"),
        "suspended" => Some("suspended"),
        "revoked" => Some("revoked"),
        _ => None,
    });
    let set = left.iter().rposition(|(_, made)| ["issued", "replaced"].contains(&made.kind)).unwrap();
    let mut content = Map::new();
    for name in ["category", "subjects", "until"] {
        let mut said = left[set..]
            .iter()
            .rev()
            .filter(|(_, made)| !["suspended", "reinstated", "revoked"].contains(&made.kind));
        let value = said.find_map(|(_, made)| made.body.get(name).map(|value| (made.kind, value)));
        // Null removes where it amends, and stands where it sets.
        let sets = |kind| ["issued", "replaced"].contains(&kind);
        if let Some((_, value)) = value.filter(|(kind, value)| sets(*kind) || !value.is_null()) {
            content.insert(name.to_owned(), value.clone());
        }
    }
    (status.unwrap().to_owned(), left.last().unwrap().0 as u64 + 1, Value::Object(content))
}

fn lives() -> impl Strategy<Value = Vec<Made>> {
    let kinds = ["replaced", "amended", "amended", "corrected", "suspended", "reinstated", "revoked"];
    let step = (0..kinds.len(), 0..3_u32, 1..28_u32, 1..9_u32, 0..5_u8);
    proptest::collection::vec(step, 1..9).prop_map(move |steps| {
        let mut day = 0;
        let mut life = Vec::new();
        for (kind, wait, effective, month, members) in steps {
            day += wait;
            let kind = if life.is_empty() { "issued" } else { kinds[kind] };
            let mut body = json!({});
            if members > 0 {
                body["category"] = json!(format!("{kind} {month}"));
            }
            if members > 2 {
                body["subjects"] = holder(u128::from(effective % 3));
            }
            if members == 4 {
                body["until"] =
                    if wait == 0 { Value::Null } else { json!(format!("2030-01-{effective:02}")) };
            }
            if kind == "corrected" {
                body["corrects"] = json!(1);
            }
            let recorded = format!("2026-04-{:02}", 1 + day % 28);
            life.push(made(kind, &recorded, &format!("2026-{month:02}-{effective:02}"), body));
        }
        life.sort_by(|one, other| one.recorded.cmp(&other.recorded));
        if let Some(at) = life.iter().position(|made| made.kind == "issued") {
            let recorded = life[0].recorded.clone();
            let mut issued = life.remove(at);
            issued.recorded = recorded;
            life.insert(0, issued);
        }
        life
    })
}

proptest! {
    #[test]
    fn agrees_with_a_naive_recomputation(
        life in lives(), recorded in 0..31_u32, effective in (1..9_u32, 1..28_u32),
    ) {
        let recorded = if recorded == 0 { "2026-03-31".to_owned() } else { format!("2026-04-{:02}", recorded.min(30)) };
        let effective = format!("2026-{:02}-{:02}", effective.0, effective.1);
        prop_assert_eq!(told(past(&life, &recorded, &effective)), naive(&life, &recorded, &effective));
        prop_assert_eq!(told(past(&life, "", "")), naive(&life, "9", "9"));
        let known = past(&life, "", "").unwrap();
        prop_assert_eq!(&known.seen_by, &known.concerned);
    }
}
