//! RFC 8037 appendix A (JWK, thumbprint by RFC 7638, JWS) and what a JWK may not be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proofs::hash::sha256;
use proofs::key::{Jwk, KeyError, PrivateKey};
use proofs::statement::{SignedStatement, StatementError};
use serde_json::{Value, json};

const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
const JWS: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                   hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn array<const N: usize>(text: &str) -> [u8; N] {
    URL_SAFE_NO_PAD.decode(text).expect("base64url").try_into().expect("the right length")
}

#[test]
fn rfc_8037_a_1_to_a_3() {
    let private = PrivateKey::from_seed(&array(D));
    assert_eq!(private.seed(), &array(D));
    let jwk: Jwk = serde_json::from_value(json!({"kty": "OKP", "crv": "Ed25519", "x": X})).expect("a JWK");
    assert_eq!(jwk.public_key(), Ok(private.public()));
    assert_eq!(private.kid().as_str(), THUMBPRINT);
    let full =
        json!({"kty": "OKP", "crv": "Ed25519", "x": X, "kid": THUMBPRINT, "use": "sig", "alg": "EdDSA"});
    assert_eq!(serde_json::to_value(private.public().jwk()).expect("JSON"), full);
    assert_eq!(serde_json::from_value::<Jwk>(full).expect("a JWK").public_key(), Ok(private.public()));
}

#[test]
fn rfc_8037_a_4() {
    let private = PrivateKey::from_seed(&array(D));
    let (signed, signature) = JWS.rsplit_once('.').expect("three parts");
    assert_eq!(private.sign(signed.as_bytes()), array(signature));
    assert!(private.public().verify(signed.as_bytes(), &array(signature)));
    // A good JWS is not yet a statement: this one says neither whose nor what.
    let error = SignedStatement::parse(JWS).expect_err("refused");
    assert_eq!(error, StatementError::MissingMember { part: "protected header", name: "kid" });
}

/// RFC 7638 section 3.1 has an RSA key; the method is the same: SHA-256 of the required members, in order.
#[test]
fn rfc_7638() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
             oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6\
             qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ\
             zKnqDKgw";
    let members = json!({"n": n, "kty": "RSA", "e": "AQAB"});
    let canonical = proofs::jcs::canonical(&members).expect("canonical");
    let thumbprint = URL_SAFE_NO_PAD.encode(sha256(&canonical));
    assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // Ours, written without a JSON library, is of those same bytes.
    let members = json!({"kty": "OKP", "x": X, "crv": "Ed25519"});
    let canonical = proofs::jcs::canonical(&members).expect("canonical");
    assert_eq!(URL_SAFE_NO_PAD.encode(sha256(&canonical)), THUMBPRINT);
}

fn refusal(change: impl FnOnce(&mut Value)) -> Option<KeyError> {
    let mut jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": X});
    change(&mut jwk);
    serde_json::from_value::<Jwk>(jwk).ok()?.public_key().err()
}

#[test]
fn a_jwk_of_another_kind_is_refused() {
    assert_eq!(refusal(|jwk| jwk["kty"] = json!("EC")), Some(KeyError::Jwk("kty")));
    assert_eq!(refusal(|jwk| jwk["crv"] = json!("X25519")), Some(KeyError::Jwk("crv")));
    assert_eq!(refusal(|jwk| jwk["use"] = json!("enc")), Some(KeyError::Jwk("use")));
    assert_eq!(refusal(|jwk| jwk["alg"] = json!("ES256")), Some(KeyError::Jwk("alg")));
    assert_eq!(refusal(|jwk| jwk["kid"] = json!("A".repeat(43))), Some(KeyError::Jwk("kid")));
    assert_eq!(refusal(|jwk| jwk["x"] = json!(format!("{X}="))), Some(KeyError::Encoding));
    // The last character has bits that stand for nothing; they must be 0.
    assert_eq!(refusal(|jwk| jwk["x"] = json!(format!("{}p", &X[..42]))), Some(KeyError::Encoding));
    assert_eq!(
        refusal(|jwk| jwk["x"] = json!("AQ".to_owned() + &"A".repeat(41))),
        Some(KeyError::SmallOrder)
    );
}

#[test]
fn a_private_key_in_a_jwk_is_refused() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": X, "d": D});
    let error = serde_json::from_value::<Jwk>(jwk).expect_err("refused").to_string();
    assert!(!error.contains(D), "{error}");
}

#[test]
fn a_private_key_is_not_shown() {
    let shown = format!("{:?}", PrivateKey::from_seed(&array(D)));
    assert_eq!(shown, format!("PrivateKey(of {THUMBPRINT})"));
}
