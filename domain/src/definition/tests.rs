use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::fixture;

fn title(text: &str) -> Value {
    json!({"ru": text, "en": text})
}

/// A small definition with one of everything.
fn definition() -> Value {
    let closed = |properties: Value| json!({"type": "object", "additionalProperties": false, "properties": properties});
    let date = json!({"type": "string", "format": "date"});
    json!({
        "slug": "permits", "title": title("Permits"), "owner": "mvd", "kind": "permit", "visibility": "status-public", "group": "security",
        "number": {"member": "number", "pattern": "^[A-Z]{2}[0-9]{4}$", "example": "AB1234", "title": title("Number")},
        "validity": {"from": "valid_from", "until": "valid_until"},
        "subjects": [{"role": "holder", "title": title("Holder"), "kinds": ["person"], "min": 1, "max": 2}],
        "statuses": [
            {"status": "valid", "title": title("Valid"), "in_force": true},
            {"status": "revoked", "title": title("Revoked"), "in_force": false, "final": true}
        ],
        "types": [
            {"type": "issued", "title": title("Issued"), "from": null, "to": "valid", "effect": "sets", "schema":
                closed(json!({"number": {"type": "string"}, "valid_from": date, "valid_until": date, "subjects": {"$ref": "#/$defs/subjects"}}))},
            {"type": "corrected", "title": title("Corrected"), "from": ["valid", "revoked"], "to": null, "effect": "amends", "corrects": true,
                "schema": closed(json!({"corrects": {"$ref": "#/$defs/corrects"}, "valid_until": date}))},
            {"type": "revoked", "title": title("Revoked"), "from": ["valid"], "to": "revoked", "effect": "none",
                "schema": closed(json!({"reason": {"$ref": "#/$defs/reason"}}))}
        ],
        "defs": {"colour": {"enum": ["red", "blue"]}},
        "legal_basis": [{"title": title("Law"), "citation": "1-ФЗ"}]
    })
}

