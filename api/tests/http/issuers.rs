//! Issuers of other kinds: RS256, ES256, and keys that are fetched.

use std::sync::{Arc, Mutex};

use api::auth::{Algorithm, IssuerConfig, Role};
use axum::routing::get;
use axum::{Json, Router};
use proofs::key::PrivateKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tokens::{ISSUER, ask, claims, signed, with_issuer};
use crate::world::Who;

/// Modulus of an RSA key that was made for this test and thrown away.
const MODULUS: &str = concat!(
    "xok6zYu21eeBcVR1mr11glMQWc3u_Y3jMDH7lFh0e-nxtGu8cMd5ftgQp1vYsFg9tv-OouVs7xhpcGWk9naUx6osyYUghwN-",
    "3XeIKq_HTkYwcmOrhbm05npcEwSZU_dxXWZ6lSea2_koMaCbvdoZ-RDfOHdjGWj4EoXM6pUwpXvZ0NuuHXKRZeD4QnDdmNJH",
    "ky7uyjc9wqxDhMcHjuLxV_-P2tRAoA7WC5R1QFfB48keCiR5ERYTyqW77u6DyKjYpfZupsY4WHwt63XWjiX57mhXuEM0l5_u",
    "eM9lbdbKCAXoHDmVlkgaDAroHFQ8Q7C30FMWPmVxOkL2NC1MWZY0Yw",
);
/// A token for `auditor`, signed with it at noon of 1 June 2026, good for ten minutes.
const RSA_TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3Blb3BsZS5leGFtcGxlIiwiYXVkIjoicmVlc3RyLnRlc3QiLCJzdWI",
    "iOiJhdWRpdG9yIiwiaWF0IjoxNzgwMzE1MjAwLCJleHAiOjE3ODAzMTU4MDAsInJvbGUiOiJhdWRpdG9yIn0.jcN5vafRPUG",
    "qVJ8D-fDc30IW63lAF2qW5x6sIgnENtusUofdmR_gdGKByH-mh7o-A2WIoApWnQpUs-0udlAMQb_p7EXIKHaCOPW3jGTO7pM",
    "4Nix3b0ChizXBQsX-H0T2LHLCrUjqGH_l1gTeo4K-IRk31IrOaLBGJmWufaQwZjtw18RMWHoeDCNbLcpsGbZnG8c4JHCUxzL",
    "MCwf6uACTfAfdBCLH7ck-0arqX1gzfeXMseIWejAbS_gb9u0Y4weQ-i5XdlA3cxrEhqDZb1PyQtXSEk3POrSHQivQiKlujWJ",
    "h9pY30T9qVMNtxdIPkcDev-2gUZ9ueFlq_tfy4LA85w",
);

fn config(algorithm: Algorithm, jwks: Option<Value>, jwks_url: Option<String>) -> IssuerConfig {
    let roles = vec![Role::Citizen, Role::Auditor];
    IssuerConfig { issuer: ISSUER.to_owned(), algorithm, jwks_url, jwks, audience: None, roles }
}

#[tokio::test]
async fn an_issuer_may_use_rs256() {
    let jwks = json!({ "keys": [{ "kty": "RSA", "n": MODULUS, "e": "AQAB" }] });
    let world = with_issuer(config(Algorithm::RS256, Some(jwks), None)).await;
    // The token is good, and an auditor has no account.
    assert_eq!(ask(&world, RSA_TOKEN).await.problem(403).0, "forbidden");
    let (signed, signature) = RSA_TOKEN.rsplit_once('.').expect("three parts");
    let forged = format!("{signed}.B{}", &signature[1..]);
    assert_eq!(ask(&world, &forged).await.problem(401).0, "unauthenticated");
    world.end().await;
}

/// Serves whatever keys are in the set now, and counts how often it is asked.
async fn provider(keys: &Arc<Mutex<(Value, u32)>>) -> String {
    let keys = Arc::clone(keys);
    let serve = move || {
        let mut keys = keys.lock().expect("no panic holds it");
        keys.1 += 1;
        std::future::ready(Json(keys.0.clone()))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/jwks", get(serve))).await });
    format!("http://{address}/jwks")
}

#[tokio::test]
async fn fetched_keys_are_kept_and_fetched_again_when_they_change() {
    let set = |key: &PrivateKey| json!({ "keys": [key.public().jwk()] });
    let header = |key: &PrivateKey| json!({ "alg": "EdDSA", "kid": key.kid() });
    let (old, new) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    let keys = Arc::new(Mutex::new((set(&old), 0)));
    let url = provider(&keys).await;
    let world = with_issuer(config(Algorithm::EdDSA, None, Some(url))).await;
    let claims = claims(&world);
    let asked = || keys.lock().expect("no panic holds it").1;
    for _ in 0..3 {
        ask(&world, &signed(&old, &header(&old), &claims)).await.expect(200);
    }
    assert_eq!(asked(), 1, "the set is kept");
    keys.lock().expect("no panic holds it").0 = set(&new);
    // A key that the set lacks is looked for, but not at once again: anyone can name keys that do not exist.
    for _ in 0..3 {
        assert_eq!(ask(&world, &signed(&new, &header(&new), &claims)).await.status, 401);
    }
    assert_eq!(asked(), 1, "fetches are spaced");
    world.clock.advance(31_000);
    ask(&world, &signed(&new, &header(&new), &claims)).await.expect(200);
    assert_eq!(asked(), 2);
    // The key that its issuer withdrew is good no more.
    assert_eq!(ask(&world, &signed(&old, &header(&old), &claims)).await.status, 401);
    assert!(
        world.get(Who::Citizen, "/v1/account").await.status.is_success(),
        "the store's own issuer is not touched"
    );
    world.end().await;
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_make_no_token_good() {
    let key = PrivateKey::from_seed(&[1; 32]);
    // A port that was free a moment ago: nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let world = with_issuer(config(Algorithm::EdDSA, None, Some(format!("http://{address}/jwks")))).await;
    let token = signed(&key, &json!({ "alg": "EdDSA", "kid": key.kid() }), &claims(&world));
    assert_eq!(ask(&world, &token).await.problem(401).0, "unauthenticated");
    world.end().await;
}
