//! Proactive rules: their text, and expressions in CEL.

use std::sync::LazyLock;

use chrono::NaiveDate;
use domain::trigger::rule::CauseRule;
use domain::trigger::{Cause, CompiledRule, DueDate, EntryEvent, MemorySource, SceneRecord, Verdict};
use proofs::jcs;
use proofs::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

const MOTHER: Uuid = Uuid::from_u128(1);
const CHILD: Uuid = Uuid::from_u128(2);

/// Bytes of all that a rule computes at most: 64 values for each of 64 services, of 6 KiB each, and then some.
const COMPUTED_BYTES_MAX: usize = 64 << 20;

/// A mother, her child and a few records, as rules see them.
struct World {
    source: MemorySource,
    birth: SceneRecord,
    today: NaiveDate,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut source = MemorySource::default();
    let name = json!({ "family": "Примерова", "given": "Анна", "patronymic": "Ивановна" });
    let person = json!({ "name": name, "birth_date": "1995-02-28", "sex": "female", "inn": "770000000000",
        "address": { "region": "Москва", "text": "улица Примерная, 1" } });
    source.insert(scene("persons", MOTHER, &json!([]), person));
    let child = json!({ "name": name, "birth_date": "2026-03-01", "sex": "male" });
    source.insert(scene("persons", CHILD, &json!([]), child.clone()));
    let subjects = json!([{ "role": "child", "person": CHILD }, { "role": "mother", "person": MOTHER }]);
    let birth = scene("births", Uuid::from_u128(3), &subjects, json!({ "child": child, "act_number": "1" }));
    source.insert(birth.clone());
    for number in 0..5_u128 {
        let notice = json!({ "sum_kopecks": 100 * u64::try_from(number).unwrap_or(0), "tax": "land", "year": 2025,
            "due_date": "2026-12-01", "items": ["a", "b", "c"] });
        let payer = json!([{ "role": "payer", "person": MOTHER }]);
        source.insert(scene("tax-notices", Uuid::from_u128(10 + number), &payer, notice));
    }
    World { source, birth, today: NaiveDate::from_ymd_opt(2026, 3, 12).expect("a day") }
});

fn scene(register: &str, record: Uuid, subjects: &Value, mut members: Value) -> SceneRecord {
    members["subjects"] = subjects.clone();
    let scene = json!({
        "register": register, "record": record, "version": 1, "status": "valid", "in_force": true, "subjects": subjects,
        "content": { "members": members, "complete": true },
        "opened_at": "2026-03-02T09:00:00.000Z", "effective_at": "2026-03-02T09:00:00.000Z",
    });
    serde_json::from_value(scene).expect("a scene")
}

/// A rule that compiles says the same when it is written and read again, and evaluates: within its bounds, always the same.
pub fn rule(bytes: &[u8]) -> bool {
    let Ok(json) = jcs::parse(bytes) else { return false };
    compiles(&json)
}

/// The same of an expression, where a rule has its condition, a computed value and what it prefills.
pub fn expression(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let title = json!({ "ru": "Правило", "en": "Rule" });
    let with = |when: &str, computed: &str| {
        json!({
            "slug": "fuzzed", "title": title, "situation": "birth-of-a-child", "kind": "family", "department": "sfr",
            "cause": { "entry": { "register": "births", "types": ["recorded"] } },
            "for": "subject:mother", "reads": ["tax-notices", "benefits", "driving-licences", "passports", "real-estate"], "family": ["children", "spouse", "mother", "father"],
            "let": [{ "name": "computed", "is": computed }], "when": when,
            "effect": { "offer": { "service": "service", "title": title, "department": "sfr", "values": { "value": computed } } },
            "expires_days": 90, "legal_basis": [{ "title": title, "citation": "1-ФЗ" }],
            "in_force": { "from": "2007-01-01", "until": null },
        })
    };
    let condition = compiles(&with(text, "1"));
    let value = compiles(&with("true", text));
    condition || value
}

fn compiles(json: &Value) -> bool {
    let rule = match CompiledRule::compile(json) {
        Ok(rule) => rule,
        Err(faults) => {
            assert!(!faults.is_empty() && faults.is_sorted(), "all faults, by place");
            return false;
        }
    };
    let world = &*WORLD;
    let cause = match &rule.rule().cause {
        CauseRule::Entry(cause) => Cause::Entry(EntryEvent {
            version: 1,
            entry_type: cause.types.first().expect("a rule names a type").clone(),
            effective_at: world.birth.effective_at,
            recorded_at: Timestamp::from_date(world.today),
            position: 9,
            body: Some(json!({ "act_number": "1" })),
            after: world.birth.clone(),
        }),
        CauseRule::Date(cause) => Cause::Date(DueDate {
            member: cause.member.clone(),
            base: world.birth.opened_at.date(),
            due: world.today,
            of: world.birth.clone(),
        }),
    };
    let said = rule.admits(&cause);
    assert_eq!(said, rule.admits(&cause));
    assert!(rule.addressees(&cause, &world.source).is_sorted());
    let verdict = rule.evaluate(&cause, MOTHER, &world.source, world.today);
    assert_eq!(verdict, rule.evaluate(&cause, MOTHER, &world.source, world.today), "always the same");
    if let Ok(Verdict::Holds(proposal)) = &verdict {
        let bytes = json!([proposal.values, proposal.prefilled]).to_string().len();
        assert!(bytes <= COMPUTED_BYTES_MAX, "it computes {bytes} bytes");
    }
    let provided = || rule.provided_body(&cause, MOTHER, &world.source, world.today, ("key", 0));
    assert_eq!(provided(), provided(), "always the same");
    true
}