/// The definition with the value at a pointer replaced (or, for `null` written as "remove", removed).
fn with(pointer: &str, value: Value) -> Value {
    let mut json = definition();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match json.pointer_mut(parent).unwrap() {
        Value::Object(members) if value == "remove" => drop(members.remove(name)),
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    json
}

#[test]
fn a_right_definition_is_read_and_written_back_unchanged() {
    let read = Definition::from_json(&definition()).unwrap();
    assert_eq!(read.to_json(), definition());
    assert_eq!(read.opening_types().count(), 1);
    let from_revoked: Vec<_> = read.types_from("revoked").map(|rule| rule.entry_type.as_str()).collect();
    assert_eq!(from_revoked, ["corrected"]);
    assert!(read.in_force("valid") && !read.in_force("revoked") && !read.in_force("unknown"));
    assert!(read.number_matches("AB1234") && !read.number_matches("AB12345"));
    for register in ["registers", "departments", "persons"] {
        assert_eq!(Definition::from_json(&fixture(register)).unwrap().to_json(), fixture(register));
    }
}

/// Each fault of a definition: what is done to a right one, where the fault is found, and what is said of it.
#[test]
fn every_fault_is_found_where_it_is() {
    let status = json!({"status": "valid", "title": title("x"), "in_force": true});
    for (at, value, pointer, message) in [
        ("/slug", json!("Permits"), "/slug", "must match the pattern"),
        ("/slug", json!("remove"), "/slug", "is required"),
        ("/colour", json!(1), "/colour", "is not a member"),
        ("/title/en", json!("remove"), "/title/en", "is required"),
        ("/kind", json!("thing"), "/kind", "must be one of"),
        ("/visibility", json!("secret"), "/visibility", "must be one of"),
        ("/group", json!("x"), "/group", "must be one of"),
        ("/statuses", json!([]), "/statuses", "at least 1"),
        ("/types", json!([]), "/types", "at least 1"),
        ("/statuses/-", status.clone(), "/statuses/2/status", "stands twice"),
        ("/subjects/-", definition()["subjects"][0].clone(), "/subjects/1/role", "stands twice"),
        ("/types/-", definition()["types"][2].clone(), "/types/3/type", "stands twice"),
        ("/types/0/from", json!(["valid"]), "/types", "no type has `from: null`"),
        ("/types/0/to", json!(null), "/types/0/to", "must lead to a status"),
        ("/types/0/to", json!("lost"), "/types/0/to", "no status `lost`"),
        ("/types/2/from", json!(["lost"]), "/types/2/from/0", "no status `lost`"),
        ("/types/2/from", json!([]), "/types/2/from", "at least 1"),
        ("/types/2/to", json!("remove"), "/types/2/to", "is required"),
        ("/types/1/to", json!("valid"), "/types/1/from/1", "final"),
        ("/types/1/from", json!(null), "/types/1/from", "a correction needs an earlier entry"),
        (
            "/types/1/schema/properties/corrects",
            json!("remove"),
            "/types/1/schema/properties",
            "$defs/corrects",
        ),
        (
            "/types/0/schema/properties/subjects",
            json!("remove"),
            "/types/0/schema/properties",
            "$defs/subjects",
        ),
        ("/types/0/schema/type", json!("array"), "/types/0/schema/type", "a body is an object"),
        ("/types/0/schema/properties/number/type", json!("text"), "/types/0/schema", ""),
        ("/types/0/schema/properties/number", json!({"$ref": "#/$defs/nothing"}), "/types/0/schema", ""),
        (
            "/types/0/schema/properties/number",
            json!({"$ref": "https://example.com/x.json"}),
            "/types/0/schema",
            "",
        ),
        (
            "/types/0/schema/properties/number",
            json!({"type": "string", "format": "passport"}),
            "/types/0/schema",
            "passport",
        ),
        (
            "/types/0/schema/properties/number",
            json!({"type": "string", "pattern": "(?=a)"}),
            "/types/0/schema",
            "",
        ),
        (
            "/types/0/schema/properties/number",
            json!({"type": "string", "pattern": "["}),
            "/types/0/schema",
            "",
        ),
        ("/types/0/effect", json!("adds"), "/types/0/effect", "must be one of"),
        ("/number/pattern", json!("^[A-Z$"), "/number/pattern", "is no pattern"),
        ("/number/pattern", json!("[A-Z]{2}[0-9]{4}"), "/number/pattern", "^ and end with $"),
        ("/number/example", json!("AB123"), "/number/example", "does not match"),
        ("/number/member", json!("serial"), "/number/member", "no type that sets or amends"),
        ("/number/member", json!("reason"), "/number/member", "meaning of its own"),
        ("/number/member", json!("subjects"), "/number/member", "meaning of its own"),
        ("/validity/from", json!("since"), "/validity/from", "no type that sets or amends"),
        ("/validity/until", json!("valid_from"), "/validity/until", "another member"),
        ("/subjects/0/kinds", json!(["cat"]), "/subjects/0/kinds/0", "must be one of"),
        ("/subjects/0/min", json!(3), "/subjects/0/max", "must not be less"),
        ("/defs/subjects", json!({}), "/defs/subjects", "the engine provides"),
        ("/legal_basis/0/citation", json!(""), "/legal_basis/0/citation", "at least 1"),
    ] {
        let faults = Definition::from_json(&with(at, value.clone())).expect_err(at);
        let found =
            faults.iter().any(|fault| fault.pointer.starts_with(pointer) && fault.message.contains(message));
        assert!(found, "{at} = {value}: {faults:?}");
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let mut json = with("/types/2/from", json!(["lost"]));
    json["number"]["example"] = json!("x");
    json["types"][0]["to"] = json!("gone");
    let faults = Definition::from_json(&json).unwrap_err();
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/number/example", "/types/0/to", "/types/2/from/0"]);
}

#[test]
fn sizes_are_bounded() {
    let long = "x".repeat(SCHEMA_BYTES_MAX);
    let faults = Definition::from_json(&with("/types/0/schema/description", json!(long))).unwrap_err();
    assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/types/0/schema"));
    let faults = Definition::from_json(&with("/source", json!({"note": "x".repeat(BYTES_MAX)}))).unwrap_err();
    assert!(faults[0].message.contains("at most"));
    let many: Vec<_> =
        (0..65).map(|i| json!({"status": format!("s{i}"), "title": title("x"), "in_force": true})).collect();
    assert!(Definition::from_json(&with("/statuses", json!(many))).is_err());
    let many: Vec<_> = (0..65)
        .map(|i| json!({"type": format!("t{i}"), "title": title("x"), "from": null, "to": "valid", "effect": "none", "schema": {"type": "object"}}))
        .collect();
    assert!(Definition::from_json(&with("/types", json!(many))).is_err());
}

/// The words of the Rust types and of the form are the same.
#[test]
fn the_form_and_the_types_know_the_same_words() {
    let form: Value = serde_json::from_str(include_str!("definition.schema.json")).unwrap();
    let words = |list: &[&str]| json!({"enum": list});
    let of = |list: Vec<&'static str>| words(&list);
    assert_eq!(form["properties"]["kind"], of(Kind::ALL.iter().map(|word| word.as_str()).collect()));
    assert_eq!(
        form["properties"]["visibility"],
        of(Visibility::ALL.iter().map(|word| word.as_str()).collect())
    );
    assert_eq!(form["properties"]["group"], of(Group::ALL.iter().map(|word| word.as_str()).collect()));
    let effect = &form["properties"]["types"]["items"]["properties"]["effect"];
    assert_eq!(*effect, of(Effect::ALL.iter().map(|word| word.as_str()).collect()));
    assert_eq!("family".parse(), Ok(Group::Family));
    assert!("Family".parse::<Group>().unwrap_err().to_string().contains("family, housing"));
}

/// Schemas of bodies: what is refused, where, and in which words, none of which repeats the value.
#[test]
fn bodies_are_judged_without_repeating_them() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {
            "a": {"type": "string"}, "snils": {"type": "string", "format": "snils"}, "inn": {"type": "string", "format": "inn"},
            "phone": {"type": "string", "format": "phone-ru"}, "day": {"type": "string", "format": "date"},
            "moment": {"type": "string", "format": "date-time"}, "id": {"type": "string", "format": "uuid"},
            "mail": {"type": "string", "format": "email"}, "short": {"type": "string", "maxLength": 3},
            "count": {"type": "integer", "minimum": 1, "maximum": 9}, "word": {"enum": ["x", "y"]}, "code": {"type": "string", "pattern": "^[0-9]+$"},
            "list": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": true},
            "colour": {"$ref": "#/$defs/colour"}, "subjects": {"$ref": "#/$defs/subjects"}, "basis": {"$ref": "#/$defs/basis"},
            "sum": {"$ref": "#/$defs/money"}, "home": {"$ref": "#/$defs/address"}, "never": false
        }
    });
    let json = with("/types/2/schema", schema);
    let definition = Definition::from_json(&json).unwrap();
    let rule = definition.entry_type("revoked").unwrap();
    let secret = "7654321";
    for (name, value, pointer, message) in [
        ("a", json!(7_654_321), "/a", "must be of type string"),
        ("secret", json!(secret), "/secret", "is not a member"),
        ("snils", json!(secret), "/snils", "a SNILS is 11 digits"),
        ("snils", json!("112-233-445 00"), "/snils", "check digits"),
        ("inn", json!("7707083890"), "/inn", "check digit"),
        ("phone", json!(secret), "/phone", "+7"),
        ("day", json!("2023-02-29"), "/day", "no such date"),
        ("day", json!(secret), "/day", "YYYY-MM-DD"),
        ("moment", json!(secret), "/moment", "RFC 3339"),
        ("id", json!(secret), "/id", "a UUID is written"),
        ("mail", json!(secret), "/mail", "an e-mail address"),
        ("short", json!(secret), "/short", "at most 3"),
        ("count", json!(7_654_321), "/count", "must be 9 or less"),
        ("count", json!(0), "/count", "must be 1 or more"),
        ("count", json!(1.5), "/count", "must be of type integer"),
        ("word", json!(secret), "/word", r#"must be one of ["x","y"]"#),
        ("code", json!("x7654321"), "/code", "must match the pattern ^[0-9]+$"),
        ("list", json!([1]), "/list", "at least 2"),
        ("list", json!([7_654_321, 7_654_321]), "/list", "twice"),
        ("list", json!([1, secret]), "/list/1", "must be of type integer"),
        ("colour", json!(secret), "/colour", "must be one of"),
        ("never", json!(secret), "/never", "not allowed"),
        (
            "subjects",
            json!([{"role": "holder", "person": secret}]),
            "/subjects/0/person",
            "a UUID is written",
        ),
        ("subjects", json!([{"role": "holder"}]), "/subjects/0/person", "is required"),
        (
            "subjects",
            json!([{"role": "holder", "organisation": {"name": "x", "inn": secret}}]),
            "/subjects/0/organisation/inn",
            "10 digits",
        ),
        ("basis", json!({}), "/basis", "at least 1"),
        ("sum", json!({"amount": "7654321", "currency": "RUB"}), "/sum/amount", "must match the pattern"),
        ("home", json!({"city": secret}), "/home/region", "is required"),
    ] {
        let mut body = json!({"a": "right"});
        body[name] = value.clone();
        let faults = definition.check_body(rule, &body);
        let found = faults.iter().any(|fault| fault.pointer == pointer && fault.message.contains(message));
        assert!(found, "{name} = {value}: {faults:?}");
        assert!(!faults.iter().any(|fault| fault.message.contains(secret)), "{faults:?}");
    }
    let faults = definition.check_body(rule, &json!({"snils": "1", "phone": "2", "x/y~z": 3}));
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/a", "/phone", "/snils", "/x~1y~0z"]);
    assert_eq!(
        definition.check_body(rule, &json!({"a": "x", "snils": "112-233-445 95", "colour": "red"})),
        []
    );
}

