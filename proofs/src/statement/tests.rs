use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::body::{Salt, digest};

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[3; 32])
}

fn statement() -> Statement {
    Statement {
        register: "driving-licences".parse().unwrap(),
        record: "0197a0c4-5d1e-7abc-8def-0123456789ab".parse().unwrap(),
        version: 1,
        entry_type: "issued".parse().unwrap(),
        effective_at: "2026-02-28T09:30:00.000Z".parse().unwrap(),
        issuer: "gibdd".parse().unwrap(),
        body: digest(&Salt([9; 16]), b"{}"),
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": key().kid(), "typ": TYP})
}

fn payload() -> Value {
    serde_json::from_str(&statement().payload()).unwrap()
}

/// Signs any header and payload, as someone with a good key and bad software would.
fn jws(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", encoding::b64u(header), encoding::b64u(payload));
    format!("{signed}.{}", encoding::b64u(key().sign(signed.as_bytes())))
}

fn refuse_header(header: impl AsRef<[u8]>) -> StatementError {
    SignedStatement::parse(&jws(header, statement().payload())).expect_err("refused")
}

fn refuse_payload(payload: impl AsRef<[u8]>) -> StatementError {
    SignedStatement::parse(&jws(header().to_string(), payload)).expect_err("refused")
}

fn header_with(name: &str, value: Value) -> StatementError {
    let mut header = header();
    header[name] = value;
    refuse_header(header.to_string())
}

fn payload_with(name: &str, value: Value) -> StatementError {
    let mut payload = payload();
    payload[name] = value;
    refuse_payload(jcs::canonical(&payload).unwrap())
}

fn member_of(error: &StatementError) -> &'static str {
    match error {
        StatementError::Member { name, .. } => name,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_signed_is_canonical_and_parses_to_the_same() {
    let signed = statement().sign(&key());
    assert_eq!(SignedStatement::parse(signed.as_str()), Ok(signed.clone()));
    assert_eq!((signed.statement(), signed.kid()), (&statement(), &key().kid()));
    signed.verify(&key().public()).unwrap();
    let mut parts = signed.as_str().split('.');
    for _ in 0..2 {
        let bytes = encoding::b64u_decode(parts.next().unwrap()).unwrap();
        assert_eq!(jcs::canonical(&jcs::parse(&bytes).unwrap()).unwrap(), bytes);
    }
    assert_eq!(statement().payload().as_bytes(), jcs::canonical(&payload()).unwrap());
    assert!(signed.as_str().len() < 1024);
}

/// The bytes of one statement, so that a change of the format is noticed.
#[test]
fn the_bytes_of_a_statement() {
    let signed = statement().sign(&key());
    let text = "{\"body\":\"ezaXTd5BNn4OQC3M_ZLnBViUavz8CCtPbqCy26NYkZ4\",\"effective_at\":\"2026-02-28T09:30:00.000Z\",\
                \"issuer\":\"gibdd\",\"record\":\"0197a0c4-5d1e-7abc-8def-0123456789ab\",\
                \"register\":\"driving-licences\",\"type\":\"issued\",\"version\":1}";
    assert_eq!(statement().payload(), text);
    let header = signed.as_str().split('.').next().unwrap();
    assert_eq!(
        String::from_utf8(encoding::b64u_decode(header).unwrap()).unwrap(),
        format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\",\"typ\":\"reestr-statement.v1+jws\"}}", key().kid())
    );
}

#[test]
fn a_header_may_be_spelled_in_any_way() {
    let header = format!(" {{\"typ\" : \"{TYP}\",\n\"kid\":\"{}\",\"alg\":\"Ed\\u0044SA\"}}", key().kid());
    let text = jws(header, statement().payload());
    let signed = SignedStatement::parse(&text).unwrap();
    assert_eq!(signed.as_str(), text);
    signed.verify(&key().public()).unwrap();
}

#[test]
fn a_malformed_jws_is_refused() {
    use StatementError as E;
    let good = statement().sign(&key()).to_string();
    let refuse = |text: &str| SignedStatement::parse(text).expect_err("refused");
    assert_eq!(refuse(""), E::Parts);
    assert_eq!(refuse("a.b"), E::Parts);
    assert_eq!(refuse(&format!("{good}.")), E::Parts);
    assert_eq!(refuse(&format!("{good}.AA")), E::Parts);
    assert_eq!(refuse(&format!("{good}\n")), E::Base64("signature"));
    assert_eq!(refuse(&format!("{good}A")), E::Base64("signature"));
    assert_eq!(refuse(&format!("{good}==")), E::Base64("signature"));
    assert_eq!(refuse(&format!(" {good}")), E::Base64("protected header"));
    assert_eq!(refuse(&good.replacen('.', "=.", 1)), E::Base64("protected header"));
    assert_eq!(refuse(&good[..good.len() - 1]), E::Base64("signature"));
    // 64 bytes leave 4 bits over in the last character; they must be 0.
    let last = if good.ends_with('A') { "B" } else { "_" };
    assert_eq!(refuse(&format!("{}{last}", &good[..good.len() - 1])), E::Base64("signature"));
    assert_eq!(refuse(&"A".repeat(STATEMENT_BYTES_MAX + 1)), E::TooLong);
    assert_eq!(refuse(&"A".repeat(STATEMENT_BYTES_MAX)), E::Parts);
}

#[test]
fn a_header_that_is_not_ours_is_refused() {
    use StatementError as E;
    for alg in ["none", "None", "HS256", "ES256", "Ed25519", "eddsa", ""] {
        assert_eq!(header_with("alg", json!(alg)), E::Algorithm);
    }
    assert_eq!(header_with("alg", json!(null)), E::Algorithm);
    assert_eq!(header_with("typ", json!("JWT")), E::Type);
    assert_eq!(header_with("typ", json!("reestr-statement.v2+jws")), E::Type);
    assert_eq!(header_with("typ", json!(["x"])), E::Type);
    assert_eq!(header_with("kid", json!("short")), E::Kid);
    assert_eq!(header_with("kid", json!(7)), E::Kid);
    assert_eq!(header_with("crit", json!(["exp"])), E::Critical);
    assert_eq!(header_with("crit", json!([])), E::Critical);
    for name in ["jwk", "jku", "x5c", "cty", "b64", "kid2"] {
        assert_eq!(header_with(name, json!(1)), E::UnknownMember { part: HEADER, name: name.into() });
    }
    let steering = header_with("\u{1b}[2J\n", json!(1));
    assert_eq!(steering, E::UnknownMember { part: HEADER, name: "\u{FFFD}[2J\u{FFFD}".into() });
    for name in ["alg", "kid", "typ"] {
        let mut header = header();
        header.as_object_mut().unwrap().remove(name);
        assert_eq!(refuse_header(header.to_string()), E::MissingMember { part: HEADER, name });
    }
    let kid = key().kid();
    assert_eq!(refuse_header(format!("[\"EdDSA\",\"{kid}\",\"{TYP}\"]")), E::NotAnObject(HEADER));
    assert_eq!(refuse_header("\"EdDSA\""), E::NotAnObject(HEADER));
    let twice = format!("{{\"alg\":\"none\",\"alg\":\"EdDSA\",\"kid\":\"{kid}\",\"typ\":\"{TYP}\"}}");
    assert!(matches!(
        refuse_header(twice),
        E::Json { part: HEADER, error: jcs::JcsError::DuplicateName { .. } }
    ));
    let trailing = format!("{} {{}}", header());
    assert!(matches!(refuse_header(trailing), E::Json { part: HEADER, error: jcs::JcsError::Syntax { .. } }));
    assert!(matches!(refuse_header(b"\xff\xfe"), E::Json { .. }));
    assert!(matches!(refuse_header(""), E::Json { .. }));
}

#[test]
fn a_payload_that_is_not_canonical_is_refused() {
    use StatementError as E;
    let good = statement().payload();
    assert_eq!(refuse_payload(format!(" {good}")), E::NotCanonical);
    assert_eq!(refuse_payload(format!("{good}\n")), E::NotCanonical);
    assert_eq!(refuse_payload(good.replace("\":", "\": ")), E::NotCanonical);
    assert_eq!(refuse_payload(good.replace("gibdd", "\\u0067ibdd")), E::NotCanonical);
    let last_first = format!("{{\"version\":1,{}}}", good[1..].strip_suffix(",\"version\":1}").unwrap());
    assert_eq!(refuse_payload(last_first), E::NotCanonical);
    assert!(matches!(
        refuse_payload(good.replace(":1}", ":1,\"version\":1}")),
        E::Json { part: PAYLOAD, .. }
    ));
    assert!(matches!(refuse_payload(format!("{good}{good}")), E::Json { part: PAYLOAD, .. }));
    assert!(matches!(refuse_payload(""), E::Json { .. }));
    assert_eq!(refuse_payload("7"), E::NotAnObject(PAYLOAD));
    let values: Vec<Value> = payload().as_object().unwrap().values().cloned().collect();
    assert_eq!(refuse_payload(json!(values).to_string()), E::NotCanonical);
}

#[test]
fn a_payload_with_other_members_is_refused() {
    use StatementError as E;
    let long = "n".repeat(100);
    let extra = E::UnknownMember { part: PAYLOAD, name: "n".repeat(32) };
    assert_eq!(payload_with(&long, json!("Ivanov")), extra);
    assert!(!extra.to_string().contains("Ivanov"));
    for name in MEMBERS {
        let mut payload = payload();
        payload.as_object_mut().unwrap().remove(name);
        let refused = refuse_payload(jcs::canonical(&payload).unwrap());
        assert_eq!(refused, E::MissingMember { part: PAYLOAD, name });
    }
}

#[test]
fn members_that_are_not_what_the_format_says_are_refused() {
    let record = statement().record;
    let cases = [
        ("register", json!("Driving")),
        ("register", json!("d")),
        ("register", json!("d".repeat(64))),
        ("register", json!("1d")),
        ("register", json!("водительские")),
        ("record", json!(record.to_string().to_uppercase())),
        ("record", json!(record.simple().to_string())),
        ("record", json!(record.braced().to_string())),
        ("record", json!(record.urn().to_string())),
        ("record", json!("")),
        ("version", json!(0)),
        ("version", json!(-1)),
        ("version", json!(1.5)),
        ("version", json!("1")),
        ("version", json!(null)),
        ("type", json!("")),
        ("type", json!("Issued")),
        ("type", json!("t".repeat(64))),
        ("effective_at", json!("2026-02-28T09:30:00Z")),
        ("effective_at", json!("2026-02-28T09:30:00.00Z")),
        ("effective_at", json!("2026-02-28T09:30:00.0000Z")),
        ("effective_at", json!("2026-02-28T09:30:00.000z")),
        ("effective_at", json!("2026-02-28t09:30:00.000Z")),
        ("effective_at", json!("2026-02-28T09:30:00.000+00:00")),
        ("effective_at", json!("2026-02-29T09:30:00.000Z")),
        ("effective_at", json!("2026-02-28T24:00:00.000Z")),
        ("effective_at", json!("2026-02-28T23:59:60.000Z")),
        ("effective_at", json!(1_772_271_000_000_u64)),
        ("issuer", json!("gi bdd")),
        ("body", json!("")),
        ("body", json!("A".repeat(42))),
        ("body", json!(format!("{}B", "A".repeat(42)))),
        ("body", json!(format!("{}=", "A".repeat(43)))),
    ];
    for (name, value) in cases {
        let error = payload_with(name, value.clone());
        assert_eq!(member_of(&error), name, "{value}");
    }
    let past = statement().payload().replace("\"version\":1}", "\"version\":9007199254740992}");
    assert_eq!(member_of(&refuse_payload(past)), "version");
    // 1.0 and 1e0 are the number 1, but not its canonical form.
    for text in ["1.0", "1e0", "01"] {
        let payload = statement().payload().replace("\"version\":1}", &format!("\"version\":{text}}}"));
        SignedStatement::parse(&jws(header().to_string(), payload)).expect_err(text);
    }
}

#[test]
fn another_key_and_a_changed_signature_are_refused() {
    let signed = statement().sign(&key());
    let other = PrivateKey::from_seed(&[4; 32]);
    assert_eq!(signed.verify(&other.public()), Err(StatementError::OtherKey));
    // Signed by another, but under the first one's name.
    let header = json!({"alg": "EdDSA", "kid": other.kid(), "typ": TYP}).to_string();
    let forged = SignedStatement::parse(&jws(header, statement().payload())).unwrap();
    assert_eq!(forged.verify(&other.public()), Err(StatementError::Signature));
}

#[test]
fn a_batch_names_its_first_bad_statement() {
    let good = statement().sign(&key());
    let mut bad = good.clone();
    bad.signature[0] ^= 1;
    let key = key().public();
    assert_eq!(verify_batch(&[]), Ok(()));
    assert_eq!(verify_batch(&[(&good, key), (&good, key)]), Ok(()));
    let error = verify_batch(&[(&good, key), (&bad, key), (&bad, key)]).expect_err("refused");
    assert_eq!(error, BatchError { index: 1, error: StatementError::Signature });
}

#[test]
fn serde_is_the_text() {
    let signed = statement().sign(&key());
    assert_eq!(serde_json::to_value(&signed).unwrap(), json!(signed.as_str()));
    assert_eq!(serde_json::from_value::<SignedStatement>(json!(signed.as_str())).unwrap(), signed);
    assert!(serde_json::from_value::<SignedStatement>(json!("a.b.c")).is_err());
}

prop_compose! {
    fn any_statement()(
        register in "[a-z][a-z0-9-]{1,62}",
        record in any::<u128>(),
        version in 1..=jcs::NUMBER_MAX,
        entry_type in "[a-z][a-z0-9-]{0,62}",
        millis in Timestamp::MIN.millis()..=Timestamp::MAX.millis(),
        issuer in "[a-z][a-z0-9-]{1,62}",
        body in any::<[u8; 32]>(),
    ) -> Statement {
        Statement {
            register: register.parse().unwrap(),
            record: Uuid::from_u128(record),
            version,
            entry_type: entry_type.parse().unwrap(),
            effective_at: Timestamp::from_millis(millis),
            issuer: issuer.parse().unwrap(),
            body: BodyDigest(body),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sign_parse_verify(statement in any_statement(), seed in any::<[u8; 32]>()) {
        let key = PrivateKey::from_seed(&seed);
        let signed = statement.sign(&key);
        let read = SignedStatement::parse(signed.as_str()).unwrap();
        prop_assert_eq!(&read, &signed);
        prop_assert_eq!(read.statement(), &statement);
        prop_assert_eq!(read.verify(&key.public()), Ok(()));
        let canonical = jcs::canonical(&serde_json::from_str(&statement.payload()).unwrap()).unwrap();
        prop_assert_eq!(statement.payload().into_bytes(), canonical);
    }

    #[test]
    fn no_changed_character_is_taken(at in any::<prop::sample::Index>(), change in 1_u8..128) {
        let good = statement().sign(&key());
        let mut bytes = good.as_str().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = (bytes[at] ^ change) & 0x7f;
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(changed) = SignedStatement::parse(&text) {
            prop_assert!(changed.verify(&key().public()).is_err());
        }
    }

    #[test]
    fn no_input_panics(text in ".{0,300}", parts in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..200))) {
        let _ = SignedStatement::parse(&text);
        let parts = parts.map(encoding::b64u);
        let _ = SignedStatement::parse(&parts.join("."));
    }
}

/// The header spelled otherwise than we do.
fn spelled_otherwise(statement: &Statement) -> SignedStatement {
    let header = format!(r#"{{ "typ":"{TYP}","alg":"{ALG}","kid":"{}"}}"#, key().kid());
    let text = format!("{}.{}", encoding::b64u(header), encoding::b64u(statement.payload()));
    let signature = key().sign(text.as_bytes());
    SignedStatement::parse(&format!("{text}.{}", encoding::b64u(signature))).unwrap()
}

proptest! {
    #[test]
    fn what_was_packed_comes_back_byte_for_byte(said in any_statement(), ours in any::<bool>()) {
        let statement = if ours { said.sign(&key()) } else { spelled_otherwise(&said) };
        let packed = statement.to_packed();
        let back = SignedStatement::from_packed(&packed).unwrap();
        prop_assert_eq!(back.as_str(), statement.as_str());
        prop_assert_eq!(&back, &statement);
        back.verify(&key().public()).unwrap();
        // And the text itself is read too: so stores have it from before.
        prop_assert_eq!(SignedStatement::from_packed(statement.as_str().as_bytes()).unwrap(), statement);
    }

    #[test]
    fn no_bytes_are_read_as_another_statement(
        said in any_statement(), at in any::<prop::sample::Index>(), with in 1..=255_u8, cut in any::<bool>()
    ) {
        let statement = said.sign(&key());
        let mut packed = statement.to_packed();
        let at = at.index(packed.len());
        if cut {
            packed.truncate(at);
        } else {
            packed[at] ^= with;
        }
        if let Ok(read) = SignedStatement::from_packed(&packed) {
            prop_assert_ne!(&read, &statement);
            prop_assert_eq!(SignedStatement::parse(read.as_str()).unwrap(), read);
        }
    }
}

#[test]
fn a_packed_statement_is_much_shorter_than_its_text_and_one_spelled_otherwise_is_its_text() {
    let signed = statement().sign(&key());
    assert_eq!((signed.to_packed().len(), signed.as_str().len()), (191, 512));
    let other = spelled_otherwise(&statement());
    assert_eq!(other.to_packed(), other.as_str().as_bytes());
}
