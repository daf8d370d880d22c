use serde_json::json;

use super::*;
use crate::register::body;
use crate::register_keys::RegisterKey;
use crate::testing::{Recorded, at, fixture, seeded_verifier_key, slug, small_definition, verifier_key};

fn key(register: &str) -> VerifierKey {
    verifier_key(&format!("registers.example.gov/registers/{register}"))
}

/// `registers` and `departments` defined together at the start; `permits` defined, redefined and closed later.
fn history() -> Vec<Recorded> {
    let defined = |position, when, record, definition: &Value| {
        let key = key(definition["slug"].as_str().unwrap());
        Recorded::new("registers", position, when, (record, 1), "defined", body(definition, &key))
    };
    let mut changed = small_definition("permits", "mvd");
    changed["types"][2]["type"] = json!("withdrawn");
    vec![
        defined(2, "2026-01-01", 1, &fixture("registers")),
        defined(3, "2026-01-01", 2, &fixture("departments")),
        defined(10, "2026-02-01", 3, &small_definition("permits", "mvd")),
        Recorded::new("registers", 20, "2026-03-01", (3, 2), "redefined", body(&changed, &key("permits"))),
        Recorded::new("registers", 30, "2026-04-01", (3, 3), "closed", json!({"reason": "x"})),
    ]
}

fn fold(history: &[Recorded]) -> Definitions {
    let mut definitions = Definitions::default();
    for entry in history {
        definitions.apply(&entry.view()).unwrap();
    }
    definitions
}

#[test]
fn a_definition_rules_what_comes_after_it() {
    let definitions = fold(&history());
    let permits = slug("permits");
    let version = |position| definitions.at_position(&permits, position).unwrap().version;
    assert_eq!([11, 20, 21, 30, 31, 1000].map(version), [1, 1, 2, 2, 3, 3]);
    let current = definitions.current(&permits).unwrap();
    assert!(current.closed && current.definition.entry_type("withdrawn").is_some());
    assert_eq!((current.record, current.position, &current.key), (Uuid::from_u128(3), 30, &key("permits")));
    assert_eq!(definitions.position(), 30);
    assert_eq!(definitions.register_of(Uuid::from_u128(3)), Some(&permits));
    assert_eq!(definitions.owned_by(&slug("mvd")).count(), 1);
    assert!(definitions.current(&slug("nothing")).is_none());
}

/// The first entries of the platform are recorded before, or as, the definitions that rule them.
#[test]
fn the_first_entries_are_ruled_by_the_first_definitions() {
    let definitions = fold(&history());
    let step = |entry: &Recorded| definitions.step(&entry.view());
    let platform = Recorded::new("departments", 1, "2026-01-01", (9, 1), "established", json!({}));
    assert!(step(&platform).unwrap().opens);
    assert!(step(&history()[0]).unwrap().opens);
}

#[test]
fn all_definitions_of_a_millisecond_are_known() {
    let definitions = fold(&history());
    let versions = |time| -> Vec<u64> {
        definitions.at_time(&slug("permits"), at(time)).iter().map(|in_force| in_force.version).collect()
    };
    assert_eq!(versions("2026-01-31T23:59:59.999Z"), Vec::<u64>::new());
    assert_eq!(versions("2026-02-01"), [1]);
    assert_eq!(versions("2026-02-28T23:59:59.999Z"), [1]);
    assert_eq!(versions("2026-03-01"), [1, 2]);
    assert_eq!(versions("2026-03-01T00:00:00.001Z"), [2]);
    assert_eq!(versions("2030-01-01"), [3]);
}

#[test]
fn an_entry_is_read_under_the_definition_in_force_where_it_stands() {
    let definitions = fold(&history());
    let revoked = |position| Recorded::new("permits", position, "2026-02-02", (7, 2), "revoked", json!({}));
    assert_eq!(definitions.step(&revoked(11).view()).unwrap().to.as_deref(), Some("revoked"));
    assert!(matches!(
        definitions.step(&revoked(21).view()),
        Err(DomainError::UnknownType { position: 21, .. })
    ));
    let lost = Recorded::new("lost", 11, "2026-02-02", (7, 1), "issued", json!({}));
    assert!(matches!(definitions.step(&lost.view()), Err(DomainError::NoDefinition { .. })));
    let event = crate::record::resolve(&revoked(11).view(), &definitions).unwrap();
    assert_eq!((event.view().position, event.body), (11, Some(json!({}))));
}

