//! Tokens: whose are good, and which are not; and how many requests a client may make.

use api::auth::{Algorithm, Authenticator, Claims, Grant, IssuerConfig, IssuerConfigError, Role};
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use proofs::key::PrivateKey;
use serde_json::{Value, json};

use crate::database::Database;
use crate::world::{AUDIENCE, Answer, NOON, Who, World};

pub const ISSUER: &str = "https://people.example";

/// The key of RFC 7515 appendix A.3 (ES256).
const P256: (&str, &str, &str) = (
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
);

pub async fn ask(world: &World, token: &str) -> Answer {
    let request = Request::get("/v1/account").header("authorization", format!("Bearer {token}"));
    world.raw(request.body(Body::empty()).expect("a request")).await
}

pub fn claims(world: &World) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        aud: json!(AUDIENCE),
        sub: world.citizen.to_string(),
        exp: NOON.millis() / 1000 + 600,
        iat: NOON.millis() / 1000,
        nbf: None,
        role: Role::Citizen,
        department: None,
        scope: None,
        client_id: None,
        consent: None,
    }
}

/// A JWT signed by hand, so that the header may be anything.
pub fn signed(key: &PrivateKey, header: &Value, claims: &impl serde::Serialize) -> String {
    let part = |value: String| URL_SAFE_NO_PAD.encode(value);
    let text =
        format!("{}.{}", part(header.to_string()), part(serde_json::to_string(claims).expect("claims")));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn issuer(key: &PrivateKey, roles: &[Role]) -> IssuerConfig {
    IssuerConfig {
        issuer: ISSUER.to_owned(),
        algorithm: Algorithm::EdDSA,
        jwks_url: None,
        jwks: Some(json!({ "keys": [key.public().jwk()] })),
        audience: None,
        roles: roles.to_vec(),
    }
}

pub async fn with_issuer(config: IssuerConfig) -> World {
    let [sqlite, _] = Database::both().await;
    World::new(sqlite, &[config], 10_000).await
}

/// A consent is opened by a token of ours, which is made after the entry that says so, and by no other's.
#[tokio::test]
async fn no_other_issuer_speaks_for_third_parties() {
    let [sqlite, _] = Database::both().await;
    let world = World::new(sqlite, &[], 10_000).await;
    let config = issuer(&PrivateKey::from_seed(&[5; 32]), &[Role::Citizen, Role::ThirdParty]);
    let made = Authenticator::new(&world.tokens, &[config], world.clock.clone());
    assert!(matches!(made.err(), Some(IssuerConfigError::ThirdParty(name)) if name == ISSUER));
    world.end().await;
}

#[tokio::test]
async fn a_configured_issuer_is_believed_within_its_bounds() {
    let key = PrivateKey::from_seed(&[5; 32]);
    let world = with_issuer(issuer(&key, &[Role::Citizen])).await;
    let header = json!({ "alg": "EdDSA", "kid": key.kid() });
    let good = claims(&world);
    assert_eq!(
        ask(&world, &signed(&key, &header, &good)).await.expect(200)["person"],
        world.citizen.to_string()
    );
    let list = Claims { aud: json!(["elsewhere", AUDIENCE]), ..good.clone() };
    ask(&world, &signed(&key, &header, &list)).await.expect(200);
    let now = good.iat;
    let wrong = [
        Claims { iss: "https://stranger.example".to_owned(), ..good.clone() },
        Claims { aud: json!("elsewhere"), ..good.clone() },
        Claims { exp: now - 31, ..good.clone() },
        Claims { iat: now + 31, ..good.clone() },
        Claims { nbf: Some(now + 31), ..good.clone() },
        Claims { sub: "no person".to_owned(), ..good.clone() },
        // The issuer may speak for citizens alone.
        Claims { role: Role::Operator, ..good.clone() },
        Claims { role: Role::Auditor, scope: Some("bodies:*".to_owned()), ..good.clone() },
    ];
    for claims in wrong {
        let (kind, _) = ask(&world, &signed(&key, &header, &claims)).await.problem(401);
        assert_eq!(kind, "unauthenticated", "{claims:?}");
    }
    let other = PrivateKey::from_seed(&[6; 32]);
    for (key, header) in [
        (&other, json!({ "alg": "EdDSA", "kid": key.kid() })),
        (&other, json!({ "alg": "EdDSA", "kid": other.kid() })),
        (&key, json!({ "alg": "none", "kid": key.kid() })),
        (&key, json!({ "alg": "HS256", "kid": key.kid() })),
        (&key, json!({ "alg": "ES256", "kid": key.kid() })),
        (&key, json!({ "alg": "EdDSA", "kid": key.kid(), "typ": "reestr-statement.v1+jws" })),
    ] {
        assert_eq!(
            ask(&world, &signed(key, &header, &good)).await.problem(401).0,
            "unauthenticated",
            "{header}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn tokens_that_are_none_are_refused() {
    let key = PrivateKey::from_seed(&[5; 32]);
    let world = with_issuer(issuer(&key, &[Role::Citizen])).await;
    let good = world.token(Who::Citizen).expect("a token");
    let long = format!("{good}{}", "A".repeat(9 << 10));
    let cut = &good[..good.len() - 8];
    for token in ["", "x", "a.b.c", "..", &long, cut] {
        let answer = ask(&world, token).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"reestr\"");
        assert_eq!(answer.problem(401).0, "unauthenticated", "{token}");
    }
    // A bad token is refused even where none is needed.
    let request = Request::get("/v1/registers").header("authorization", "Basic eDp5");
    let answer = world.raw(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.problem(401).0, "unauthenticated");
    world.clock.advance(3_600_000 + 31_000);
    assert_eq!(ask(&world, &good).await.problem(401).0, "unauthenticated");
    world.end().await;
}

#[tokio::test]
async fn roles_need_what_they_act_for() {
    let [world, other] = World::both().await;
    let grant = |role, subject: &str| Grant {
        subject: subject.to_owned(),
        role,
        department: None,
        scope: None,
        issued_at: NOON,
        expires_at: NOON.plus_millis(60_000),
    };
    for (role, subject) in
        [(Role::Department, "system"), (Role::Official, "system"), (Role::Citizen, "someone")]
    {
        let token = world.tokens.mint(grant(role, subject)).expect("a token");
        assert_eq!(ask(&world, &token).await.problem(401).0, "unauthenticated", "{role:?}");
    }
    let keys = world.get(Who::Anyone, "/.well-known/jwks.json").await.expect(200);
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
    assert!(keys["keys"][0].get("d").is_none());
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn an_issuer_may_use_es256() {
    let (x, y, d) = P256;
    let config = IssuerConfig {
        issuer: ISSUER.to_owned(),
        algorithm: Algorithm::ES256,
        jwks_url: None,
        jwks: Some(json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "one" }] })),
        audience: None,
        roles: vec![Role::Citizen],
    };
    let world = with_issuer(config).await;
    let bytes = |text| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let key = EncodingKey::from_ec_der(&pkcs8(&bytes(d), &bytes(x), &bytes(y)));
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.kid = Some("one".to_owned());
    let token = encode(&header, &claims(&world), &key).expect("a token");
    ask(&world, &token).await.expect(200);
    // Without a name, the only key of the set is meant.
    header.kid = None;
    ask(&world, &encode(&header, &claims(&world), &key).expect("a token")).await.expect(200);
    world.end().await;
}

/// A P-256 key as PKCS #8 (RFC 5958, RFC 5915).
fn pkcs8(d: &[u8], x: &[u8], y: &[u8]) -> Vec<u8> {
    let algorithm = [
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
        0x3d, 0x03, 0x01, 0x07,
    ];
    let mut der = vec![0x30, 0x81, 0x87, 0x02, 0x01, 0x00];
    der.extend(algorithm);
    der.extend([0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20]);
    der.extend(d);
    der.extend([0xa1, 0x44, 0x03, 0x42, 0x00, 0x04]);
    der.extend(x);
    der.extend(y);
    der
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let [sqlite, _] = Database::both().await;
    let world = World::new(sqlite, &[], 2).await;
    for _ in 0..2 {
        world.get(Who::Citizen, "/v1/registers").await.expect(200);
    }
    let answer = world.get(Who::Citizen, "/v1/registers").await;
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    assert_eq!(answer.problem(429).0, "rate-limited");
    // Others are not held up by it.
    world.get(Who::OtherCitizen, "/v1/registers").await.expect(200);
    world.get(Who::Anyone, "/v1/registers").await.expect(200);
    world.end().await;
}
