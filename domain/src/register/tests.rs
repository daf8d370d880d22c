use cqrs_es::test::TestFramework;
use serde_json::json;

use super::*;
use crate::any_record::AnyRecord;
use crate::record::RecordCommand;
use crate::testing::{platform, proposed, seeded_verifier_key, small_definition, verifier_key};

fn key(register: &str) -> VerifierKey {
    verifier_key(&format!("registers.example.gov/registers/{register}"))
}

fn permits() -> Value {
    small_definition("permits", "mvd")
}

fn append(entry_type: &str, body: Value) -> RecordCommand {
    RecordCommand::Append(Box::new(proposed(&platform("registers"), entry_type, body)))
}

async fn define(body: Value) -> Result<Vec<RecordEvent>, RecordError> {
    let framework = TestFramework::<Register>::with(()).given_no_previous_events();
    framework.when_async(append("defined", body)).await.inspect_result()
}

/// What comes of redefining `before` as `after`.
async fn redefine(before: &Value, after: &Value) -> Result<Vec<RecordEvent>, RecordError> {
    let key = key(before["slug"].as_str().unwrap());
    let defined = define(body(before, &key)).await.unwrap();
    let redefined = json!({"slug": before["slug"], "definition": after, "key": key.to_string()});
    let framework = TestFramework::<Register>::with(()).given(defined);
    framework.when_async(append("redefined", redefined)).await.inspect_result()
}

#[tokio::test]
async fn a_register_is_defined_with_its_key() {
    let event = &define(body(&permits(), &key("permits"))).await.unwrap()[0];
    assert_eq!((event.number(), event.version), (Some("permits"), 1));
    for wrong in ["fines", "xpermits"] {
        let error = define(body(&permits(), &key(wrong))).await.unwrap_err();
        assert_eq!(error, RecordError::Register(RegisterError::Key));
    }
    let mut renamed = body(&permits(), &key("permits"));
    renamed["slug"] = json!("fines");
    assert_eq!(define(renamed).await.unwrap_err(), RecordError::Register(RegisterError::Slug));
}

#[tokio::test]
async fn a_definition_with_faults_is_refused_with_all_of_them() {
    let mut wrong = permits();
    wrong["types"][0]["to"] = json!("lost");
    wrong["kind"] = json!("thing");
    let error = define(body(&wrong, &key("permits"))).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), ("definition-invalid", Reason::Invalid));
    assert_eq!(error.faults()[0].pointer, "/definition/kind");
}

#[tokio::test]
async fn what_strands_no_record_may_change() {
    let mut after = permits();
    after["title"]["en"] = json!("New");
    after["owner"] = json!("rosgvardia");
    after["visibility"] = json!("restricted");
    after["types"][2]["type"] = json!("withdrawn");
    after["statuses"][1]["title"]["en"] = json!("Withdrawn");
    after["statuses"][1]["final"] = json!(true);
    assert!(redefine(&permits(), &after).await.is_ok());
}

#[tokio::test]
async fn what_would_break_what_stands_may_not_change() {
    let numbered = |member: &str| {
        let mut json = permits();
        let title = json!({"ru": "Номер", "en": "Number"});
        json["number"] = json!({"member": member, "pattern": "^[0-9]+$", "example": "1", "title": title});
        json["types"][0]["effect"] = json!("sets");
        json
    };
    let mut slug = permits();
    slug["slug"] = json!("fines");
    let mut wider = permits();
    wider["visibility"] = json!("public");
    let mut dropped = permits();
    dropped["statuses"][1]["status"] = json!("gone");
    dropped["types"][2]["to"] = json!("gone");
    let mut forced = permits();
    forced["statuses"][1]["in_force"] = json!(true);
    for (before, after, pointer) in [
        (permits(), slug, "/definition/slug"),
        (permits(), wider, "/definition/visibility"),
        (permits(), dropped, "/definition/statuses"),
        (permits(), forced, "/definition/statuses/1/in_force"),
        (numbered("number"), permits(), "/definition/number"),
        (numbered("number"), numbered("serial"), "/definition/number/member"),
    ] {
        let error = redefine(&before, &after).await.unwrap_err();
        assert_eq!((error.code(), error.reason()), ("definition-change", Reason::Conflict), "{error}");
        let pointers: Vec<_> = error.faults().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, [pointer]);
    }
    assert!(redefine(&permits(), &numbered("number")).await.is_ok());
}

#[tokio::test]
async fn a_register_keeps_its_key() {
    let defined = define(body(&permits(), &key("permits"))).await.unwrap();
    let other = verifier_key("elsewhere.example.gov/registers/permits");
    let framework = TestFramework::<Register>::with(()).given(defined);
    let result = framework.when_async(append("redefined", body(&permits(), &other))).await.inspect_result();
    assert_eq!(result.unwrap_err().faults()[0].pointer, "/key");
}

/// What comes of an entry after others about the register `permits`, whose first key has the seed 9.
async fn after(
    entries: &[(&str, Value)],
    entry_type: &str,
    body: Value,
) -> Result<Vec<RecordEvent>, RecordError> {
    let mut register = Register::default();
    let mut events = define(super::body(&permits(), &key("permits"))).await.unwrap();
    register.step(&events[0]);
    for (entry_type, body) in entries {
        let event = register.decide(&proposed(&platform("registers"), entry_type, body.clone())).unwrap();
        register.step(&event);
        events.push(event);
    }
    let framework = TestFramework::<AnyRecord>::with(()).given(events);
    framework.when_async(append(entry_type, body)).await.inspect_result()
}

