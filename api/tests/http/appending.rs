//! `POST …/entries`: what is appended, what is answered again, and what is refused.

use proofs::body::{Salt, digest};
use proofs::jcs;
use proofs::key::PrivateKey;
use proofs::statement::Statement;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{NOON, Who, World};

const PERMITS: &str = "/v1/registers/permits/entries";

/// Departments' own signing, as another program would do it.
struct Signer {
    key: PrivateKey,
    issuer: &'static str,
    salt: u8,
}

impl Signer {
    /// With a key that is enrolled for `roads`.
    async fn enrolled(world: &World) -> Self {
        let key = PrivateKey::from_seed(&[9; 32]);
        let departments = world.get(Who::Anyone, "/v1/departments/roads").await.expect(200);
        let enrol = json!({ "type": "key-enrolled", "record": departments["record"], "body": { "key": key.public().jwk() } });
        world.post(Who::Operator, "/v1/registers/departments/entries", enrol).await.expect(201);
        Self { key, issuer: "roads", salt: 1 }
    }

    fn sign(&self, register: &str, record: Uuid, version: u64, entry_type: &str, body: &Value) -> Value {
        let salt = Salt([self.salt; 16]);
        let statement = Statement {
            register: register.parse().expect("a slug"),
            record,
            version,
            entry_type: entry_type.parse().expect("a type"),
            effective_at: NOON,
            issuer: self.issuer.parse().expect("a slug"),
            body: digest(&salt, &jcs::canonical(body).expect("canonical")),
        };
        json!({ "statement": statement.sign(&self.key).as_str(), "body": body, "salt": salt.to_string() })
    }
}

#[tokio::test]
async fn an_entry_is_answered_with_its_place() {
    for world in World::both().await {
        let entry = json!({ "type": "issued", "body": world.body("A001") });
        let answer = world.post(Who::System, PERMITS, entry).await;
        assert_eq!(answer.header("etag"), "\"1\"");
        let location = answer.header("location").to_owned();
        assert_eq!(location, "/v1/registers/permits/entries/0");
        let entry = answer.expect(201);
        assert_eq!(
            (&entry["index"], &entry["version"], &entry["status"]),
            (&json!(0), &json!(1), &json!("valid"))
        );
        assert_eq!(entry["recorded_at"], NOON.to_string());
        assert!(entry.get("receipt").is_none());
        let listed = world.get(Who::System, &location).await.expect(200);
        assert_eq!((&listed["position"], &listed["body"]), (&entry["position"], &world.body("A001")));
        world.end().await;
    }
}

