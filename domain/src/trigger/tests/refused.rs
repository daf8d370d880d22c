//! Each bad rule is refused, with the place and the reason.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

#[test]
fn a_right_rule_is_accepted_and_fits_the_fixtures() {
    let rule = compiled(&right());
    assert_eq!(check(&rule, &definitions(), &departments()), []);
    let needs: Vec<_> = rule.needs().registers.iter().map(Slug::as_str).collect();
    assert_eq!(needs, ["births", "marriages", "maternity-capital-certificates"]);
    assert!(rule.needs().family && !rule.needs().step);
    let json = serde_json::to_value(rule.rule()).unwrap();
    assert_eq!(CompiledRule::compile(&json).unwrap().rule(), rule.rule());
}

#[test]
fn each_fault_of_a_rule_is_told_with_its_place() {
    let service = |values: Value| json!({"service": "x1", "title": {"ru": "Р", "en": "E"}, "department": "sfr", "values": values});
    for (pointer, value, at, reason) in [
        ("/slug", json!("First Child"), "/slug", "must match the pattern"),
        ("/reads", json!("births"), "/reads", "must be of type array"),
        ("/colour", json!(1), "/colour", "is not a member"),
        ("/cause", json!({"entry": {"register": "births"}}), "/cause/entry/types", "is required"),
        (
            "/cause",
            json!({"date": {"register": "persons", "member": "birth_date", "plus": "14 years"}}),
            "/cause/date/plus",
            "must match the pattern",
        ),
        (
            "/cause",
            json!({"date": {"register": "births", "member": "act_date", "plus": "1Y", "minus": "1D"}}),
            "/cause/date/minus",
            "one of them is enough",
        ),
        (
            "/cause",
            json!({"entry": {"register": "offers", "types": ["accepted", "proposed"]}}),
            "/cause/entry/types/1",
            "for ever",
        ),
        ("/for", json!("person"), "/for", "only where the cause is in `persons`"),
        ("/for", json!("subject:mother/uncle"), "/for", "must match the pattern"),
        (
            "/in_force",
            json!({"from": "2020-01-01", "until": "2019-01-01"}),
            "/in_force/until",
            "before `from`",
        ),
        ("/in_force", json!({"from": "2020-02-30"}), "/in_force/from", "no such date"),
        ("/legal_basis", json!([]), "/legal_basis", "at least 1"),
        ("/let/0/name", json!("person"), "/let/0/name", "meaning of its own"),
        ("/let", json!([{"name": "x", "is": "1"}, {"name": "x", "is": "2"}]), "/let/1/name", "stands twice"),
        ("/let/0/is", json!("size(family.children"), "/let/0/is", "not closed"),
        ("/let/0/is", json!("size(family.children) +"), "/let/0/is", "is no expression: at 1:"),
        ("/let/0/is", json!("child_count + 1"), "/let/0/is", "names `child_count`, which is nothing here"),
        ("/let/0/is", json!("optional.of(1)"), "/let/0/is", "calls `of`"),
        ("/effect", json!({"inform": {"x": 1}}), "/effect/inform", "is not allowed here"),
        ("/effect", json!({"inform": {}, "offer": service(json!({}))}), "/effect", ""),
        ("/effect", json!({"offer": service(json!({"x": "y"}))}), "/effect/offer/values/x", "names `y`"),
        (
            "/effect",
            json!({"set": {"title": {"ru": "Р", "en": "E"}, "services": [service(json!({})), service(json!({}))]}}),
            "/effect/set/services/1/service",
            "stands twice",
        ),
        (
            "/effect",
            json!({"provide": {"register": "benefits", "type": "assigned", "body": {"a": [{"b": "=x"}]}}}),
            "/effect/provide/body/a/0/b",
            "names `x`",
        ),
    ] {
        refused(pointer, &value, at, reason);
    }
    let large = with(
        right(),
        "/effect",
        json!({"provide": {"register": "benefits", "type": "assigned", "body": {"a": "x".repeat(70_000)}}}),
    );
    assert!(CompiledRule::compile(&large).unwrap_err()[0].message.contains("at most 65536 bytes"));
}

