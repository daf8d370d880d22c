use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::any_record::AnyRecord;
use crate::definition::Definition;
use crate::definitions::InForce;
use crate::record::{Record, RecordError, RecordEvent};
use crate::testing::{in_force, platform, proposed};

/// Permits whose status `revoked` is final.
fn permits() -> InForce {
    let title = json!({"ru": "Слово", "en": "Word"});
    let object = json!({"type": "object"});
    let kind = |name: &str, from: Value, to: Value, effect: &str| json!({"type": name, "title": title, "from": from, "to": to, "effect": effect, "schema": object});
    let mut corrected = kind("corrected", json!(["valid"]), json!(null), "amends");
    corrected["corrects"] = json!(true);
    let definition = json!({
        "slug": "permits", "title": title, "owner": "mvd", "kind": "permit", "visibility": "status-public", "group": "other",
        "number": {"member": "number", "pattern": "^[0-9]+$", "example": "1", "title": title},
        "subjects": [{"role": "holder", "title": title, "kinds": ["person"], "min": 0, "max": 1}],
        "statuses": [
            {"status": "valid", "title": title, "in_force": true},
            {"status": "revoked", "title": title, "in_force": false, "final": true}
        ],
        "types": [
            kind("issued", json!(null), json!("valid"), "sets"),
            kind("amended", json!(["valid"]), json!(null), "amends"),
            corrected,
            kind("revoked", json!(["valid"]), json!("revoked"), "none"),
        ],
        "legal_basis": []
    });
    in_force(Definition::from_json(&definition).unwrap())
}

fn order(versions: &[u64]) -> Value {
    json!({"order": {"authority": "Тверской районный суд", "number": "2-1/2026", "date": "2026-02-01"}, "versions": versions})
}

const HOLDER: &str = "0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7b";

/// A permit with an amendment, of which each body says something.
fn life(permits: &Arc<InForce>) -> (Record, Vec<RecordEvent>) {
    let mut record = Record::default();
    let holder = json!([{"role": "holder", "person": HOLDER}]);
    let entries = [
        ("issued", json!({"number": "7", "note": "first", "subjects": holder})),
        ("amended", json!({"note": "second"})),
    ];
    let events = entries.map(|(entry_type, body)| append(&mut record, permits, entry_type, body).unwrap());
    (record, events.to_vec())
}

fn append(
    record: &mut Record,
    permits: &Arc<InForce>,
    entry_type: &str,
    body: Value,
) -> Result<RecordEvent, RecordError> {
    let event = record.decide(&proposed(permits, entry_type, body))?;
    record.step(&event);
    Ok(event)
}

#[test]
fn an_order_changes_nothing_from_any_status() {
    let permits = Arc::new(permits());
    let (mut record, _) = life(&permits);
    let before = record.clone();
    let event = append(&mut record, &permits, "withheld", order(&[1])).unwrap();
    assert_eq!((event.withholds(), event.number(), event.step.opens), (vec![1], None, false));
    assert_eq!((record.state.status.as_str(), record.state.version), ("valid", 3));
    assert_eq!((&record.content, &record.state.subjects), (&before.content, &before.state.subjects));
    append(&mut record, &permits, "revoked", json!({})).unwrap();
    append(&mut record, &permits, "withheld", order(&[2, 4])).unwrap();
    assert_eq!(record.state.status, "revoked");
    assert_eq!(record.withholding.iter().collect::<Vec<_>>(), [(1, 3), (2, 5), (4, 5)]);
    // A register that takes nothing else any more obeys a court all the same.
    let closed = Arc::new(InForce { closed: true, ..InForce::clone(&permits) });
    let (mut record, _) = life(&closed_as_open(&closed));
    append(&mut record, &closed, "withheld", order(&[1])).unwrap();
    let refused = append(&mut record, &closed, "amended", json!({})).unwrap_err();
    assert!(matches!(refused, RecordError::Closed { .. }), "{refused}");
}