/// The reference for departments says what the engine does: its example is right, and no word is missing.
#[test]
fn the_reference_is_right_and_whole() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/definition.md");
    let text = std::fs::read_to_string(path).unwrap();
    let example = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    assert_eq!(Definition::from_json(&example).unwrap().to_json(), example);
    let form: Value = serde_json::from_str(include_str!("definition.schema.json")).unwrap();
    let members = form["properties"].as_object().unwrap().keys().map(String::as_str);
    let words = members
        .chain(Kind::ALL.iter().map(|word| word.as_str()))
        .chain(Visibility::ALL.iter().map(|word| word.as_str()))
        .chain(Group::ALL.iter().map(|word| word.as_str()))
        .chain(Effect::ALL.iter().map(|word| word.as_str()))
        .chain(PartyKind::ALL.iter().map(|word| word.as_str()))
        .chain(crate::checks::FORMATS.iter().map(|(name, _)| *name))
        .chain(provided_defs().keys().map(String::as_str))
        .chain(CONTROL_MEMBERS);
    for word in words {
        assert!(
            text.contains(&format!("`{word}`")),
            "docs/reference/definition.md does not mention `{word}`"
        );
    }
}

/// Every place in a document, as pointers.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            pointers(value, &crate::fault::join(at, name), all);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| {
            pointers(value, &crate::fault::join(at, index), all);
        }),
        _ => {}
    }
}

