use std::sync::Arc;

use cqrs_es::test::TestFramework;
use serde_json::{Value, json};

use super::*;
use crate::definition::Definition;
use crate::definitions::InForce;
use crate::fault::Fault;
use crate::testing::{at, fixture, in_force, proposed, slug};

const HOLDER: &str = "0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7b";

/// A register of permits: issued, suspended, reinstated, amended, corrected, revoked for good.
fn permits() -> Arc<InForce> {
    let closed = |properties: Value| json!({"type": "object", "additionalProperties": false, "properties": properties});
    let title = json!({"ru": "Слово", "en": "Word"});
    let date = json!({"type": "string", "format": "date"});
    let content = json!({
        "number": {"type": "string"}, "valid_from": date, "valid_until": {"type": ["string", "null"], "format": "date"},
        "subjects": {"$ref": "#/$defs/subjects"}, "note": {"type": "string"}, "reason": {"$ref": "#/$defs/reason"},
        "corrects": {"$ref": "#/$defs/corrects"}
    });
    let kind = |name: &str, from: Value, to: Value, effect: &str| json!({"type": name, "title": title, "from": from, "to": to, "effect": effect, "schema": closed(content.clone())});
    let mut corrected = kind("corrected", json!(["valid", "suspended", "revoked"]), json!(null), "amends");
    corrected["corrects"] = json!(true);
    let json = json!({
        "slug": "permits", "title": title, "owner": "mvd", "kind": "permit", "visibility": "status-public", "group": "security",
        "number": {"member": "number", "pattern": "^[A-Z]{2}[0-9]{4}$", "example": "AB1234", "title": title},
        "validity": {"from": "valid_from", "until": "valid_until"},
        "subjects": [
            {"role": "holder", "title": title, "kinds": ["person"], "min": 1, "max": 1},
            {"role": "employer", "title": title, "kinds": ["organisation"], "min": 0, "max": 2}
        ],
        "statuses": [
            {"status": "valid", "title": title, "in_force": true}, {"status": "suspended", "title": title, "in_force": false},
            {"status": "revoked", "title": title, "in_force": false, "final": true}
        ],
        "types": [
            kind("issued", json!(null), json!("valid"), "sets"),
            kind("suspended", json!(["valid"]), json!("suspended"), "none"),
            kind("reinstated", json!(["suspended"]), json!("valid"), "none"),
            kind("amended", json!(["valid"]), json!(null), "amends"),
            corrected,
            kind("revoked", json!(["valid", "suspended"]), json!("revoked"), "none")
        ],
        "legal_basis": []
    });
    Arc::new(in_force(Definition::from_json(&json).unwrap()))
}

fn body() -> Value {
    json!({
        "number": "AB1234", "valid_from": "2026-01-10", "valid_until": "2036-01-10", "note": "first",
        "subjects": [{"role": "holder", "person": HOLDER}]
    })
}

fn append(proposed: Proposed) -> RecordCommand {
    RecordCommand::Append(Box::new(proposed))
}

/// The events of these entries, one after another.
fn given(permits: &Arc<InForce>, entries: &[(&str, Value)]) -> Vec<RecordEvent> {
    let mut record = Record::default();
    entries
        .iter()
        .map(|(entry_type, body)| {
            let event = record.decide(&proposed(permits, entry_type, body.clone())).unwrap();
            record.step(&event);
            event
        })
        .collect()
}

fn fold(events: &[RecordEvent]) -> Record {
    let mut record = Record::default();
    for event in events {
        record.step(event);
    }
    record
}

async fn when(given: Vec<RecordEvent>, proposed: Proposed) -> Result<Vec<RecordEvent>, RecordError> {
    TestFramework::<Record>::with(()).given(given).when_async(append(proposed)).await.inspect_result()
}

#[tokio::test]
async fn an_opening_entry_makes_a_record() {
    let permits = permits();
    let command = proposed(&permits, "issued", body());
    let expected = RecordEvent {
        register: slug("permits"),
        record: command.record,
        version: 1,
        entry_type: "issued".parse().unwrap(),
        effective_at: at("2026-01-01"),
        recorded_at: at("2026-01-01"),
        issuer: slug("mvd"),
        position: 0,
        body: Some(body()),
        step: Step {
            opens: true,
            to: Some("valid".into()),
            effect: crate::definition::Effect::Sets,
            number: Some("number".into()),
            valid_from: Some("valid_from".into()),
            valid_until: Some("valid_until".into()),
        },
    };
    assert_eq!(expected.number(), Some("AB1234"));
    let framework = TestFramework::<Record>::with(()).given_no_previous_events();
    framework.when_async(append(command)).await.then_expect_events(vec![expected]);
}

