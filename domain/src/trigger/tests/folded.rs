//! The register of rules: what its aggregate takes, and what its entries make.

use super::*;
use crate::any_record::AnyRecord;
use crate::record::RecordError;
use crate::testing::{platform, proposed};

fn decide(record: &AnyRecord, kind: &str, body: Value) -> Result<RecordEvent, RecordError> {
    record.decide(&proposed(&platform("triggers"), kind, body))
}

fn published() -> AnyRecord {
    let mut record = AnyRecord::of("triggers");
    let event = decide(&record, "published", json!({"slug": "first-child", "rule": right()})).unwrap();
    record.step(&event);
    record
}

#[test]
fn a_bad_rule_is_refused_when_published_and_when_changed() {
    let bad = with(right(), "/when", json!("child_count = 1"));
    for record in [AnyRecord::of("triggers"), AnyRecord::default(), published()] {
        let kind = if record.record().state.version == 0 { "published" } else { "changed" };
        let error = decide(&record, kind, json!({"slug": "first-child", "rule": bad})).unwrap_err();
        assert_eq!((error.code(), error.reason()), ("rule-invalid", crate::record::Reason::Invalid));
        assert_eq!(error.faults()[0].pointer, "/rule/when");
    }
}

#[test]
fn a_rule_keeps_its_name_and_is_not_changed_when_retired() {
    let named = |slug: &str, rule: &str| json!({"slug": slug, "rule": with(right(), "/slug", json!(rule))});
    let error =
        decide(&AnyRecord::of("triggers"), "published", named("first-child", "second-child")).unwrap_err();
    assert_eq!((error.code(), error.faults()[0].pointer.as_str()), ("rule-slug", "/slug"));
    let mut record = published();
    let error = decide(&record, "changed", named("second-child", "second-child")).unwrap_err();
    assert_eq!((error.code(), error.faults()[0].pointer.as_str()), ("rule-change", "/slug"));
    let retired = decide(&record, "retired", json!({"reason": "x"})).unwrap();
    record.step(&retired);
    let error = decide(&record, "changed", named("first-child", "first-child")).unwrap_err();
    assert_eq!(error.code(), "type-not-allowed");
}

#[test]
fn entries_make_the_rules_of_each_moment() {
    let entry = |position, version, kind: &str, body: Value| {
        Recorded::new("triggers", position, "2026-01-01", (0xaa, version), kind, body)
    };
    let body = |title: &str| json!({"slug": "first-child", "rule": with(right(), "/title/en", json!(title))});
    let mut rules = Rules::default();
    for entry in [
        entry(5, 1, "published", body("one")),
        entry(9, 2, "changed", body("two")),
        entry(12, 3, "retired", json!({"reason": "x"})),
    ] {
        rules.apply(&entry.view()).unwrap();
        assert!(rules.apply(&entry.view()).unwrap().is_none(), "an entry counts once");
    }
    let titles = |rules: Vec<Arc<InForceRule>>| {
        rules.iter().map(|rule| rule.rule.rule().title.en.clone()).collect::<Vec<_>>()
    };
    assert_eq!(titles(rules.at_position(5)), [""; 0]);
    assert_eq!(titles(rules.at_position(6)), ["one"]);
    assert_eq!(titles(rules.at_position(10)), ["two"]);
    assert_eq!(titles(rules.at_position(13)), [""; 0]);
    assert_eq!(titles(rules.current()), [""; 0]);
    let found = rules.find("first-child").unwrap();
    assert_eq!((found.position, found.changed_position, found.version), (5, 9, 2));
    assert_eq!(found.retired.unwrap().position, 12);
    let first = rules.version(Uuid::from_u128(0xaa), 1).unwrap();
    assert_eq!(first.rule.rule().title.en, "one");
    assert_eq!(rules.position(), 12);

    // A text that cannot be read is told, and the last one stands.
    let mut rules = Rules::default();
    rules.apply(&entry(5, 1, "published", body("one")).view()).unwrap();
    assert!(rules.apply(&entry(9, 2, "changed", json!({"slug": "first-child", "rule": {}})).view()).is_err());
    assert_eq!(titles(rules.current()), ["one"]);
}
