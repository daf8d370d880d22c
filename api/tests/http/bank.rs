//! A client, and the steps that it and a person take together.

use api::oauth::client::{self, Added, NewClient};
use api::oauth::encoding::with_parameters;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::relatives::ask;
use crate::world::{Answer, World};

/// The verifier of RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Where the bank gets its codes.
pub const REDIRECT: &str = "https://bank.example/cb?from=reestr";
/// What the bank says it is for.
pub const PURPOSE: &str = "Заявка на кредит";

/// Registers the bank.
pub async fn bank(world: &World, confidential: bool) -> Added {
    let new = NewClient {
        id: "bank".parse().expect("a slug"),
        name: serde_json::from_value(json!({"ru": "Банк", "en": "Bank"})).expect("a title"),
        redirect_uris: vec![REDIRECT.to_owned(), "https://bank.example/other".to_owned()],
        confidential,
    };
    client::add(&world.store, new).await.map_err(|error| error.to_string()).expect("it is registered")
}

/// What the bank asks: permits and notices.
pub fn asked() -> Value {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()));
    json!({
        "response_type": "code", "client_id": "bank", "redirect_uri": REDIRECT, "state": "s t&1",
        "code_challenge": challenge, "code_challenge_method": "S256", "scope": "notices permits", "purpose": PURPOSE,
    })
}

/// The person allows it: these registers and records, until this day.
pub fn allow(registers: &[&str], records: &[&str], until: &str) -> Value {
    json!({"request": asked(), "decision": "allow", "registers": registers, "records": records, "valid_until": until})
}

/// Lets the bank read, and gives the consent and the code.
pub async fn consent(world: &World, token: &str, decision: Value) -> (Uuid, String) {
    let decided = ask(world, token, None, "POST", "/v1/oauth/authorize", Some(decision)).await.expect(200);
    let redirect = decided["redirect_to"].as_str().expect("an address");
    let code = parameter(redirect, "code").expect("a code");
    (decided["consent"].as_str().and_then(|record| record.parse().ok()).expect("a record"), code)
}

/// A parameter of an address. No value of ours needs decoding.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next()
}

/// Sends a form.
pub async fn form(world: &World, path: &str, basic: Option<&str>, parameters: &[(&str, &str)]) -> Answer {
    let body = with_parameters("", parameters).trim_start_matches('?').to_owned();
    let mut request = Request::builder()
        .method("POST")
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {basic}"));
    }
    world.raw(request.body(Body::from(body)).expect("a request")).await
}

/// The form of a code's redemption by a public client.
pub fn redemption(code: &str) -> Vec<(&'static str, String)> {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("client_id", "bank"),
        ("code_verifier", VERIFIER),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// Sends the form of a redemption.
pub async fn redeem(world: &World, parameters: &[(&'static str, String)]) -> Answer {
    let parameters: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    form(world, "/v1/oauth/token", None, &parameters).await
}

/// Refreshes.
pub async fn refresh(world: &World, token: &str) -> Answer {
    form(
        world,
        "/v1/oauth/token",
        None,
        &[("grant_type", "refresh_token"), ("client_id", "bank"), ("refresh_token", token)],
    )
    .await
}

/// Lets a public bank read these, and gives the consent and its access token.
pub async fn access(world: &World, token: &str, decision: Value) -> (Uuid, Value) {
    let (consent, code) = consent(world, token, decision).await;
    (consent, redeem(world, &redemption(&code)).await.expect(200))
}
