//! RFC 8785: numbers (appendix B), strings (section 3.2.2) and the order of members (section 3.2.3).

use proofs::jcs::{JcsError, canonical, parse};
use serde_json::{Value, json};

/// Appendix B, but for NaN and Infinity: a double's bits, and how it is written.
const NUMBERS: [(u64, &str); 24] = [
    (0x0000_0000_0000_0000, "0"),
    (0x8000_0000_0000_0000, "0"),
    (0x0000_0000_0000_0001, "5e-324"),
    (0x8000_0000_0000_0001, "-5e-324"),
    (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
    (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
    (0x4340_0000_0000_0000, "9007199254740992"),
    (0xc340_0000_0000_0000, "-9007199254740992"),
    (0x4430_0000_0000_0000, "295147905179352830000"),
    (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
    (0x44b5_2d02_c7e1_4af6, "1e+23"),
    (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
    (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
    (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
    (0x444b_1ae4_d6e2_ef50, "1e+21"),
    (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
    (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
    (0x41b3_de43_5555_5553, "333333333.3333332"),
    (0x41b3_de43_5555_5554, "333333333.33333325"),
    (0x41b3_de43_5555_5555, "333333333.3333333"),
    (0x41b3_de43_5555_5556, "333333333.3333334"),
    (0x41b3_de43_5555_5557, "333333333.33333343"),
    (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
    (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
];

#[test]
fn numbers_are_written_as_appendix_b_says_or_refused() {
    let mut written = 0;
    for (bits, text) in NUMBERS {
        let number = f64::from_bits(bits);
        if number.abs() <= 9_007_199_254_740_991.0 {
            assert_eq!(canonical(&json!(number)).expect("a number we take"), text.as_bytes());
            let read = parse(text.as_bytes()).expect("a number we take");
            assert_eq!(canonical(&read).expect("canonical"), text.as_bytes());
            written += 1;
        } else {
            assert_eq!(canonical(&json!(number)), Err(JcsError::Number), "{text}");
            assert_eq!(parse(text.as_bytes()), Err(JcsError::Number), "{text}");
        }
    }
    assert_eq!(written, 13);
}

/// The example of section 3.2.2; it has 1E30, which is past what we take.
const EXAMPLE: &str = r#"{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"#;

#[test]
fn the_example_of_section_3_2_2() {
    assert_eq!(parse(EXAMPLE.as_bytes()), Err(JcsError::Number));
    let value = parse(EXAMPLE.replace("1E30, ", "").as_bytes()).expect("JSON we take");
    let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,4.5,0.002,1e-27],\
                    \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(String::from_utf8(canonical(&value).expect("canonical")).expect("UTF-8"), expected);
}

#[test]
fn members_are_in_the_order_of_section_3_2_3() {
    let text = r#"{
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let bytes = canonical(&parse(text.as_bytes()).expect("JSON we take")).expect("canonical");
    let written = String::from_utf8(bytes).expect("UTF-8");
    let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
    let places: Vec<usize> = order.iter().map(|name| written.find(name).expect("there")).collect();
    assert!(places.is_sorted(), "{written}");
    assert!(
        written.starts_with("{\"\\r\":")
            && written.contains("\"\u{80}\":")
            && written.contains("\"\u{1f600}\":")
    );
}

#[test]
fn what_is_no_i_json_is_refused() {
    let cases = [
        (&b"{\"a\":1,\"a\":2}"[..], "duplicate"),
        (b"{\"a\":1,\"\\u0061\":2}", "duplicate"),
        (b"[{\"a\":{\"b\":1,\"b\":1}}]", "duplicate"),
        (b"9007199254740992", "number"),
        (b"-9007199254740992", "number"),
        (b"18446744073709551616", "number"),
        (b"9007199254740991.5", "number"),
        (b"1e16", "number"),
        (b"\"\\ud800\"", "syntax"),
        (b"\"\\udc00\"", "syntax"),
        (b"\"\\ud800\\ud800\"", "syntax"),
        (b"{\"\\ud800\":1}", "syntax"),
        (b"\"\xff\"", "syntax"),
        (b"\"\xed\xa0\x80\"", "syntax"),
        (b"\xef\xbb\xbf1", "syntax"),
        (b"NaN", "syntax"),
        (b"Infinity", "syntax"),
        (b"1e400", "syntax"),
        (b"01", "syntax"),
        (b"1.", "syntax"),
        (b"{\"a\":1,}", "syntax"),
        (b"{} {}", "syntax"),
        (b"\"a\nb\"", "syntax"),
        (b"", "syntax"),
    ];
    for (text, kind) in cases {
        let found = match parse(text).expect_err("refused") {
            JcsError::Syntax { .. } => "syntax",
            JcsError::DuplicateName { .. } => "duplicate",
            JcsError::Number => "number",
            JcsError::Depth => "depth",
        };
        assert_eq!(found, kind, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn depth_is_bounded_on_the_way_in_and_out() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deepest = parse(nested(64).as_bytes()).expect("64 deep is taken");
    assert_eq!(canonical(&deepest).expect("canonical"), nested(64).as_bytes());
    assert_eq!(parse(nested(65).as_bytes()), Err(JcsError::Depth));
    assert_eq!(parse(nested(100_000).as_bytes()), Err(JcsError::Depth));
    assert_eq!(canonical(&Value::Array(vec![deepest])), Err(JcsError::Depth));
}
