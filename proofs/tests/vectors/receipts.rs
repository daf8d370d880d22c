//! Receipts, good and tampered with: what `reestr verify receipt`, the page `/verify` and any other verifier must find.
//!
//! `REESTR_UPDATE=1 cargo test -p reestr-proofs --test vectors receipts` writes `fixtures/vectors/receipts/receipts.json` anew.

mod cases;
mod make;

use proofs::keyring::Keyring;
use proofs::policy::Policy;
use proofs::receipt::{examine, text};
use serde_json::{Value, json};

use super::fixture;

const FILE: &str = "receipts/receipts.json";

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says that a checked-in copy is to be rewritten"
)]
fn updating() -> bool {
    std::env::var("REESTR_UPDATE").is_ok()
}

#[test]
fn the_vectors_are_as_they_are_made() {
    let made = format!("{:#}\n", cases::document());
    let path = fixture(FILE);
    if updating() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(&path, &made).expect("the vectors are written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{FILE} is stale: run the test with REESTR_UPDATE=1");
}

#[test]
fn each_is_found_to_be_what_it_is() {
    let document: Value = serde_json::from_slice(&super::read(FILE)).expect("JSON");
    let cases = document["cases"].as_array().expect("cases");
    assert!(cases.len() > 60, "{} cases", cases.len());
    for case in cases {
        let named = |kind: &str| case[kind].as_str().map(|name| &document[kind][name]);
        let keys = named("keys").expect("keys").to_string();
        let keys = Keyring::parse(keys.as_bytes()).expect("a keyring");
        let policy =
            named("policy").map(|policy| policy.as_str().expect("text").parse::<Policy>().expect("a policy"));
        let given = case["document"].as_str().expect("text").as_bytes();
        let found = text::find(given).map(|receipt| examine(&receipt, &keys, policy.as_ref()));
        let (verdict, failed) = match &found {
            Some(found) => (json!(found.verdict), json!(found.failed())),
            None => (json!("none"), Value::Null),
        };
        assert_eq!((&verdict, &failed), (&case["verdict"], &case["failed"]), "{}: {found:#?}", case["name"]);
    }
}
