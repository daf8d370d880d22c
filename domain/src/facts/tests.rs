use serde_json::{Value, json};

use super::*;
use crate::testing::{at, slug};

fn fold(steps: &[(Step, Option<Value>)]) -> RecordState {
    let mut state = RecordState::default();
    let (register, issuer, entry_type) = (slug("permits"), slug("mvd"), "any".parse().unwrap());
    for (version, (rule, body)) in (1..).zip(steps) {
        let entry = EntryView {
            register: &register,
            record: Uuid::from_u128(7),
            version,
            entry_type: &entry_type,
            effective_at: at("2026-01-01"),
            recorded_at: at("2026-01-02"),
            issuer: &issuer,
            position: version,
            body: body.as_ref(),
        };
        step(&mut state, rule, &entry);
    }
    state
}

fn rule(to: Option<&str>, effect: Effect) -> Step {
    Step {
        opens: false,
        to: to.map(str::to_owned),
        effect,
        number: Some("number".into()),
        valid_from: Some("from".into()),
        valid_until: Some("until".into()),
    }
}

#[test]
fn what_a_body_does_not_say_stays_or_goes_by_its_effect() {
    let set = (
        rule(Some("valid"), Effect::Sets),
        Some(json!({"number": "1", "from": "2026-01-01", "until": "2027-01-01"})),
    );
    let amended = fold(&[set.clone(), (rule(None, Effect::Amends), Some(json!({"until": "2028-01-01"})))]);
    assert_eq!(amended.number.as_deref(), Some("1"));
    assert_eq!(amended.valid_until, Some("2028-01-01".parse().unwrap()));
    assert_eq!((amended.status.as_str(), amended.version), ("valid", 2));
    let replaced = fold(&[set.clone(), (rule(None, Effect::Sets), Some(json!({"number": "2"})))]);
    assert_eq!((replaced.number.as_deref(), replaced.valid_from), (Some("2"), None));
    let untouched = fold(&[set, (rule(Some("revoked"), Effect::None), Some(json!({"number": "9"})))]);
    assert_eq!((untouched.number.as_deref(), untouched.status.as_str()), (Some("1"), "revoked"));
    assert_eq!(untouched.changed.unwrap().recorded_at, at("2026-01-02"));
}

#[test]
fn a_withheld_body_still_moves_the_status() {
    let state =
        fold(&[(rule(Some("valid"), Effect::Sets), None), (rule(Some("revoked"), Effect::None), None)]);
    assert_eq!(
        (state.status.as_str(), state.version, state.withheld, state.number),
        ("revoked", 2, true, None)
    );
    let set = (rule(Some("valid"), Effect::Sets), Some(json!({"number": "1"})));
    let state = fold(&[set, (rule(None, Effect::Amends), None)]);
    assert_eq!((state.number.as_deref(), state.withheld), (Some("1"), true));
}