/// The rule with this member is refused at this place, for a reason with these words.
fn refused(pointer: &str, value: &Value, at: &str, reason: &str) {
    let faults = CompiledRule::compile(&with(right(), pointer, value.clone())).map(|_| ()).unwrap_err();
    let found = faults.iter().any(|fault| fault.pointer.starts_with(at) && fault.message.contains(reason));
    assert!(found, "{pointer} = {value}: {faults:?}");
}

#[test]
fn each_fault_of_an_expression_is_told() {
    let loops = format!("[{}]", "family.children.exists(c, true),".repeat(9).trim_end_matches(','));
    for (pointer, value, at, reason) in [
        ("/when", json!("system('rm') == 1"), "/when", "calls `system`"),
        ("/when", json!("'a'.matches('b')"), "/when", "calls `matches`"),
        (
            "/when",
            json!("person.age > 1 && account.passports == []"),
            "/when",
            "register `passports`: name it in `reads`",
        ),
        ("/when", json!("account[person.name.family] == []"), "/when", "write the name out"),
        ("/when", json!("size(account) > 0"), "/when", "`account` is asked for a register"),
        (
            "/when",
            json!("family.children.exists(c, size(c.account['passports']) > 0)"),
            "/when",
            "register `passports`",
        ),
        ("/when", json!("has(family.mother)"), "/when", "name it in `family`"),
        ("/when", json!("cause.number == 1"), "/when", "asks for `cause.number`"),
        ("/when", json!("family.spouse == null"), "/when", "has(…)"),
        ("/when", json!("{'a': 1}.a == 1"), "/when", "makes an object"),
        ("/when", json!("b'a' == b'a'"), "/when", "bytes"),
        ("/when", json!("digits(4) == '1234'"), "/when", "bodies of what is provided"),
        ("/when", json!("family.children.exists(person, true)"), "/when", "meaning of its own"),
        (
            "/when",
            json!("(family.children + family.children).exists(c, true)"),
            "/when",
            "adds lists to loop over",
        ),
        (
            "/when",
            json!("family.children.all(a, family.children.all(b, family.children.all(c, true)))"),
            "/when",
            "nests loops",
        ),
        (
            "/when",
            json!("family.children.all(a, family.children.all(b, a.age + b.age > 1))"),
            "/when",
            "adds inside a loop",
        ),
        ("/when", json!(format!("size({loops}) > 0")), "/when", "more than 8 loops"),
        (
            "/when",
            json!("size(family.children.map(a, family.children.filter(b, true))) > 0"),
            "/when",
            "builds a list for each item",
        ),
        ("/when", json!("a".repeat(3000)), "/when", "at most 2048"),
        ("/when", json!(format!("{}true{}", "(".repeat(60), ")".repeat(60))), "/when", "nests deeper"),
        ("/when", json!("!".repeat(60) + "true"), "/when", "nests deeper"),
    ] {
        refused(pointer, &value, at, reason);
    }
}

