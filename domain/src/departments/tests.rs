use serde_json::json;

use super::*;
use crate::testing::{Recorded, at, private_key, slug};

fn entry(position: u64, when: &str, record: u128, version: u64, entry_type: &str, body: Value) -> Recorded {
    Recorded::new("departments", position, when, (record, version), entry_type, body)
}

fn established(position: u64, record: u128, slug: &str, seed: u8) -> Recorded {
    let body = json!({"slug": slug, "title": {"ru": "Р", "en": "E"}, "level": "federal", "key": private_key(seed).public().jwk()});
    entry(position, "2026-01-01", record, 1, "established", body)
}

fn fold(entries: &[Recorded]) -> Departments {
    let mut departments = Departments::default();
    for entry in entries {
        departments.apply(&entry.view()).unwrap();
    }
    departments
}

#[test]
fn a_key_is_in_force_from_enrolment_to_revocation_both_included() {
    let (old, new) = (private_key(1).public(), private_key(2).public());
    let departments = fold(&[
        established(1, 1, "mvd", 1),
        entry(2, "2026-02-01", 1, 2, "key-enrolled", json!({"key": new.jwk()})),
        entry(3, "2026-03-01", 1, 3, "key-revoked", json!({"kid": old.kid(), "reason": "x"})),
    ]);
    let mvd = slug("mvd");
    let in_force = |key: &PublicKey, when| departments.key_in_force(&mvd, &key.kid(), at(when)) == Some(*key);
    assert!(!in_force(&old, "2025-12-31T23:59:59.999Z"));
    assert!(in_force(&old, "2026-01-01"));
    assert!(in_force(&old, "2026-03-01"));
    assert!(!in_force(&old, "2026-03-01T00:00:00.001Z"));
    assert!(!in_force(&new, "2026-01-31"));
    assert!(in_force(&new, "2030-01-01"));
    assert!(departments.key_in_force(&slug("fns"), &new.kid(), at("2030-01-01")).is_none());
    let now: Vec<_> = departments.keys_now(&mvd).iter().map(|key| key.kid.clone()).collect();
    assert_eq!(now, [new.kid()]);
    let state = departments.get(&mvd).unwrap();
    assert_eq!((state.version, state.keys.len(), departments.position()), (3, 2, 3));
    assert_eq!(departments.by_record(Uuid::from_u128(1)).unwrap().slug, mvd);
}

#[test]
fn what_a_compromised_key_signed_since_then_is_doubtful_and_ends_with_the_declaration() {
    let key = private_key(1).public();
    let compromised = |position, when, version, since: &str| {
        let body = json!({"kid": key.kid(), "since": format!("{since}T00:00:00.000Z")});
        entry(position, when, 1, version, "key-compromised", body)
    };
    let mut departments = fold(&[established(1, 1, "mvd", 1), compromised(2, "2026-03-01", 2, "2026-02-01")]);
    let mvd = slug("mvd");
    let term = |departments: &Departments| departments.get(&mvd).unwrap().key(&key.kid()).unwrap().clone();
    let first = term(&departments);
    assert_eq!((first.revoked_at, first.compromised_since), (Some(at("2026-03-01")), Some(at("2026-02-01"))));
    assert_eq!(first.doubtful(at("2026-01-31")), None);
    assert_eq!(first.doubtful(at("2026-02-01")), Some(at("2026-02-01")));
    // In force all the same: doubtful is not invalid.
    assert!(departments.key_in_force(&mvd, &key.kid(), at("2026-02-15")).is_some());
    assert!(departments.key_in_force(&mvd, &key.kid(), at("2026-03-02")).is_none());
    assert!(departments.keys_now(&mvd).is_empty());
    // Found out later to have begun earlier; never moved to later.
    departments.apply(&compromised(3, "2026-04-01", 3, "2026-01-15").view()).unwrap();
    departments.apply(&compromised(4, "2026-04-02", 4, "2026-01-20").view()).unwrap();
    let last = term(&departments);
    assert_eq!((last.revoked_at, last.compromised_since), (first.revoked_at, Some(at("2026-01-15"))));
}

#[test]
fn officials_come_and_go() {
    let person = Uuid::from_u128(77);
    let appointed = json!({"official": person, "position": "Inspector"});
    let mut departments = fold(&[
        established(1, 1, "mvd", 1),
        established(2, 2, "fns", 2),
        entry(3, "2026-02-01", 1, 2, "official-appointed", appointed.clone()),
        entry(4, "2026-02-01", 2, 2, "official-appointed", appointed.clone()),
    ]);
    let slugs = |departments: &Departments| -> Vec<String> {
        departments.official_of(person).iter().map(|state| state.slug.to_string()).collect()
    };
    assert_eq!(slugs(&departments), ["fns", "mvd"]);
    departments
        .apply(&entry(5, "2026-03-01", 1, 3, "official-dismissed", json!({"official": person})).view())
        .unwrap();
    assert_eq!(slugs(&departments), ["fns"]);
    assert!(!departments.in_office(&slug("mvd"), person) && departments.in_office(&slug("fns"), person));
    departments.apply(&entry(6, "2026-04-01", 1, 4, "official-appointed", appointed).view()).unwrap();
    let mvd = departments.get(&slug("mvd")).unwrap();
    assert_eq!((mvd.officials.len(), mvd.officials_now().count()), (2, 1));
    departments.apply(&entry(7, "2026-05-01", 2, 3, "abolished", json!({"reason": "x"})).view()).unwrap();
    assert_eq!(slugs(&departments), ["mvd"]);
    assert!(departments.in_office(&slug("mvd"), person) && !departments.in_office(&slug("fns"), person));
    let renamed = json!({"title": {"ru": "Н", "en": "New"}});
    departments.apply(&entry(8, "2026-05-01", 1, 5, "renamed", renamed).view()).unwrap();
    assert_eq!(departments.get(&slug("mvd")).unwrap().title.en, "New");
}

#[test]
fn a_register_of_departments_that_contradicts_itself_is_reported() {
    let mut departments = fold(&[established(1, 1, "mvd", 1)]);
    let kid = private_key(5).public().kid();
    for (record, entry_type, body) in [
        (2, "renamed", json!({"title": {"ru": "Н", "en": "N"}})),
        (1, "key-revoked", json!({"kid": kid, "reason": "x"})),
        (1, "key-compromised", json!({"kid": kid, "since": "2026-01-01T00:00:00.000Z"})),
        (1, "official-dismissed", json!({"official": Uuid::from_u128(5)})),
    ] {
        let result = departments.apply(&entry(9, "2026-02-01", record, 2, entry_type, body).view());
        assert!(matches!(result, Err(DomainError::Order { .. })), "{entry_type}: {result:?}");
    }
    let shapeless = entry(
        9,
        "2026-02-01",
        1,
        2,
        "key-enrolled",
        json!({"key": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}),
    );
    assert!(matches!(departments.apply(&shapeless.view()), Err(DomainError::Body { .. })));
    let withheld = Recorded { body: None, ..entry(9, "2026-02-01", 1, 2, "key-enrolled", json!({})) };
    assert!(matches!(departments.apply(&withheld.view()), Err(DomainError::Withheld { .. })));
    let twice = established(1, 1, "mvd", 1);
    assert_eq!(departments.apply(&twice.view()), Ok(None));
}