#[tokio::test]
async fn with_preference_the_receipt_comes_along_and_verifies_offline() {
    for world in World::both().await {
        let entries = json!([
            { "type": "issued", "body": world.body("A001") },
            { "type": "issued", "body": world.body("A002") },
        ]);
        let prefer = [("prefer", "return=representation")];
        let answer = world.send(Who::System, "POST", PERMITS, &prefer, Some(entries)).await;
        assert_eq!(answer.header("preference-applied"), "return=representation");
        let answer = answer.expect(201);
        assert!(answer["next"].is_null());
        let key = world.get(Who::Anyone, "/v1/registers/permits/key").await;
        let key = key.text().trim_end().parse().expect("a verifier key");
        let keys = world.get(Who::Anyone, "/v1/departments/roads/keys").await.expect(200);
        let jwk: proofs::key::Jwk = serde_json::from_value(keys["keys"][0].clone()).expect("a JWK");
        for item in answer["items"].as_array().expect("items") {
            let receipt =
                proofs::receipt::Receipt::parse(item["receipt"].to_string().as_bytes()).expect("a receipt");
            let verified =
                receipt.verify(&key, |_, _, _| jwk.public_key().ok()).expect("the receipt verifies");
            assert!(verified.body_shown);
            assert_eq!(verified.leaf.statement.statement().record.to_string(), item["record"]);
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_list_is_appended_whole_or_not_at_all() {
    for world in World::both().await {
        let record = Uuid::from_u128(7);
        let life = |last: &str| {
            json!([
                { "record": record, "type": "issued", "body": world.body("A001") },
                { "record": record, "version": 2, "type": "suspended", "body": { "reason": "a check" } },
                { "record": record, "type": last, "body": { "reason": "another" } },
            ])
        };
        let (kind, problem) = world.post(Who::System, PERMITS, life("suspended")).await.problem(409);
        assert_eq!((kind.as_str(), &problem["errors"][0]["pointer"]), ("state-conflict", &json!("/2/type")));
        assert_eq!(world.get(Who::System, PERMITS).await.expect(200)["items"], json!([]));
        let answer = world.post(Who::System, PERMITS, life("revoked")).await.expect(201);
        let steps: Vec<_> = answer["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| (&item["version"], &item["status"]))
            .collect();
        assert_eq!(
            steps,
            [(&json!(1), &json!("valid")), (&json!(2), &json!("suspended")), (&json!(3), &json!("revoked"))]
        );
        world.end().await;
    }
}

#[tokio::test]
async fn statements_that_the_department_signed_are_taken_as_they_are() {
    for world in World::both().await {
        let signer = Signer::enrolled(&world).await;
        let record = Uuid::from_u128(8);
        let one = signer.sign("permits", record, 1, "issued", &world.body("A001"));
        let entry = world.post(Who::System, PERMITS, one.clone()).await.expect(201);
        assert_eq!(entry["record"], record.to_string());
        let listed = world.get(Who::Anyone, PERMITS).await.expect(200);
        assert_eq!(listed["items"][0]["statement"], one["statement"]);
        // Again without an idempotency key: the version is taken.
        assert_eq!(world.post(Who::System, PERMITS, one).await.problem(409).0, "version-conflict");
        let revoked = json!({ "reason": "fraud" });
        let list = json!([signer.sign("permits", record, 2, "revoked", &revoked)]);
        assert_eq!(world.post(Who::System, PERMITS, list).await.expect(201)["items"][0]["status"], "revoked");
        world.end().await;
    }
}

#[tokio::test]
async fn statements_that_do_not_hold_are_refused() {
    for world in World::both().await {
        let signer = Signer::enrolled(&world).await;
        let record = Uuid::from_u128(8);
        let good = signer.sign("permits", record, 1, "issued", &world.body("A001"));
        let mut other_body = good.clone();
        other_body["body"]["number"] = json!("A002");
        let mut no_jws = good.clone();
        no_jws["statement"] = json!("not a JWS");
        let mut forged = good.clone();
        let text = good["statement"].as_str().expect("text");
        forged["statement"] = json!(format!("{}AAAA", &text[..text.len() - 4]));
        let elsewhere = signer.sign("notices", record, 1, "issued", &world.body("A001"));
        for wrong in [other_body, no_jws, forged, elsewhere] {
            assert_eq!(world.post(Who::System, PERMITS, wrong).await.problem(422).0, "invalid-statement");
        }
        let stranger = Signer { key: PrivateKey::from_seed(&[3; 32]), issuer: "roads", salt: 1 };
        let unknown = stranger.sign("permits", record, 1, "issued", &world.body("A001"));
        assert_eq!(world.post(Who::System, PERMITS, unknown).await.problem(403).0, "key-not-in-force");
        let foreign = Signer { issuer: "woods", ..signer };
        let foreign = foreign.sign("permits", record, 1, "issued", &world.body("A001"));
        assert_eq!(world.post(Who::System, PERMITS, foreign).await.problem(403).0, "foreign-register");
        world.end().await;
    }
}

#[tokio::test]
async fn a_revoked_key_signs_no_more() {
    for world in World::both().await {
        let signer = Signer::enrolled(&world).await;
        let department = world.get(Who::Anyone, "/v1/departments/roads").await.expect(200);
        let revoke = json!({ "type": "key-revoked", "record": department["record"],
            "body": { "kid": signer.key.kid(), "reason": "lost" } });
        world.post(Who::Operator, "/v1/registers/departments/entries", revoke).await.expect(201);
        let late = signer.sign("permits", Uuid::from_u128(8), 1, "issued", &world.body("A001"));
        assert_eq!(world.post(Who::System, PERMITS, late).await.problem(403).0, "key-not-in-force");
        // The key that the platform holds is still in force.
        world.permit("permits", "A001").await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_repeated_request_gives_the_same_answer() {
    for world in World::both().await {
        let headers = [("idempotency-key", "8e0b9c1e")];
        let issue = json!({ "type": "issued", "body": world.body("A001") });
        let send = async |entry: &Value| {
            world.send(Who::System, "POST", PERMITS, &headers, Some(entry.clone())).await
        };
        let first = send(&issue).await.expect(201);
        let revoke = json!({ "record": first["record"], "type": "revoked", "body": { "reason": "r" } });
        world.post(Who::System, PERMITS, revoke).await.expect(201);
        // The record has moved on; the answer is what it was.
        assert_eq!(send(&issue).await.expect(201), first);
        let other = json!({ "type": "issued", "body": world.body("A002") });
        assert_eq!(send(&other).await.problem(409).0, "idempotency-conflict");
        // Another client's keys are its own.
        let felling = json!({ "type": "issued", "body": world.body("A001") });
        let path = "/v1/registers/felling/entries";
        world.send(Who::OtherSystem, "POST", path, &headers, Some(felling)).await.expect(201);
        world.end().await;
    }
}

#[tokio::test]
async fn a_repeated_request_may_be_signed_anew() {
    for world in World::both().await {
        let mut signer = Signer::enrolled(&world).await;
        let headers = [("idempotency-key", "signed-1")];
        let entry =
            |signer: &Signer| signer.sign("permits", Uuid::from_u128(8), 1, "issued", &world.body("A001"));
        let first =
            world.send(Who::System, "POST", PERMITS, &headers, Some(entry(&signer))).await.expect(201);
        signer.salt = 2;
        let second =
            world.send(Who::System, "POST", PERMITS, &headers, Some(entry(&signer))).await.expect(201);
        assert_eq!(first, second);
        world.end().await;
    }
}

#[tokio::test]
async fn what_was_expected_of_the_record_must_hold() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let suspend =
            json!({ "record": entry["record"], "type": "suspended", "body": { "reason": "a check" } });
        let send = async |etag: &str| {
            world.send(Who::System, "POST", PERMITS, &[("if-match", etag)], Some(suspend.clone())).await
        };
        assert_eq!(send("\"2\"").await.problem(412).0, "precondition-failed");
        assert_eq!(send("2").await.problem(400).0, "invalid-request");
        assert_eq!(send("\"1\"").await.expect(201)["version"], 2);
        let versioned =
            json!({ "record": entry["record"], "version": 2, "type": "revoked", "body": { "reason": "r" } });
        let (kind, problem) = world.post(Who::System, PERMITS, versioned).await.problem(409);
        assert_eq!(
            (kind.as_str(), &problem["errors"][0]["pointer"]),
            ("version-conflict", &json!("/version"))
        );
        let again = json!([{ "type": "issued", "body": world.body("A001") }]);
        let (kind, problem) = world.post(Who::System, PERMITS, again).await.problem(409);
        assert_eq!((kind.as_str(), &problem["errors"][0]["pointer"]), ("number-conflict", &json!("/0/body")));
        world.end().await;
    }
}

#[tokio::test]
async fn every_fault_of_a_body_is_pointed_to() {
    for world in World::both().await {
        let mut wrong = world.body("a1");
        wrong["snils"] = json!("112-233-445 96");
        wrong["valid_from"] = json!("2026-02-30");
        wrong["surprise"] = json!(1);
        let (kind, problem) =
            world.post(Who::System, PERMITS, json!([{ "type": "issued", "body": wrong }])).await.problem(422);
        assert_eq!(kind, "invalid-entry");
        let pointers: Vec<_> = problem["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .map(|error| error["pointer"].as_str())
            .collect();
        for pointer in ["/0/body/snils", "/0/body/valid_from"] {
            assert!(pointers.contains(&Some(pointer)), "{problem}");
        }
        assert!(!problem.to_string().contains("112-233"), "a value is repeated: {problem}");
        let mut backwards = world.body("A001");
        backwards["valid_until"] = json!("2025-01-01");
        for (entry, pointer) in [
            (json!({ "type": "issued", "body": backwards }), "/body/valid_until"),
            (json!({ "type": "issued", "body": {} }), "/body/number"),
            (json!({ "type": "vanished", "body": {} }), "/type"),
            (
                json!({ "type": "issued", "body": world.body("A001"), "effective_at": "2099-01-01T00:00:00.000Z" }),
                "/effective_at",
            ),
            (json!({ "type": "issued", "body": world.body("A001"), "salt": "x" }), "/salt"),
        ] {
            let (_, problem) = world.post(Who::System, PERMITS, entry).await.problem(422);
            let pointers: Vec<_> =
                problem["errors"].as_array().expect("errors").iter().map(|e| &e["pointer"]).collect();
            assert!(pointers.contains(&&json!(pointer)), "{pointer}: {problem}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn what_is_too_large_or_no_json_is_refused() {
    let [world, other] = World::both().await;
    let many = vec![json!({ "type": "issued", "body": {} }); 1_001];
    assert_eq!(world.post(Who::System, PERMITS, json!(many)).await.problem(413).0, "too-large");
    let long = json!({ "type": "issued", "body": { "number": "x".repeat(300 << 10) } });
    assert_eq!(world.post(Who::System, PERMITS, long).await.problem(413).0, "too-large");
    let longer = json!({ "type": "issued", "body": { "number": "x".repeat(17 << 20) } });
    assert_eq!(world.post(Who::System, PERMITS, longer).await.problem(413).0, "too-large");
    let token = world.token(Who::System).expect("a token");
    let send = async |media: &str, text: String| {
        let request = axum::http::Request::post(PERMITS).header("content-type", media);
        let request = request.header("authorization", format!("Bearer {token}"));
        world.raw(request.body(text.into()).expect("a request")).await
    };
    let deep = format!("{{\"body\":{}{}}}", "[".repeat(100), "]".repeat(100));
    for text in ["", "{", "{\"body\":1,\"body\":2}", "{\"body\":{\"n\":9007199254740993}}", "[]", &deep] {
        assert_eq!(
            send("application/json", text.to_owned()).await.problem(400).0,
            "invalid-request",
            "{text}"
        );
    }
    assert_eq!(send("text/plain", "{}".to_owned()).await.problem(415).0, "unsupported-media-type");
    for key in ["", "two words", &"k".repeat(256)] {
        let entry = json!({ "type": "issued", "body": world.body("A001") });
        let answer = world.send(Who::System, "POST", PERMITS, &[("idempotency-key", key)], Some(entry)).await;
        assert_eq!(answer.problem(400).0, "invalid-request");
    }
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn appends_that_name_no_version_do_not_disturb_each_other() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let amend = |year: u32| json!({ "record": entry["record"], "type": "amended", "body": { "valid_until": format!("{year}-01-01") } });
        let four = tokio::join!(
            world.post(Who::System, PERMITS, amend(2040)),
            world.post(Who::System, PERMITS, amend(2041)),
            world.post(Who::System, PERMITS, amend(2042)),
            world.post(Who::System, PERMITS, amend(2043)),
        );
        let mut versions: Vec<_> =
            [four.0, four.1, four.2, four.3].map(|answer| answer.expect(201)["version"].as_u64()).into();
        versions.sort_unstable();
        assert_eq!(versions, [Some(2), Some(3), Some(4), Some(5)]);
        world.end().await;
    }
}
