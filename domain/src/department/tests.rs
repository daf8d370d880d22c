use std::sync::Arc;

use cqrs_es::test::TestFramework;
use serde_json::json;

use super::*;
use crate::any_record::AnyRecord;
use crate::definitions::InForce;
use crate::record::RecordCommand;
use crate::testing::{platform, private_key, proposed};

fn established(slug: &str) -> Value {
    let key = private_key(1).public().jwk();
    json!({"slug": slug, "title": {"ru": "Р", "en": "E"}, "level": "federal", "key": key})
}

fn given(departments: &Arc<InForce>, entries: &[(&str, Value)]) -> Vec<RecordEvent> {
    let mut department = Department::default();
    entries
        .iter()
        .map(|(entry_type, body)| {
            let event = department.decide(&proposed(departments, entry_type, body.clone())).unwrap();
            department.step(&event);
            event
        })
        .collect()
}

async fn when(
    entries: &[(&str, Value)],
    entry_type: &str,
    body: Value,
) -> Result<Vec<RecordEvent>, RecordError> {
    let departments = platform("departments");
    let command = RecordCommand::Append(Box::new(proposed(&departments, entry_type, body)));
    let framework = TestFramework::<Department>::with(()).given(given(&departments, entries));
    framework.when_async(command).await.inspect_result()
}