#[test]
fn what_a_rule_names_must_be_there() {
    let (definitions, departments) = (definitions(), departments());
    let provide = |register: &str, kind: &str, body: Value| json!({"provide": {"register": register, "type": kind, "body": body}});
    for (pointer, value, at, reason) in [
        ("/department", json!("ministry-of-magic"), "/department", "no department"),
        (
            "/cause",
            json!({"entry": {"register": "spells", "types": ["cast"]}}),
            "/cause/entry/register",
            "no register `spells`",
        ),
        (
            "/cause",
            json!({"entry": {"register": "births", "types": ["recorded", "hatched"]}}),
            "/cause/entry/types/1",
            "no entry type `hatched`",
        ),
        (
            "/cause",
            json!({"date": {"register": "births", "member": "child.wand"}}),
            "/cause/date/member",
            "gives its record a member",
        ),
        (
            "/cause",
            json!({"date": {"register": "births", "member": "act_date", "statuses": ["lost"]}}),
            "/cause/date/statuses/0",
            "no status `lost`",
        ),
        ("/for", json!("subject:uncle"), "/for", "no role `uncle`"),
        ("/reads", json!(["maternity-capital-certificates", "spells"]), "/reads/1", "no register `spells`"),
        ("/when", json!("person.wand == 'x'"), "/when", "asks for `person.wand`"),
        ("/effect/offer/department", json!("ministry-of-magic"), "/effect/offer/department", "no department"),
        ("/effect", provide("spells", "cast", json!({})), "/effect/provide/register", "no register"),
        (
            "/effect",
            provide("driving-licences", "issued", json!({})),
            "/effect/provide/register",
            "provides only from its own",
        ),
        (
            "/effect",
            provide("maternity-capital-certificates", "cast", json!({})),
            "/effect/provide/type",
            "no entry type",
        ),
        (
            "/effect",
            provide("maternity-capital-certificates", "issued", json!({"wand": 1})),
            "/effect/provide/body/wand",
            "not a member",
        ),
        (
            "/effect",
            provide("maternity-capital-certificates", "issued", json!({})),
            "/effect/provide/body/subjects",
            "required",
        ),
    ] {
        let rule = compiled(&with(right(), pointer, value.clone()));
        let faults = check(&rule, &definitions, &departments);
        let found = faults.iter().any(|fault| fault.pointer == at && fault.message.contains(reason));
        assert!(found, "{pointer} = {value}: {faults:?}");
    }
    let third_birthday = json!({"date": {"register": "births", "member": "child.birth_date", "plus": "3Y"}});
    let by_child = with(right(), "/cause", third_birthday);
    assert_eq!(check(&compiled(&by_child), &definitions, &departments), []);
}

/// Pieces of which texts are made that are nearly expressions.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "person",
        "cause",
        ".age",
        ".name",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "'a'",
        "\"b\"",
        "1",
        "2.5",
        "-",
        "+",
        "*",
        "/",
        "%",
        "!",
        "&&",
        "||",
        "?",
        ":",
        ",",
        ".",
        "==",
        "<",
        " in ",
        "has(",
        "size(",
        ".exists(x, ",
        ".map(x, ",
        "x",
        "account",
        "['passports']",
        "family",
        ".children",
        "null",
        "true",
        "today",
        "age(",
        "9223372036854775807",
        "0u",
        "b'x'",
        "r'",
        "\\",
        "//",
        "\n",
        "ё",
        ".?",
        "[?",
        "@",
        "`",
        "digits(",
        "string(",
        "0x",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_of_a_rule_makes_it_panic_or_dawdle(text in prop_oneof![nearly(), any::<String>()]) {
        let world = World::new_with_people();
        let rule = with(with(right(), "/when", json!(text)), "/reads", json!(["passports", "births"]));
        let before = Instant::now();
        if let Ok(rule) = CompiledRule::compile(&rule) {
            let cause = world.cause.clone().unwrap();
            let _ = world.world.evaluate(&rule, &cause, 2, "2026-01-01");
        }
        prop_assert!(before.elapsed() < Duration::from_secs(10), "{text}");
    }
}

struct Peopled {
    world: World,
    cause: Option<Cause>,
}

impl World {
    fn new_with_people() -> Peopled {
        thread_local!(static DEFINITIONS: Definitions = definitions());
        let definitions = DEFINITIONS.with(Clone::clone);
        let mut world = World { definitions, source: MemorySource::default(), position: 1000 };
        for (id, born) in [(1, "2025-12-01"), (2, "1990-01-01"), (3, "1988-01-01")] {
            world.person(id, born);
        }
        let birth = world.birth(10, "2025-12-01", (1, 2, 3));
        let cause = Some(world.cause(&birth));
        Peopled { world, cause }
    }
}