#[test]
fn keys_of_a_register_have_terms() {
    let [first, second] = [9, 2].map(|seed| seeded_verifier_key(key("permits").name(), seed));
    let about_key = |position, when, version, entry_type: &str, key: &VerifierKey| {
        let body = json!({"key": key.to_string(), "since": "2026-05-10T00:00:00.000Z"});
        Recorded::new("registers", position, when, (3, version), entry_type, body)
    };
    let mut definitions = fold(&history());
    let permits = slug("permits");
    let mut take = |entry: Recorded| definitions.apply(&entry.view());
    assert_eq!(take(about_key(40, "2026-05-01", 4, "key-added", &second)), Ok(Some(permits.clone())));
    for wrong in [
        about_key(50, "2026-06-01", 5, "key-added", &second),
        about_key(50, "2026-06-01", 5, "key-retired", &seeded_verifier_key(first.name(), 3)),
    ] {
        assert!(matches!(take(wrong), Err(DomainError::Order { .. })));
    }
    let foreign = about_key(50, "2026-06-01", 5, "key-added", &key("registers"));
    assert!(matches!(take(foreign), Err(DomainError::Body { .. })));
    take(about_key(50, "2026-06-01", 5, "key-compromised", &first)).unwrap();
    assert!(matches!(
        take(about_key(60, "2026-07-01", 6, "key-retired", &second)),
        Err(DomainError::Order { .. })
    ));
    let terms: Vec<_> = definitions.keys_of(&permits).unwrap().iter().cloned().collect();
    let term = |vkey: &VerifierKey, from, until: Option<&str>, since: Option<&str>| RegisterKey {
        vkey: vkey.clone(),
        from: at(from),
        until: until.map(at),
        compromised_since: since.map(at),
    };
    let ended = term(&first, "2026-02-01", Some("2026-06-01"), Some("2026-05-10"));
    assert_eq!(terms, [ended, term(&second, "2026-05-01", None, None)]);
    assert_eq!(definitions.keys_now(&permits), [&second]);
    let current = definitions.current(&permits).unwrap();
    assert_eq!((current.version, &current.key, current.closed), (5, &second, true));
    assert_eq!(definitions.recorded_by(&permits, at("2026-05-15")).unwrap().key, second);
    assert_eq!(definitions.recorded_by(&permits, at("2026-04-15")).unwrap().key, first);
}

#[test]
fn both_keys_sign_while_both_are_in_force_the_newest_first() {
    let second = seeded_verifier_key(key("permits").name(), 2);
    let mut definitions = fold(&history());
    let added = json!({"key": second.to_string()});
    definitions
        .apply(&Recorded::new("registers", 40, "2026-05-01", (3, 4), "key-added", added).view())
        .unwrap();
    assert_eq!(definitions.keys_now(&slug("permits")), [&second, &key("permits")]);
    assert_eq!(definitions.keys_now(&slug("registers")), [&key("registers")]);
    assert!(definitions.keys_now(&slug("nothing")).is_empty());
}

#[test]
fn an_entry_twice_is_taken_once_and_others_are_passed_over() {
    let history = history();
    let mut definitions = fold(&history);
    assert_eq!(definitions.apply(&history[2].view()), Ok(None));
    assert_eq!(definitions.history(&slug("permits")).len(), 3);
    let other = Recorded::new("departments", 40, "2026-05-01", (9, 1), "established", json!({}));
    assert_eq!(definitions.apply(&other.view()), Ok(None));
}

#[test]
fn a_register_of_registers_that_contradicts_itself_is_reported() {
    let mut definitions = fold(&history()[..2]);
    let bad = |entry_type: &str, body: Value| {
        Recorded::new("registers", 50, "2026-05-01", (5, 1), entry_type, body)
    };
    let right = small_definition("permits", "mvd");
    assert!(matches!(definitions.apply(&bad("closed", json!({})).view()), Err(DomainError::Order { .. })));
    let withheld = Recorded { body: None, ..bad("defined", json!({})) };
    assert!(matches!(definitions.apply(&withheld.view()), Err(DomainError::Withheld { .. })));
    let keyless = bad("defined", json!({"slug": "permits", "definition": right, "key": "x"}));
    assert!(matches!(definitions.apply(&keyless.view()), Err(DomainError::Body { .. })));
    let shapeless =
        bad("defined", json!({"slug": "permits", "definition": {}, "key": key("permits").to_string()}));
    assert!(matches!(definitions.apply(&shapeless.view()), Err(DomainError::Body { .. })));
    assert_eq!(definitions.position(), 3);
}