fn rule(result: Result<Vec<RecordEvent>, RecordError>) -> DepartmentError {
    match result {
        Err(RecordError::Department(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_are_enrolled_once_and_revoked_once() {
    let [first, second] = [1, 2].map(|seed| private_key(seed).public());
    let start = [("established", established("mvd"))];
    let enrol = json!({"key": second.jwk()});
    let revoke = |kid: &Kid| json!({"kid": kid, "reason": "compromised"});
    assert_eq!(when(&start, "key-enrolled", enrol.clone()).await.unwrap()[0].version, 2);
    let known = when(&start, "key-enrolled", json!({"key": first.jwk()})).await;
    assert_eq!(rule(known), DepartmentError::KeyKnown { kid: first.kid() });
    assert_eq!(rule(when(&start, "key-revoked", revoke(&second.kid())).await), DepartmentError::KeyUnknown);
    let revoked = [start[0].clone(), ("key-enrolled", enrol.clone()), ("key-revoked", revoke(&second.kid()))];
    assert_eq!(
        rule(when(&revoked, "key-revoked", revoke(&second.kid())).await),
        DepartmentError::KeyRevoked { kid: second.kid() }
    );
    assert_eq!(
        rule(when(&revoked, "key-enrolled", enrol).await),
        DepartmentError::KeyKnown { kid: second.kid() }
    );
    // A department can be left without a key: the platform enrols another.
    assert!(when(&revoked, "key-revoked", revoke(&first.kid())).await.is_ok());
}

#[tokio::test]
async fn a_key_must_be_one_that_signatures_are_checked_with() {
    let jwk = |x: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    let start = [("established", established("mvd"))];
    // The neutral element, y = 1: every signature under it would be valid.
    let small_order = jwk("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(
        rule(when(&start, "key-enrolled", json!({"key": small_order})).await),
        DepartmentError::Key(KeyError::SmallOrder)
    );
    let mut other = established("fns");
    other["key"] = small_order;
    assert_eq!(rule(when(&[], "established", other).await), DepartmentError::Key(KeyError::SmallOrder));
    let private = json!({"key": {"kty": "OKP", "crv": "Ed25519", "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "d": "x"}});
    let error = when(&start, "key-enrolled", private).await.unwrap_err();
    assert_eq!((error.code(), error.faults()[0].pointer.as_str()), ("body-invalid", "/key/d"));
}

#[tokio::test]
async fn the_platform_keeps_a_key_and_is_not_abolished() {
    let first = private_key(1).public().kid();
    let start = [("established", established("platform"))];
    let revoke = json!({"kid": first, "reason": "x"});
    let error = rule(when(&start, "key-revoked", revoke.clone()).await);
    assert_eq!(
        (error.clone(), error.pointer(), error.reason()),
        (DepartmentError::LastKey, "/kid", Reason::Conflict)
    );
    let two = [start[0].clone(), ("key-enrolled", json!({"key": private_key(2).public().jwk()}))];
    assert!(when(&two, "key-revoked", revoke).await.is_ok());
    assert_eq!(rule(when(&start, "abolished", json!({"reason": "x"})).await), DepartmentError::Platform);
}

#[tokio::test]
async fn a_compromise_is_declared_of_a_known_key_from_a_time_in_its_term_on() {
    let [first, second] = [1, 2].map(|seed| private_key(seed).public());
    let since = |kid: &Kid, since: &str| json!({"kid": kid, "since": since});
    let now = "2026-01-01T00:00:00.000Z";
    let start = [("established", established("mvd"))];
    assert!(when(&start, "key-compromised", since(&first.kid(), now)).await.is_ok());
    let unknown = rule(when(&start, "key-compromised", since(&second.kid(), now)).await);
    assert_eq!((unknown.pointer(), unknown), ("/kid", DepartmentError::KeyUnknown));
    for (time, error, code) in [
        ("2026-01-01T00:00:00.001Z", SinceError::Future, "since"),
        (
            "2025-12-31T23:59:59.999Z",
            SinceError::BeforeKey { from: crate::testing::at("2026-01-01") },
            "since",
        ),
    ] {
        let refused = rule(when(&start, "key-compromised", since(&first.kid(), time)).await);
        assert_eq!((refused.code(), refused.pointer(), refused.reason()), (code, "/since", Reason::Invalid));
        assert_eq!(refused, DepartmentError::Since(error));
    }
    let shapeless = when(&start, "key-compromised", since(&first.kid(), "yesterday")).await.unwrap_err();
    assert_eq!(shapeless.faults()[0].pointer, "/since");
    // It passes the schema's pattern, and is no time.
    let no_time = when(&start, "key-compromised", since(&first.kid(), "2026-02-30T00:00:00.000Z")).await;
    assert_eq!(rule(no_time), DepartmentError::Since(SinceError::Form));

    let declared = [start[0].clone(), ("key-compromised", since(&first.kid(), now))];
    let again = rule(when(&declared, "key-compromised", since(&first.kid(), now)).await);
    assert_eq!((again.code(), again.reason()), ("key-compromised", Reason::Conflict));
    let revoke = json!({"kid": first.kid(), "reason": "x"});
    assert!(matches!(
        rule(when(&declared, "key-revoked", revoke.clone()).await),
        DepartmentError::KeyRevoked { .. }
    ));
    let enrol = json!({"key": first.jwk()});
    assert!(matches!(rule(when(&declared, "key-enrolled", enrol).await), DepartmentError::KeyKnown { .. }));
    // What was stolen is often found out later: after the revocation, and after the end of the department.
    let gone = [start[0].clone(), ("key-revoked", revoke), ("abolished", json!({"reason": "merged"}))];
    assert!(when(&gone, "key-compromised", since(&first.kid(), now)).await.is_ok());
}

#[tokio::test]
async fn the_platforms_last_key_is_not_declared_compromised_before_there_is_another() {
    let compromise = json!({"kid": private_key(1).public().kid(), "since": "2026-01-01T00:00:00.000Z"});
    let start = [("established", established("platform"))];
    let refused = rule(when(&start, "key-compromised", compromise.clone()).await);
    assert_eq!(refused, DepartmentError::LastKey);
    let two = [start[0].clone(), ("key-enrolled", json!({"key": private_key(2).public().jwk()}))];
    assert!(when(&two, "key-compromised", compromise).await.is_ok());
}

#[tokio::test]
async fn officials_are_appointed_once_and_dismissed_once() {
    let official = "0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7b";
    let appoint = json!({"official": official, "position": "Inspector"});
    let dismiss = json!({"official": official});
    let start = [("established", established("mvd"))];
    let appointed = [start[0].clone(), ("official-appointed", appoint.clone())];
    assert!(when(&start, "official-appointed", appoint.clone()).await.is_ok());
    assert_eq!(
        rule(when(&start, "official-dismissed", dismiss.clone()).await),
        DepartmentError::OfficialUnknown
    );
    assert_eq!(
        rule(when(&appointed, "official-appointed", appoint.clone()).await),
        DepartmentError::OfficialKnown
    );
    let dismissed = [start[0].clone(), appointed[1].clone(), ("official-dismissed", dismiss.clone())];
    assert_eq!(rule(when(&dismissed, "official-dismissed", dismiss).await), DepartmentError::OfficialUnknown);
    assert!(when(&dismissed, "official-appointed", appoint).await.is_ok());
}

#[tokio::test]
async fn a_department_is_abolished_without_keys_and_then_takes_nothing_but_news_of_its_keys() {
    let start = [("established", established("mvd"))];
    let reason = json!({"reason": "merged"});
    assert_eq!(rule(when(&start, "abolished", reason.clone()).await), DepartmentError::KeysInForce);
    let keyless = [
        start[0].clone(),
        ("key-revoked", json!({"kid": private_key(1).public().kid(), "reason": "merged"})),
    ];
    assert!(when(&keyless, "abolished", reason.clone()).await.is_ok());
    let gone = [keyless[0].clone(), keyless[1].clone(), ("abolished", reason)];
    let error = when(&gone, "renamed", json!({"title": {"ru": "Н", "en": "N"}})).await.unwrap_err();
    assert!(
        matches!(error, RecordError::NotAllowed { ref allowed, .. } if *allowed == ["key-compromised"]),
        "{error}"
    );
}

/// Callers append through `AnyRecord`, which cannot be talked out of these rules.
#[tokio::test]
async fn any_record_of_departments_has_these_rules() {
    let departments = platform("departments");
    let append = |entry_type: &str, body: Value| {
        RecordCommand::Append(Box::new(proposed(&departments, entry_type, body)))
    };
    let events = TestFramework::<AnyRecord>::with(())
        .given_no_previous_events()
        .when_async(append("established", established("platform")))
        .await
        .inspect_result()
        .unwrap();
    let revoke = append("key-revoked", json!({"kid": private_key(1).public().kid(), "reason": "x"}));
    let refused = TestFramework::<AnyRecord>::with(()).given(events).when_async(revoke).await;
    refused.then_expect_error(RecordError::Department(DepartmentError::LastKey));
    let mut slugless = established("platform");
    slugless["slug"] = json!("1");
    let refused = TestFramework::<AnyRecord>::with(()).given_no_previous_events();
    let error = refused.when_async(append("established", slugless)).await.inspect_result().unwrap_err();
    assert!(error.faults().iter().all(|fault| fault.pointer == "/slug"), "{error}");
}