#[tokio::test]
async fn a_life_leads_from_status_to_status() {
    let permits = permits();
    let life = given(
        &permits,
        &[
            ("issued", body()),
            ("suspended", json!({"reason": "x"})),
            ("reinstated", json!({})),
            ("amended", json!({"note": "second", "valid_until": null})),
            ("corrected", json!({"corrects": 4, "valid_until": "2030-01-10", "reason": "a slip"})),
            ("revoked", json!({})),
        ],
    );
    let statuses: Vec<_> = (1..=life.len()).map(|count| fold(&life[..count]).state.status).collect();
    assert_eq!(statuses, ["valid", "suspended", "valid", "valid", "valid", "revoked"]);
    let amended = fold(&life[..4]);
    assert_eq!((amended.state.valid_until, amended.content.members.get("valid_until")), (None, None));
    let record = fold(&life);
    assert_eq!(record.state.version, 6);
    assert_eq!(record.state.number.as_deref(), Some("AB1234"));
    assert_eq!(record.state.valid_until, Some("2030-01-10".parse().unwrap()));
    assert_eq!(record.state.subjects[0].person(), Some(HOLDER.parse().unwrap()));
    assert_eq!(record.content.members["note"], "second");
    assert!(
        !record.content.members.contains_key("corrects") && !record.content.members.contains_key("reason")
    );
    // A final status takes corrections, which leave it final.
    let after =
        when(life, proposed(&permits, "corrected", json!({"corrects": 1, "note": "third"}))).await.unwrap();
    assert_eq!(after[0].version, 7);
}

#[tokio::test]
async fn a_type_must_follow_the_status() {
    let permits = permits();
    let issued = || given(&permits, &[("issued", body())]);
    let suspended = given(&permits, &[("issued", body()), ("suspended", json!({}))]);
    let error = when(suspended, proposed(&permits, "amended", json!({}))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`amended` is not allowed for a record in status `suspended`; allowed now: `reinstated`, `corrected`, `revoked`"
    );
    assert_eq!(error.reason(), Reason::Conflict);
    let error = when(Vec::new(), proposed(&permits, "revoked", json!({}))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`revoked` changes a record, and there is no such record yet; a record is made by `issued`"
    );
    let error = when(issued(), proposed(&permits, "issued", body())).await.unwrap_err();
    assert!(matches!(error, RecordError::RecordExists { ref status, .. } if status == "valid"), "{error}");
    let error = when(issued(), proposed(&permits, "sold", json!({}))).await.unwrap_err();
    assert!(matches!(error, RecordError::UnknownType { ref known, .. } if known.len() == 6), "{error}");
    assert_eq!((error.reason(), error.code()), (Reason::Invalid, "unknown-type"));
}

#[tokio::test]
async fn only_the_owner_appends_and_only_to_an_open_register() {
    let permits = permits();
    let foreign = Proposed { issuer: slug("gibdd"), ..proposed(&permits, "issued", body()) };
    let error = when(Vec::new(), foreign).await.unwrap_err();
    assert_eq!(error.to_string(), "register permits is kept by department mvd: gibdd cannot append to it");
    assert_eq!(error.reason(), Reason::Forbidden);
    let closed = Arc::new(InForce { closed: true, ..InForce::clone(&permits) });
    let error = when(Vec::new(), proposed(&closed, "issued", body())).await.unwrap_err();
    assert_eq!(error, RecordError::Closed { register: slug("permits") });
    let persons = Arc::new(in_force(Definition::from_json(&fixture("persons")).unwrap()));
    let error = when(given(&permits, &[("issued", body())]), proposed(&persons, "closed", json!({}))).await;
    assert!(matches!(error, Err(RecordError::OtherRegister { .. })));
}

#[tokio::test]
async fn a_version_must_be_the_next() {
    let permits = permits();
    let issued = || given(&permits, &[("issued", body())]);
    for version in [0, 1, 3, u64::MAX] {
        let stale = Proposed { version: Some(version), ..proposed(&permits, "suspended", json!({})) };
        let record = stale.record;
        let error = when(issued(), stale).await.unwrap_err();
        assert_eq!(error, RecordError::Version { record, next: 2, proposed: version });
    }
    let next = Proposed { version: Some(2), ..proposed(&permits, "suspended", json!({})) };
    assert_eq!(when(issued(), next).await.unwrap()[0].version, 2);
}

#[tokio::test]
async fn legal_effect_is_within_reason() {
    let permits = permits();
    let effective = |moment| Proposed { effective_at: at(moment), ..proposed(&permits, "issued", body()) };
    for (moment, is_taken) in [
        ("1899-12-31T23:59:59.999Z", false),
        ("1900-01-01", true),
        ("2035-12-31", true),
        ("2036-01-02", false),
    ] {
        let result = when(Vec::new(), effective(moment)).await;
        assert_eq!(result.is_ok(), is_taken, "{moment}");
        assert!(is_taken || result.unwrap_err().code() == "effective-at");
    }
    assert_eq!(EFFECTIVE_MIN, at("1900-01-01"));
}

async fn faults(given: Vec<RecordEvent>, proposed: Proposed) -> Vec<(String, String)> {
    let error = when(given, proposed).await.unwrap_err();
    assert!(matches!(error, RecordError::Body { .. }), "{error}");
    error.faults().into_iter().map(|Fault { pointer, message }| (pointer, message)).collect()
}

