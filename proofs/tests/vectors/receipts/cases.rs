//! The cases: what is changed, and which step must find it.

use proofs::receipt::text;
use serde_json::{Map, Value, json};

use super::make::{ALWAYS, Parts, RECORDED, Term, decoded, encoded, jws, keyring, policy, signed};

/// One case.
struct Case {
    name: &'static str,
    document: String,
    keys: &'static str,
    policy: Option<&'static str>,
    verdict: &'static str,
    failed: Option<&'static str>,
}

impl Case {
    fn keys(self, keys: &'static str) -> Self {
        Self { keys, ..self }
    }

    fn policy(self, policy: &'static str) -> Self {
        Self { policy: Some(policy), ..self }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a case is made where it is written down, and not used again"
)]
fn good(name: &'static str, document: impl ToString) -> Case {
    let document = document.to_string();
    Case { name, document, keys: "plain", policy: None, verdict: "verified", failed: None }
}

fn doubtful(name: &'static str, document: impl ToString) -> Case {
    Case { verdict: "doubtful", ..good(name, document) }
}

fn bad(name: &'static str, failed: &'static str, document: impl ToString) -> Case {
    Case { verdict: "faulty", failed: Some(failed), ..good(name, document) }
}

/// The receipt with a member changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = Parts::default().json();
    change(&mut json);
    json
}

/// The receipt with its proof's text changed.
fn proof(change: impl FnOnce(&str) -> String) -> Value {
    changed(|json| {
        let proof = change(json["proof"].as_str().expect("text"));
        json["proof"] = json!(proof);
    })
}

/// A receipt whose leaf was changed before the tree was built over it.
fn leaf(leaf: fn(String) -> String) -> Value {
    Parts { leaf, ..Parts::default() }.json()
}

/// Everything.
pub fn document() -> Value {
    let mut cases = verified();
    cases.extend(forms());
    cases.extend(leaves());
    cases.extend(trees());
    cases.extend(checkpoints());
    cases.extend(witnesses());
    cases.extend(statements());
    cases.extend(bodies());
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            json!({
                "name": case.name, "document": case.document, "keys": case.keys, "policy": case.policy,
                "verdict": case.verdict, "failed": case.failed,
            })
        })
        .collect();
    json!({
        "about": "What each document is, examined with these keys and, where named, this rule on witnesses: `failed` is the step that must find what is wrong.",
        "keys": Value::Object(keys()), "policy": Value::Object(policies()), "cases": cases,
    })
}

const BEFORE: &str = "2026-02-01T00:00:00.000Z";
const AFTER: &str = "2026-04-01T00:00:00.000Z";

fn keys() -> Map<String, Value> {
    let ended = |until: &'static str| -> Term { (ALWAYS.0, Some(until), None) };
    let compromised =
        |until: &'static str, since: &'static str| -> Term { (ALWAYS.0, Some(until), Some(since)) };
    let later: Term = (AFTER, None, None);
    let always = [(1, ALWAYS)];
    let log = [(2, ALWAYS)];
    let two = policy("group two 2 north south west\nquorum two");
    // Between the first and the last cosignature.
    let since = "2026-03-01T09:01:30.000Z";
    [
        ("plain", keyring(&log, &always, None)),
        ("rotated", keyring(&[(2, ended(AFTER)), (3, later)], &always, None)),
        ("register-key-retired-before", keyring(&[(2, ended(BEFORE)), (3, ALWAYS)], &always, None)),
        ("register-key-retired-then", keyring(&[(2, ended(RECORDED)), (3, ALWAYS)], &always, None)),
        ("register-key-compromised", keyring(&[(2, compromised(AFTER, AFTER)), (3, later)], &always, None)),
        (
            "register-key-compromised-soon",
            keyring(&[(2, compromised(AFTER, since)), (3, later)], &always, None),
        ),
        ("witnessed", keyring(&log, &always, Some(&two))),
        (
            "witnessed-compromised",
            keyring(&[(2, compromised(AFTER, AFTER)), (3, later)], &always, Some(&two)),
        ),
        ("issuer-key-revoked-before", keyring(&log, &[(1, ended(BEFORE))], None)),
        ("issuer-key-revoked-then", keyring(&log, &[(1, ended(RECORDED))], None)),
        ("issuer-key-enrolled-then", keyring(&log, &[(1, (RECORDED, None, None))], None)),
        ("issuer-key-enrolled-after", keyring(&log, &[(1, later)], None)),
        ("issuer-key-compromised-before", keyring(&log, &[(1, compromised(AFTER, BEFORE))], None)),
        ("issuer-key-compromised-then", keyring(&log, &[(1, compromised(AFTER, RECORDED))], None)),
        (
            "issuer-key-compromised-after",
            keyring(&log, &[(1, compromised(AFTER, "2026-03-01T09:00:00.001Z"))], None),
        ),
    ]
    .map(|(name, keys)| (name.to_owned(), keys))
    .into_iter()
    .collect()
}