fn rule(result: Result<Vec<RecordEvent>, RecordError>) -> RegisterError {
    match result {
        Err(RecordError::Register(error)) => error,
        other => panic!("{other:?}"),
    }
}

const NOW: &str = "2026-01-01T00:00:00.000Z";

#[tokio::test]
async fn keys_are_added_and_retired_once_and_one_stays() {
    let [first, second] = [9, 2].map(|seed| seeded_verifier_key(key("permits").name(), seed).to_string());
    let named = |key: &str| json!({"key": key});
    let add = ("key-added", named(&second));
    let retire = ("key-retired", named(&first));
    assert!(after(&[], "key-added", named(&second)).await.is_ok());
    assert_eq!(rule(after(&[], "key-added", named(&first)).await), RegisterError::KeyKnown);
    assert_eq!(rule(after(&[], "key-retired", named(&second)).await), RegisterError::KeyUnknown);
    assert_eq!(rule(after(&[], "key-retired", named(&first)).await), RegisterError::LastKey);
    let two = [add.clone(), retire.clone()];
    assert_eq!(rule(after(&two, "key-retired", named(&first)).await), RegisterError::KeyRetired);
    assert_eq!(rule(after(&two, "key-added", named(&first)).await), RegisterError::KeyKnown);
    let last = rule(after(&two, "key-retired", named(&second)).await);
    assert_eq!(
        (last.code(), last.reason(), last.faults()[0].pointer.as_str()),
        ("last-key", Reason::Conflict, "/key")
    );
    // The checkpoint of a closed register is served as long as it is, and its key can be lost too.
    let closed = [("closed", json!({"reason": "x"}))];
    assert!(after(&closed, "key-added", named(&second)).await.is_ok());
    for elsewhere in ["registers.example.gov/registers/fines", "elsewhere.example.gov/registers/permits"] {
        let foreign = named(&verifier_key(elsewhere).to_string());
        for entry_type in ["key-added", "key-retired"] {
            assert_eq!(
                rule(after(&[], entry_type, foreign.clone()).await),
                RegisterError::Key,
                "{elsewhere}"
            );
        }
    }
    let witness =
        VerifierKey::new(key("permits").name(), KeyType::Cosignature, *seeded_verifier_key("x", 3).key());
    assert_eq!(rule(after(&[], "key-added", named(&witness.unwrap().to_string())).await), RegisterError::Key);
}

#[tokio::test]
async fn a_registers_key_is_declared_compromised_while_another_is_in_force() {
    let [first, second] = [9, 2].map(|seed| seeded_verifier_key(key("permits").name(), seed).to_string());
    let since = |key: &str, since: &str| json!({"key": key, "since": since});
    let added = ("key-added", json!({"key": second}));
    assert_eq!(rule(after(&[], "key-compromised", since(&first, NOW)).await), RegisterError::LastKey);
    assert_eq!(rule(after(&[], "key-compromised", since(&second, NOW)).await), RegisterError::KeyUnknown);
    let two = [added.clone()];
    assert!(after(&two, "key-compromised", since(&first, NOW)).await.is_ok());
    let early = rule(after(&two, "key-compromised", since(&first, "2025-12-31T23:59:59.999Z")).await);
    assert_eq!((early.code(), early.faults()[0].pointer.as_str()), ("since", "/since"));
    let future = rule(after(&two, "key-compromised", since(&first, "2026-01-01T00:00:00.001Z")).await);
    assert_eq!(future, RegisterError::Since(SinceError::Future));
    let gone = [added, ("key-compromised", since(&first, NOW))];
    let again = rule(after(&gone, "key-compromised", since(&first, NOW)).await);
    assert_eq!((again.code(), again.reason()), ("key-compromised", Reason::Conflict));
    assert_eq!(rule(after(&gone, "key-retired", json!({"key": first})).await), RegisterError::KeyRetired);
}

#[tokio::test]
async fn a_redefinition_repeats_the_newest_key() {
    let second = seeded_verifier_key(key("permits").name(), 2);
    let added = [("key-added", json!({"key": second.to_string()}))];
    assert!(after(&added, "redefined", body(&permits(), &second)).await.is_ok());
    let stale = rule(after(&added, "redefined", body(&permits(), &key("permits"))).await);
    assert_eq!(stale.faults()[0].pointer, "/key");
}

#[tokio::test]
async fn the_platforms_registers_are_not_closed() {
    let reason = json!({"reason": "x"});
    for (register, definition, is_refused) in
        [("permits", permits(), false), ("departments", crate::testing::fixture("departments"), true)]
    {
        let defined = define(body(&definition, &key(register))).await.unwrap();
        let framework = TestFramework::<AnyRecord>::with(()).given(defined);
        let result = framework.when_async(append("closed", reason.clone())).await.inspect_result();
        assert_eq!(result.is_err(), is_refused, "{register}");
        assert!(!is_refused || result.unwrap_err() == RecordError::Register(RegisterError::Platform));
    }
}
