use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Any JSON that we take.
fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-9e15_f64..9e15).prop_map(Value::from),
        prop::num::f64::SUBNORMAL.prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn an_error_says_where_and_not_what() {
    let error = parse("{\"семья\": \"Иванов\",\n \"семья\": \"Петров\"}".as_bytes()).expect_err("refused");
    let JcsError::DuplicateName { line: 2, column } = error else { panic!("{error}") };
    assert!(column > 0);
    assert_eq!(
        error.to_string(),
        format!("a member name stands twice in one object, at line 2 column {column}")
    );
}

#[test]
fn the_greatest_numbers_are_taken_and_the_next_are_not() {
    for number in [9_007_199_254_740_991_i64, -9_007_199_254_740_991] {
        assert_eq!(parse(number.to_string().as_bytes()), Ok(json!(number)));
        assert_eq!(canonical(&json!(number)).unwrap(), number.to_string().as_bytes());
    }
    for number in [json!(u64::MAX), json!(i64::MIN), json!(1e300)] {
        assert_eq!(canonical(&json!([number])), Err(JcsError::Number));
    }
}

/// The long way to a verdict.
fn is_its_canonical(text: &str) -> bool {
    parse(text.as_bytes()).and_then(|value| canonical(&value)).is_ok_and(|form| form == text.as_bytes())
}

#[test]
fn what_is_canonical_is_told_without_a_tree() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for good in [
        "null",
        "false",
        "0",
        "-1",
        "0.5",
        "9007199254740991",
        r#""""#,
        r#""\\ \" \n \u001f /""#,
        "[]",
        r#"{"":[],"\\n":1,"a":{"b":[1,"\n",true,{"b":0.5}]}}"#,
        "{\"\u{1f600}\":null,\"\u{fb33}\":{}}",
        &deep(DEPTH_MAX),
    ] {
        assert_eq!((is_canonical(good), is_its_canonical(good)), (true, true), "{good}");
    }
    for bad in [
        "",
        " 1",
        "1 ",
        "1 1",
        "-0",
        "1.0",
        "1E2",
        "9007199254740992",
        "[1, 2]",
        "[1,]",
        r#"{"b":1,"a":1}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"a" :1}"#,
        r#""\u0061""#,
        r#""\/""#,
        r#""\u000A""#,
        "{\"\u{fb33}\":1,\"\u{1f600}\":1}",
        &deep(DEPTH_MAX + 1),
    ] {
        assert_eq!((is_canonical(bad), is_its_canonical(bad)), (false, false), "{bad}");
    }
}

/// Names whose order is another in UTF-16, numbers that are written anew, letters that are escaped.
#[test]
fn what_is_not_usual_is_written_by_the_library() {
    for (value, usual) in [
        (json!({"a": [1, {"\u{d7ff}": "\u{7f}\u{1f}\u{2028}\"\\/"}], "b": -5}), true),
        (json!({"\u{e000}": 1, "\u{1f600}": 2}), false),
        (json!([0.5]), false),
        (json!([-0.0]), false),
    ] {
        assert_eq!(check(&value, 0), Ok(usual), "{value}");
        assert_eq!(canonical(&value).unwrap(), serde_json_canonicalizer::to_vec(&value).unwrap(), "{value}");
    }
    assert_eq!(canonical(&json!([-0.0])).unwrap(), b"[0]");
}

proptest! {
    /// Whoever writes it.
    #[test]
    fn the_form_is_what_the_library_writes(value in any_value()) {
        prop_assert_eq!(canonical(&value).unwrap(), serde_json_canonicalizer::to_vec(&value).unwrap());
    }

    #[test]
    fn a_form_is_canonical_if_it_is_what_would_be_written(
        value in any_value(),
        text in "[\\[\\]{}:,\"a-b0-9.eE+\\\\u -]{0,12}",
    ) {
        let form = String::from_utf8(canonical(&value).unwrap()).unwrap();
        prop_assert!(is_canonical(&form));
        for other in [text, serde_json::to_string_pretty(&value).unwrap(), value.to_string()] {
            prop_assert_eq!(is_canonical(&other), is_its_canonical(&other), "{}", other);
        }
    }

    #[test]
    fn canonical_of_parsed_is_itself(value in any_value()) {
        let first = canonical(&value).unwrap();
        let second = canonical(&parse(&first).unwrap()).unwrap();
        prop_assert_eq!(&first, &second);
        // Another spelling of the same value has the same canonical form.
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        prop_assert_eq!(canonical(&parse(&pretty).unwrap()).unwrap(), first);
    }

    #[test]
    fn what_is_taken_is_what_serde_json_reads(text in "[\\[\\]{}:,\"a-b0-9.eE+\\\\u -]{0,40}") {
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(value) = parse(&bytes) {
            let _ = canonical(&value);
        }
    }
}