fn policies() -> Map<String, Value> {
    [
        ("two-of-three", policy("group two 2 north south west\nquorum two")),
        ("all", policy("group every all north south west\nquorum every")),
        ("nested", policy("group one any south west\ngroup both all north one\nquorum both")),
        ("none", policy("quorum none")),
        (
            "another-log",
            format!("log {}\n{}", super::make::signer("debts", 2).verifier(), policy("quorum none")),
        ),
    ]
    .map(|(name, policy)| (name.to_owned(), json!(policy)))
    .into_iter()
    .collect()
}

fn verified() -> Vec<Case> {
    let plain = Parts::default;
    let json = plain().json().to_string();
    let page =
        format!("<!doctype html>\n<title>Квитанция</title>\n<pre>{}</pre>\n", text::write(json.as_bytes()));
    let copied = text::write(json.as_bytes()).replace('\n', " \r\n ");
    let body = json!({
        "€": "Euro Sign", "\r": "Carriage Return", "דּ": "Hebrew Letter Dalet With Dagesh", "1": "One",
        "😀": "Emoji: Grinning Face", "\u{80}": "Control", "ö": "Latin Small Letter O With Diaeresis",
        "numbers": [333_333_333.333_333_3, 1e-7, 0.1, -0.0, 9_007_199_254_740_991_u64, -5, 4.5, 2e-3, 1e-27, 123e5],
        "string": "€$\u{f}\nA'B\"\\\\\"/\u{7f}\u{2028}", "literals": [null, true, false], "": {"__proto__": {}, "a": []},
    });
    let header = |leaf: String| {
        jws(&leaf, |parts| {
            let payload = String::from_utf8(decoded(&parts[1])).expect("UTF-8");
            let kid = super::make::key(1).kid();
            let header = format!(r#"{{ "typ" : "reestr-statement.v1+jws", "kid":"{kid}", "alg":"EdDSA" }}"#);
            signed(parts, &header, &payload, 1);
        })
    };
    vec![
        good("a receipt", &json),
        good(
            "a receipt with white space and a byte order mark",
            format!("\u{feff}\n {:#}\n", plain().json()),
        ),
        good("a page that shows it", page),
        good("text copied from paper", copied),
        good("the only entry", Parts { size: 1, index: 0, ..plain() }.json()),
        good("the last of seven", Parts { size: 7, index: 6, ..plain() }.json()),
        good("the first of two hundred", Parts { size: 200, index: 0, ..plain() }.json()),
        good("a withheld body", changed(|json| (json["body"], json["salt"]) = (Value::Null, Value::Null))),
        good("a body with every kind of value", Parts { body, ..plain() }.json()),
        good("an empty body", Parts { body: json!({}), ..plain() }.json()),
        good("a protected header in the issuer's own hand", leaf(header)),
        good("signed by both keys of a rotation", Parts { log_seeds: vec![3, 2], ..plain() }.json())
            .keys("rotated"),
        good("signed by a key retired since", &json).keys("rotated"),
        good("signed by the newer key alone", Parts { log_seeds: vec![3], ..plain() }.json()).keys("rotated"),
        good("signed by a key retired in that moment", &json).keys("register-key-retired-then"),
        good("stated by a key revoked in that moment", &json).keys("issuer-key-revoked-then"),
        good("stated by a key enrolled in that moment", &json).keys("issuer-key-enrolled-then"),
        good("stated by a key compromised a moment later", &json).keys("issuer-key-compromised-after"),
        doubtful("stated by a key compromised before", &json).keys("issuer-key-compromised-before"),
        doubtful("stated by a key compromised in that moment", &json).keys("issuer-key-compromised-then"),
    ]
}

fn forms() -> Vec<Case> {
    let plain = Parts::default().json();
    let json = plain.to_string();
    let none = |name, document: &str| Case { verdict: "none", ..good(name, document) };
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let body = |text: &str| json.replacen("10.5", text, 1);
    vec![
        none("no receipt", "[]"),
        none("half a text", text::write(json.as_bytes()).split("-----END").next().expect("a part")),
        bad("no JSON", "receipt", "{\"leaf\":"),
        bad("something after it", "receipt", format!("{json}{{}}")),
        bad("a member twice", "receipt", json.replacen("{\"body\"", "{\"index\":4,\"body\"", 1)),
        bad("a member of the body twice", "receipt", body("1,\"sum\":10.5")),
        bad("a number past 2^53", "receipt", body("9007199254740993")),
        bad("a number past every bound", "receipt", body("1e400")),
        bad("a number that JSON has not", "receipt", body("010")),
        bad("a lone surrogate", "receipt", body("\"\\ud800\"")),
        bad("a control character", "receipt", body("\"\t\"")),
        bad("nested too deep", "receipt", body(&deep)),
        bad("a member too many", "receipt", changed(|json| json["more"] = json!(1))),
        bad(
            "no salt",
            "receipt",
            changed(|json| drop(json.as_object_mut().expect("an object").remove("salt"))),
        ),
        bad("an index with a point", "receipt", json.replacen("\"index\":4", "\"index\":4.0", 1)),
        bad("another index than the proof's", "receipt", changed(|json| json["index"] = json!(3))),
        bad("a salt too short", "receipt", changed(|json| json["salt"] = json!("BAQEBAQEBAQEBAQEBAQE"))),
        bad(
            "a leaf with padding",
            "receipt",
            changed(|json| json["leaf"] = json!(format!("{}=", json["leaf"].as_str().expect("text")))),
        ),
        bad(
            "a salt with bits left over",
            "receipt",
            changed(|json| json["salt"] = json!("BAQEBAQEBAQEBAQEBAQEBB")),
        ),
        bad("another version of the proof", "receipt", proof(|text| text.replacen("@v1", "@v2", 1))),
        bad("an index with a zero before", "receipt", proof(|text| text.replacen("index 4", "index 04", 1))),
        bad(
            "a checkpoint without signatures",
            "receipt",
            proof(|text| text.split("\n— ").next().expect("a part").to_owned()),
        ),
        bad("a size with a sign", "receipt", proof(|text| text.replacen("\n6\n", "\n+6\n", 1))),
    ]
}

fn header(alg: &str, typ: &str, more: &str) -> String {
    format!(r#"{{"alg":"{alg}","kid":"{}","typ":"{typ}"{more}}}"#, super::make::key(1).kid())
}

/// A leaf whose statement has another header, and the issuer's signature over it.
fn restated(leaf: &str, header: &str) -> String {
    jws(leaf, |parts| {
        let payload = String::from_utf8(decoded(&parts[1])).expect("UTF-8");
        signed(parts, header, &payload, 1);
    })
}

/// A leaf whose statement says something else, signed by the issuer.
fn resaid(leaf: &str, from: &str, to: &str) -> String {
    jws(leaf, |parts| {
        let payload = String::from_utf8(decoded(&parts[1])).expect("UTF-8");
        let said = payload.replacen(from, to, 1);
        assert_ne!(said, payload, "{from} is said");
        signed(parts, &header("EdDSA", TYP, ""), &said, 1);
    })
}

const TYP: &str = "reestr-statement.v1+jws";

fn leaves() -> Vec<Case> {
    vec![
        bad("a space in the leaf", "leaf", leaf(|leaf| leaf.replacen(':', ": ", 1))),
        bad("a day that no month has", "leaf", leaf(|leaf| leaf.replacen("2026-03-01", "2026-02-30", 1))),
        bad("a time without milliseconds", "leaf", leaf(|leaf| leaf.replacen(".000Z", "Z", 1))),
        bad("a statement of two parts", "leaf", leaf(|leaf| jws(&leaf, |parts| drop(parts.pop())))),
        bad("no algorithm", "leaf", leaf(|leaf| restated(&leaf, &header("none", TYP, "")))),
        bad("another type", "leaf", leaf(|leaf| restated(&leaf, &header("EdDSA", "JWT", "")))),
        bad(
            "a critical header",
            "leaf",
            leaf(|leaf| restated(&leaf, &header("EdDSA", TYP, r#","crit":["exp"]"#))),
        ),
        bad(
            "a header with a name twice",
            "leaf",
            leaf(|leaf| restated(&leaf, &header("EdDSA", TYP, r#","alg":"EdDSA""#))),
        ),
        bad(
            "a payload out of order",
            "leaf",
            leaf(|leaf| resaid(&leaf, r#","version":5}"#, r#","version":5 }"#)),
        ),
        bad("a record in upper case", "leaf", leaf(|leaf| resaid(&leaf, "abc-8def", "ABC-8DEF"))),
        bad("version 0", "leaf", leaf(|leaf| resaid(&leaf, r#""version":5"#, r#""version":0"#))),
        bad(
            "a register with a point in its name",
            "leaf",
            leaf(|leaf| resaid(&leaf, "\"fines\"", "\"fines.x\"")),
        ),
        bad("an effect at no time", "leaf", leaf(|leaf| resaid(&leaf, "T00:00", "T24:00"))),
    ]
}

fn trees() -> Vec<Case> {
    let line = |text: &str, at: usize| text.split('\n').nth(at).expect("a line").to_owned();
    let without = |text: &str, at: usize| text.replacen(&format!("{}\n", line(text, at)), "", 1);
    let flipped = |text: &str, at: usize| {
        let hash = line(text, at);
        let first = if hash.starts_with('A') { "B" } else { "A" };
        text.replacen(&hash, &format!("{first}{}", &hash[1..]), 1)
    };
    vec![
        bad("a path too short", "path", proof(|text| without(text, 2))),
        bad(
            "a path too long",
            "path",
            proof(|text| text.replacen("index 4\n", &format!("index 4\n{}\n", line(text, 2)), 1)),
        ),
        bad("an index past the end", "path", {
            let mut json = proof(|text| text.replacen("index 4", "index 6", 1));
            json["index"] = json!(6);
            json
        }),
        bad(
            "a size that no tree has",
            "path",
            proof(|text| text.replacen("\n6\n", "\n9223372036854775808\n", 1)),
        ),
        bad("another hash in the path", "root", proof(|text| flipped(text, 2))),
        bad("the last hash of the path", "root", proof(|text| flipped(text, 3))),
        bad("the neighbour's place", "root", {
            let mut json = proof(|text| text.replacen("index 4", "index 5", 1));
            json["index"] = json!(5);
            json
        }),
        bad(
            "another time in the leaf",
            "root",
            changed(|json| {
                let leaf = String::from_utf8(decoded(json["leaf"].as_str().expect("text"))).expect("UTF-8");
                json["leaf"] = json!(encoded(leaf.replacen("09:00", "08:00", 1).as_bytes()));
            }),
        ),
        bad("another root", "root", proof(|text| flipped(text, 7))),
    ]
}

fn checkpoints() -> Vec<Case> {
    let plain = Parts::default;
    let json = plain().json();
    let spoiled = |text: &str| {
        let at = text.trim_end().len() - 8;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    };
    let witnessed = |witnesses: &[&'static str]| Parts { witnesses: witnesses.to_vec(), ..plain() }.json();
    let step = "checkpoint";
    vec![
        bad("a signature changed", step, proof(spoiled)),
        bad("signed by a stranger", step, Parts { log_seeds: vec![7], ..plain() }.json()),
        bad("a register that the keys do not know", step, Parts { register: "passports", ..plain() }.json()),
        bad(
            "a statement in another register's log",
            step,
            leaf(|leaf| resaid(&leaf, "\"fines\"", "\"debts\"")),
        ),
        bad("one good signature and one false", step, {
            let mut json = Parts { log_seeds: vec![2, 3], ..plain() }.json();
            json["proof"] = json!(spoiled(json["proof"].as_str().expect("text")));
            json
        })
        .keys("rotated"),
        bad("signed by a key retired before", step, &json).keys("register-key-retired-before"),
        bad("signed by a compromised key", step, &json).keys("register-key-compromised"),
        bad("a compromised key and too few witnesses", step, witnessed(&["north"]))
            .keys("register-key-compromised")
            .policy("two-of-three"),
        bad("a compromised key and a witness too late", step, witnessed(&["north", "south"]))
            .keys("register-key-compromised-soon")
            .policy("two-of-three"),
        bad("a compromised key and a rule that asks for nobody", step, witnessed(&["north"]))
            .keys("register-key-compromised")
            .policy("none"),
        good("a compromised key and witnesses before", witnessed(&["north", "south"]))
            .keys("register-key-compromised")
            .policy("two-of-three"),
        good("a compromised key and the installation's witnesses before", witnessed(&["south", "west"]))
            .keys("witnessed-compromised"),
        good("a compromised key beside one that is not", Parts { log_seeds: vec![3, 2], ..plain() }.json())
            .keys("register-key-compromised"),
    ]
}

fn witnesses() -> Vec<Case> {
    let plain = Parts::default;
    let witnessed = |witnesses: &[&'static str]| Parts { witnesses: witnesses.to_vec(), ..plain() }.json();
    let spoiled = |json: &Value| {
        let mut json = json.clone();
        let text = json["proof"].as_str().expect("text").trim_end().to_owned();
        let at = text.len() - 8;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        json["proof"] = json!(format!("{}{other}{}\n", &text[..at], &text[at + 1..]));
        json
    };
    let step = "witnesses";
    vec![
        good("two of three cosigned", witnessed(&["north", "west"])).policy("two-of-three"),
        good("all cosigned", witnessed(&["west", "south", "north"])).policy("all"),
        good("a nested rule", witnessed(&["north", "west"])).policy("nested"),
        good("a rule that asks for nobody", plain().json()).policy("none"),
        good("an older receipt than the installation's witnesses", plain().json()).keys("witnessed"),
        good("fewer than the installation asks for", witnessed(&["north"])).keys("witnessed"),
        bad("one of three cosigned", step, witnessed(&["south"])).policy("two-of-three"),
        bad("two of all cosigned", step, witnessed(&["south", "north"])).policy("all"),
        bad("a nested rule not met", step, witnessed(&["south", "west"])).policy("nested"),
        bad("nobody cosigned", step, plain().json()).policy("two-of-three"),
        bad("a false cosignature", step, spoiled(&witnessed(&["north", "south", "west"])))
            .policy("two-of-three"),
        bad("a false cosignature of the installation's witness", step, spoiled(&witnessed(&["north"])))
            .keys("witnessed"),
        bad("a rule for another log", step, witnessed(&["north"])).policy("another-log"),
    ]
}

/// S and the group's order, added: a second signature for what was signed once, were S not held to be canonical.
fn plus_order(signature: &str) -> String {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = decoded(signature);
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    encoded(&bytes)
}

fn statements() -> Vec<Case> {
    let plain = Parts::default;
    let json = plain().json();
    let forged = |leaf: String| {
        jws(&leaf, |parts| {
            let payload = String::from_utf8(decoded(&parts[1])).expect("UTF-8");
            signed(parts, &header("EdDSA", TYP, ""), &payload, 8);
        })
    };
    let twice = |leaf: String| jws(&leaf, |parts| parts[2] = plus_order(&parts[2]));
    let identity = |leaf: String| {
        jws(&leaf, |parts| {
            let mut bytes = [0; 64];
            bytes[0] = 1;
            parts[2] = encoded(&bytes);
        })
    };
    vec![
        bad("signed by another than it names", "statement", leaf(forged)),
        bad("a second form of the signature", "statement", leaf(twice)),
        bad("a signature of small order", "statement", leaf(identity)),
        bad("a key that the issuer has not", "statement", Parts { seed: 8, ..plain() }.json()),
        bad("a key of another department", "statement", Parts { seed: 9, ..plain() }.json()),
        bad("a department that the keys do not know", "statement", Parts { issuer: "mvd", ..plain() }.json()),
        bad("a key revoked before", "key", &json).keys("issuer-key-revoked-before"),
        bad("a key enrolled after", "key", &json).keys("issuer-key-enrolled-after"),
    ]
}

fn bodies() -> Vec<Case> {
    let step = "body";
    vec![
        bad("another value in the body", step, changed(|json| json["body"]["sum"] = json!(1.5))),
        bad("a member more in the body", step, changed(|json| json["body"]["more"] = Value::Null)),
        bad("another salt", step, changed(|json| json["salt"] = json!("BQUFBQUFBQUFBQUFBQUFBQ"))),
        bad("no salt with the body", step, changed(|json| json["salt"] = Value::Null)),
        bad("no body with the salt", step, changed(|json| json["body"] = Value::Null)),
        bad("a body that is no object", step, changed(|json| json["body"] = json!([1]))),
    ]
}