#[tokio::test]
async fn a_body_is_judged_as_a_whole() {
    let permits = permits();
    let wrong = json!({
        "number": "1234", "valid_from": "2026-02-30", "valid_until": "2026-01-10", "corrects": 1, "unknown": true,
        "subjects": [{"role": "holder", "organisation": {"name": "x"}}, {"role": "friend", "person": HOLDER}]
    });
    let faults = faults(Vec::new(), proposed(&permits, "issued", wrong)).await;
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["/corrects", "/number", "/subjects/0", "/subjects/1/role", "/unknown", "/valid_from"]
    );
    assert!(faults[1].1.contains("looks like AB1234"));
}

#[tokio::test]
async fn validity_ends_after_it_begins() {
    let permits = permits();
    let term = |from: &str, until: Value| {
        let mut body = body();
        body["valid_from"] = json!(from);
        body["valid_until"] = until;
        proposed(&permits, "issued", body)
    };
    assert!(when(Vec::new(), term("2026-01-10", json!("2026-01-11"))).await.is_ok());
    assert!(when(Vec::new(), term("2026-01-10", json!(null))).await.is_ok());
    for until in ["2026-01-10", "2026-01-09"] {
        let faults = faults(Vec::new(), term("2026-01-10", json!(until))).await;
        assert_eq!(faults[0].0, "/valid_until");
        assert!(faults[0].1.contains("must end after it begins"));
    }
    // An amendment is judged together with what stands.
    let issued = || given(&permits, &[("issued", body())]);
    let faults = faults(issued(), proposed(&permits, "amended", json!({"valid_from": "2040-01-01"}))).await;
    assert_eq!(faults[0].0, "/valid_from");
    assert!(when(issued(), proposed(&permits, "amended", json!({"valid_from": "2035-01-01"}))).await.is_ok());
}

#[tokio::test]
async fn a_correction_names_an_earlier_version() {
    let permits = permits();
    let issued = || given(&permits, &[("issued", body())]);
    for wrong in [json!({}), json!({"corrects": 2}), json!({"corrects": 0})] {
        let faults = faults(issued(), proposed(&permits, "corrected", wrong)).await;
        assert_eq!((faults.len(), faults[0].0.as_str()), (1, "/corrects"));
    }
    assert!(when(issued(), proposed(&permits, "corrected", json!({"corrects": 1}))).await.is_ok());
}

#[tokio::test]
async fn subjects_fit_their_roles() {
    let permits = permits();
    let organisation = json!({"role": "employer", "organisation": {"name": "ООО «Пример»", "inn": "7700000016", "ogrn": "1027700000019"}});
    let holder = json!({"role": "holder", "person": HOLDER});
    for (subjects, pointer) in [
        (json!([]), "/subjects"),
        (json!([organisation]), "/subjects"),
        (json!([holder, {"role": "holder", "person": "0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7c"}]), "/subjects"),
        (json!([holder, {"role": "employer", "person": HOLDER}]), "/subjects/1"),
        (json!([holder, organisation, organisation]), "/subjects/2"),
    ] {
        let mut body = body();
        body["subjects"] = subjects;
        let faults = faults(Vec::new(), proposed(&permits, "issued", body)).await;
        assert!(faults.iter().any(|(at, _)| at == pointer), "{faults:?}");
    }
    let mut body = body();
    body["subjects"] = json!([holder, organisation]);
    let record = fold(&when(Vec::new(), proposed(&permits, "issued", body)).await.unwrap());
    assert_eq!(record.state.subjects[1].organisation().unwrap().inn.as_deref(), Some("7700000016"));
}

#[tokio::test]
async fn nothing_of_a_body_is_shown() {
    let permits = permits();
    let command = proposed(&permits, "issued", body());
    let events = when(Vec::new(), command.clone()).await.unwrap();
    let record = fold(&events);
    for text in [
        format!("{command:?}"),
        format!("{events:?}"),
        format!("{record:?}"),
        format!("{:?}", record.state.subjects),
    ] {
        assert!(!text.contains("AB1234") && !text.contains(HOLDER), "{text}");
    }
}

#[test]
fn an_aggregate_and_its_events_survive_json() {
    let permits = permits();
    let events = given(&permits, &[("issued", body()), ("suspended", json!({}))]);
    let json = serde_json::to_value(&events).unwrap();
    assert_eq!(serde_json::from_value::<Vec<RecordEvent>>(json).unwrap(), events);
    let record = fold(&events);
    assert_eq!(serde_json::from_value::<Record>(serde_json::to_value(&record).unwrap()).unwrap(), record);
}

#[tokio::test]
async fn no_text_has_a_nul() {
    let permits = permits();
    let mut wrong = body();
    wrong["note"] = json!("a\0b");
    wrong["x\0"] = json!([]);
    let faults = faults(Vec::new(), proposed(&permits, "issued", wrong)).await;
    assert!(faults.iter().any(|(at, _)| at == "/note"), "{faults:?}");
    assert!(faults.iter().any(|(at, _)| at.is_empty()), "{faults:?}");
}
