use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::record::{Proposed, Record};
use crate::register::body;
use crate::testing::{Recorded, at, slug, small_definition, verifier_key};

/// `permits` defined on 1 January, its `revoked` renamed `withdrawn` on 1 March, closed on 1 June; `fines` beside it.
fn definitions() -> Definitions {
    let key = |register: &str| verifier_key(&format!("registers.example.gov/registers/{register}"));
    let permits = small_definition("permits", "mvd");
    let mut changed = permits.clone();
    changed["types"][2]["type"] = json!("withdrawn");
    changed["owner"] = json!("rosgvardia");
    let entry = |position, when, (record, version), entry_type: &str, body: Value| {
        Recorded::new("registers", position, when, (record, version), entry_type, body)
    };
    let mut definitions = Definitions::default();
    for entry in [
        entry(1, "2026-01-01", (1, 1), "defined", body(&permits, &key("permits"))),
        entry(2, "2026-01-01", (2, 1), "defined", body(&small_definition("fines", "mvd"), &key("fines"))),
        entry(3, "2026-03-01", (1, 2), "redefined", body(&changed, &key("permits"))),
        entry(4, "2026-06-01", (1, 3), "closed", json!({"reason": "x"})),
    ] {
        definitions.apply(&entry.view()).unwrap();
    }
    definitions
}

/// The rule that each step breaks, if any: (register, record, version, type, when, issuer).
fn rules(steps: &[(&str, u128, u64, &str, &str, &str)]) -> Vec<&'static str> {
    let definitions = definitions();
    let mut checker = StepChecker::new(&definitions);
    let mut rules = Vec::new();
    for (register, record, version, entry_type, when, issuer) in steps {
        let (register, issuer, entry_type) = (slug(register), slug(issuer), entry_type.parse().unwrap());
        let result = checker.check(&StepView {
            register: &register,
            record: Uuid::from_u128(*record),
            version: *version,
            entry_type: &entry_type,
            recorded_at: at(when),
            issuer: &issuer,
        });
        rules.push(result.err().map_or("", |fault| fault.rule()));
    }
    rules
}

#[test]
fn a_right_life_has_no_fault() {
    assert_eq!(
        rules(&[
            ("permits", 7, 1, "issued", "2026-01-01", "mvd"),
            ("permits", 8, 1, "issued", "2026-01-02", "mvd"),
            ("permits", 7, 2, "noted", "2026-02-01", "mvd"),
            ("permits", 7, 3, "revoked", "2026-02-02", "mvd"),
            ("permits", 8, 2, "withdrawn", "2026-05-01", "rosgvardia"),
            ("permits", 7, 4, "withheld", "2026-05-02", "rosgvardia"),
            // Also when the register is closed.
            ("permits", 8, 3, "withheld", "2026-06-02", "rosgvardia"),
        ]),
        [""; 7]
    );
}

#[test]
fn each_fault_is_named_once() {
    let issued = ("permits", 7, 1, "issued", "2026-02-01", "mvd");
    for (step, rule) in [
        (("permits", 7, 3, "noted", "2026-02-01", "mvd"), "version-without-gaps"),
        (("permits", 7, 1, "noted", "2026-02-01", "mvd"), "version-without-gaps"),
        (("permits", 7, 0, "noted", "2026-02-01", "mvd"), "version-without-gaps"),
        (("permits", 7, 2, "issued", "2026-02-01", "mvd"), "status-step"),
        (("permits", 8, 1, "noted", "2026-02-01", "mvd"), "status-step"),
        (("permits", 7, 2, "sold", "2026-02-01", "mvd"), "type-known"),
        (("permits", 8, 1, "withheld", "2026-02-01", "mvd"), "status-step"),
        (("permits", 7, 2, "withheld", "2026-02-01", "fns"), "issuer-owns-register"),
        (("permits", 7, 2, "withdrawn", "2026-02-01", "mvd"), "type-known"),
        (("permits", 7, 2, "revoked", "2026-03-02", "rosgvardia"), "type-known"),
        (("permits", 7, 2, "noted", "2026-02-01", "fns"), "issuer-owns-register"),
        (("permits", 7, 2, "noted", "2026-03-02", "mvd"), "issuer-owns-register"),
        (("permits", 7, 2, "noted", "2026-07-01", "rosgvardia"), "register-open"),
        (("fines", 7, 2, "noted", "2026-02-01", "mvd"), "one-register"),
        (("lost", 9, 1, "issued", "2026-02-01", "mvd"), "definition-in-force"),
        (("permits", 9, 1, "issued", "2025-12-31", "mvd"), "definition-in-force"),
    ] {
        assert_eq!(rules(&[issued, step]), ["", rule], "{step:?}");
    }
    // After a fault the record goes on from what the entry says.
    let revoked = ("permits", 7, 3, "revoked", "2026-02-02", "mvd");
    let noted = ("permits", 7, 4, "noted", "2026-02-03", "mvd");
    assert_eq!(rules(&[issued, revoked, noted]), ["", "version-without-gaps", "status-step"]);
}