/// What is left out says `false`.
fn without_defaults(definition: &mut Value) {
    for (list, member) in [("statuses", "final"), ("types", "corrects")] {
        for rule in definition[list].as_array_mut().into_iter().flatten() {
            let rule = rule.as_object_mut().unwrap();
            if rule.get(member) == Some(&json!(false)) {
                rule.remove(member);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands anywhere in a definition, reading it gives a definition that is written back unchanged (but for
    /// what is said needlessly), or faults that say something.
    #[test]
    fn any_definition_gives_an_answer(place in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let right = definition();
        let mut places = Vec::new();
        pointers(&right, "", &mut places);
        let value = right.pointer(&places[other.index(places.len())]).cloned().unwrap();
        let mut wrong = right.clone();
        *wrong.pointer_mut(&places[place.index(places.len())]).unwrap() = value;
        match Definition::from_json(&wrong) {
            Ok(definition) => {
                without_defaults(&mut wrong);
                prop_assert_eq!(definition.to_json(), wrong);
            }
            Err(faults) => prop_assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.message.is_empty())),
        }
    }
}

#[test]
fn each_way_to_write_a_number_is_the_whole_number() {
    let mut json = definition();
    json["number"]["pattern"] = json!("^[A-Z]{2}[0-9]{4}|[0-9]{6}$");
    let definition = Definition::from_json(&json).unwrap();
    for (number, right) in [("AB1234", true), ("123456", true), ("AB1234x", false), ("x123456", false)] {
        assert_eq!(definition.number_matches(number), right, "{number}");
    }
}

/// What an older version recorded gets the types that it lacks; what its keeper changed stays.
#[test]
fn a_definition_of_an_older_version_is_supplemented_once() {
    let newer = Definition::from_json(&crate::testing::fixture("registers")).unwrap();
    let mut older = newer.to_json();
    older["title"]["en"] = json!("Kept as the operator has it");
    older["types"].as_array_mut().unwrap().retain(|rule| !rule["type"].as_str().unwrap().starts_with("key-"));
    older["defs"].as_object_mut().unwrap().remove("vkey");
    for rule in older["types"].as_array_mut().unwrap() {
        rule["schema"]["properties"].as_object_mut().unwrap().remove("key");
    }
    older["types"][0]["schema"]["required"] = json!(["slug", "definition"]);
    older["types"][1]["schema"]["required"] = json!(["slug", "definition"]);
    let older = Definition::from_json(&older).unwrap();
    let supplemented = Definition::from_json(&older.supplemented(&newer).unwrap()).unwrap();
    assert_eq!(supplemented.title.en, "Kept as the operator has it");
    assert_eq!(supplemented.types.len(), newer.types.len());
    assert_eq!(
        supplemented.entry_type("key-added").unwrap().schema,
        newer.entry_type("key-added").unwrap().schema
    );
    assert_eq!(
        supplemented.entry_type("defined").unwrap().schema,
        older.entry_type("defined").unwrap().schema
    );
    assert_eq!(supplemented.supplemented(&newer), None);
    assert_eq!(newer.supplemented(&older), None);
}