fn closed_as_open(closed: &Arc<InForce>) -> Arc<InForce> {
    Arc::new(InForce { closed: false, ..InForce::clone(closed) })
}

#[test]
fn the_versions_named_are_checked_against_the_record() {
    let permits = Arc::new(permits());
    let (mut record, _) = life(&permits);
    append(&mut record, &permits, "withheld", order(&[1])).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = order(&[2]);
        change(&mut body);
        body
    };
    for (body, pointer) in [
        (order(&[]), "/versions"),
        (order(&[0]), "/versions/0"),
        (order(&[1]), "/versions/0"),
        (order(&[2, 2]), "/versions/1"),
        (order(&[2, 1]), "/versions/1"),
        (order(&[3]), "/versions/0"),
        (order(&[2, 4]), "/versions/1"),
        (with(&|body| body["versions"] = json!(["2"])), "/versions/0"),
        (with(&|body| body["order"]["date"] = json!("1 February")), "/order/date"),
        (with(&|body| drop(body["order"].as_object_mut().unwrap().remove("authority"))), "/order/authority"),
        (with(&|body| body["corrects"] = json!(1)), "/corrects"),
    ] {
        let refused = record.decide(&proposed(&permits, "withheld", body.clone())).unwrap_err();
        let pointers: Vec<_> = refused.faults().into_iter().map(|fault| fault.pointer).collect();
        assert!(pointers.iter().any(|found| found == pointer), "{body}: {pointers:?}");
    }
    record.decide(&proposed(&permits, "withheld", order(&[2]))).unwrap();
    let refused = Record::default().decide(&proposed(&permits, "withheld", order(&[1]))).unwrap_err();
    assert!(matches!(refused, RecordError::NoRecord { .. }), "{refused}");
}

#[test]
fn a_record_whose_bodies_are_gone_goes_on() {
    let permits = Arc::new(permits());
    let (mut record, mut events) = life(&permits);
    events.push(append(&mut record, &permits, "withheld", order(&[1])).unwrap());
    events[0].body = None;
    let mut left = Record::default();
    for event in &events {
        left.step(event);
    }
    let state = &left.state;
    assert_eq!((state.status.as_str(), state.version, state.withheld), ("valid", 3, true));
    assert_eq!((&state.number, state.subjects.len(), left.content.complete), (&None, 0, false));
    assert_eq!(left.content.to_json(), json!({"note": "second"}));
    assert_eq!((left.withholding.by(1), left.withholding.by(2)), (Some(3), None));
    // What was taken away can still be corrected, as a fact that was there.
    append(&mut left, &permits, "corrected", json!({"corrects": 1, "number": "8"})).unwrap();
    let whole = json!({"number": "8", "subjects": [{"role": "holder", "person": HOLDER}]});
    append(&mut left, &permits, "amended", whole).unwrap();
    assert_eq!((left.state.number.as_deref(), left.state.subjects.len()), (Some("8"), 1));
}

#[test]
fn registers_that_others_are_read_by_keep_their_bodies() {
    for register in KEPT {
        let in_force = platform(register);
        let refused =
            AnyRecord::of(register).decide(&proposed(&in_force, "withheld", order(&[1]))).unwrap_err();
        assert!(matches!(refused, RecordError::UnknownType { .. }), "{register}: {refused}");
    }
    for register in ["persons", "consents", "accesses", "offers", "requests"] {
        assert!(platform(register).definition.entry_type(WITHHELD).is_some(), "{register}");
    }
}

#[test]
fn no_definition_declares_the_type() {
    let mut definition = permits().definition.to_json();
    definition["types"][3]["type"] = json!("withheld");
    let faults = Definition::from_json(&definition).unwrap_err();
    assert_eq!(faults[0].pointer, "/types/3/type");
    // Nor does one that was written before the name was the engine's change what an order is.
    let trusted = Definition::trusted(&definition).unwrap();
    assert_eq!(trusted.entry_type(WITHHELD).unwrap().to, None);
}