/// Within the millisecond of a change, a step is right under either definition.
#[test]
fn a_change_of_definition_counts_from_and_to_its_millisecond() {
    let issued = ("permits", 7, 1, "issued", "2026-02-01", "mvd");
    assert_eq!(rules(&[issued, ("permits", 7, 2, "revoked", "2026-03-01", "mvd")]), ["", ""]);
    assert_eq!(rules(&[issued, ("permits", 7, 2, "withdrawn", "2026-03-01", "rosgvardia")]), ["", ""]);
    assert_eq!(rules(&[issued, ("permits", 7, 2, "withdrawn", "2026-03-01", "mvd")]), ["", "status-step"]);
}

#[test]
fn statuses_are_followed() {
    let definitions = definitions();
    let mut checker = StepChecker::new(&definitions);
    let (register, issuer) = (slug("fines"), slug("mvd"));
    let [opening, revoked, noted] = ["issued", "revoked", "noted"].map(|name| name.parse().unwrap());
    let entry = |version, entry_type| StepView {
        register: &register,
        record: Uuid::from_u128(7),
        version,
        entry_type,
        recorded_at: at("2026-02-01"),
        issuer: &issuer,
    };
    checker.check(&entry(1, &opening)).unwrap();
    checker.check(&entry(2, &revoked)).unwrap();
    assert_eq!(checker.statuses(Uuid::from_u128(7)).collect::<Vec<_>>(), ["revoked"]);
    assert_eq!(checker.records(), 1);
    let fault = checker.check(&entry(3, &noted)).unwrap_err();
    assert_eq!(fault.to_string(), "`noted` may not follow the status `revoked`");
}

#[test]
fn words_are_those_of_the_definition() {
    let definitions = definitions();
    let permits = definitions.current(&slug("fines")).unwrap();
    let words = crate::words::step(&permits.definition, "revoked", "revoked");
    assert_eq!(
        (words.status.ru.as_str(), words.status.en.as_str(), words.in_force),
        ("Отозвано", "Revoked", false)
    );
    assert_eq!(crate::words::step(&permits.definition, "lost", "gone").entry_type.ru, "lost");
}

proptest! {
    /// Whatever the aggregate takes the auditor finds right, and whatever it refuses the auditor finds wrong.
    #[test]
    fn auditor_and_aggregate_agree(
        steps in prop::collection::vec((0_u128..3, 0_u64..3, 0_usize..5, 0_i64..8, prop::bool::weighted(0.9)), 1..40)
    ) {
        let definitions = definitions();
        let register = slug("permits");
        let mut time = at("2026-02-01");
        let mut records: BTreeMap<u128, Record> = BTreeMap::new();
        let mut checker = StepChecker::new(&definitions);
        for (id, skew, kind, days, by_owner) in steps {
            // Never the very millisecond of a change, within which the auditor takes either definition.
            time = time.plus_millis(days * 86_400_000 + 1);
            let in_force = definitions.at_time(&register, time).pop().unwrap();
            let record = records.entry(id).or_default();
            let proposed = Proposed {
                record: Uuid::from_u128(id),
                version: Some(record.state.version + skew),
                entry_type: ["issued", "noted", "revoked", "withdrawn", "sold"][kind].parse().unwrap(),
                effective_at: time,
                issuer: if by_owner { in_force.definition.owner.clone() } else { slug("fns") },
                body: json!({}),
                now: time,
                definition: in_force,
            };
            let step = StepView {
                register: &register,
                record: proposed.record,
                version: record.state.version + skew,
                entry_type: &proposed.entry_type,
                recorded_at: time,
                issuer: &proposed.issuer,
            };
            if let Ok(event) = record.decide(&proposed) {
                prop_assert_eq!(checker.check(&step), Ok(()));
                record.step(&event);
                prop_assert_eq!(checker.statuses(proposed.record).collect::<Vec<_>>(), [record.state.status.as_str()]);
            } else {
                let mut other = StepChecker { definitions: &definitions, records: checker.records.clone() };
                prop_assert!(other.check(&step).is_err());
            }
        }
    }
}
