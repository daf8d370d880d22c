//! HTTP as its specifications say, and input that means harm: on both stores, and never a 500.

use serde_json::{Value, json};

use crate::world::{Who, World};

const PERMITS: &str = "/v1/registers/permits/entries";

#[tokio::test]
async fn methods_are_answered_as_http_says() {
    let [world, other] = World::both().await;
    for path in ["/v1/registers", "/v1/registers/permits/checkpoint", "/health/live", "/metrics", "/"] {
        let get = world.get(Who::Anyone, path).await;
        let head = world.send(Who::Anyone, "HEAD", path, &[], None).await;
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    for (path, allowed) in [("/v1/registers", "GET,HEAD"), (PERMITS, "GET,HEAD,POST"), ("/docs", "GET,HEAD")]
    {
        let sorted = |text: &str| {
            let mut methods: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
            methods.sort();
            methods
        };
        for method in ["DELETE", "PUT", "PATCH", "TRACE", "BREW"] {
            let answer = world.send(Who::Anyone, method, path, &[], None).await;
            assert_eq!(sorted(answer.header("allow")), sorted(allowed), "{method} {path}");
            assert_eq!(answer.problem(405).0, "method-not-allowed", "{method} {path}");
        }
        let options = world.send(Who::Anyone, "OPTIONS", path, &[], None).await;
        assert_eq!((options.status.as_u16(), options.bytes.len()), (204, 0), "{path}");
        assert_eq!(sorted(options.header("allow")), sorted(allowed), "{path}");
    }
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn a_checkpoint_that_is_known_is_not_sent_again() {
    for world in World::both().await {
        world.permit("permits", "A001").await;
        let path = "/v1/registers/permits/checkpoint";
        let first = world.get(Who::Anyone, path).await;
        let tag = first.header("etag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let headers = [("if-none-match", known.as_str())];
            let again = world.send(Who::Anyone, "GET", path, &headers, None).await;
            assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0), "{known}");
            assert_eq!(again.header("etag"), tag);
        }
        world.permit("permits", "A002").await;
        let headers = [("if-none-match", tag.as_str())];
        let second = world.send(Who::Anyone, "GET", path, &headers, None).await;
        assert_eq!(second.status, 200);
        assert_ne!(second.bytes, first.bytes);
        world.end().await;
    }
}

/// PostgreSQL's texts cannot hold U+0000.
#[tokio::test]
async fn a_nul_is_refused_wherever_it_stands() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let revoke = |body: Value| json!({ "record": entry["record"], "type": "revoked", "body": body });
        for (body, pointer) in [
            (json!({ "reason": "a\0b" }), "/body/reason"),
            (json!({ "reason": "r", "basis": { "document": "\0" } }), "/body/basis/document"),
            (json!({ "reason": "r", "a\0b": 1 }), "/body"),
        ] {
            let (_, problem) = world.post(Who::System, PERMITS, revoke(body)).await.problem(422);
            let mut pointers = problem["errors"].as_array().expect("errors").iter().map(|e| &e["pointer"]);
            assert!(pointers.any(|found| *found == json!(pointer)), "{pointer}: {problem}");
        }
        let number = json!({ "type": "issued", "body": world.body("A00\0") });
        assert_eq!(world.post(Who::System, PERMITS, number).await.problem(422).0, "invalid-entry");
        let lookup = json!({ "number": "\0" });
        let found = world.post(Who::Anyone, "/v1/registers/permits/lookup", lookup).await;
        assert_eq!(found.problem(404).0, "not-found");
        for (path, status) in [
            ("/v1/registers/%00", 404),
            ("/v1/registers/%00/entries", 404),
            ("/v1/registers/permits/numbers/%00", 404),
            ("/v1/registers/permits/tile/%00", 404),
            ("/v1/departments/%00", 404),
            ("/v1/registers/permits/records?status=%00", 400),
            ("/v1/registers/permits/records?type=%00", 400),
            ("/v1/registers/permits/records?cursor=%00", 400),
        ] {
            world.get(Who::System, path).await.problem(status);
        }
        for query in ["status=%00", "role=%00", "register=%00", "group=%00", "cursor=a%00"] {
            let answer = world.get(Who::Citizen, &format!("/v1/account/records?{query}")).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{query}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn odd_letters_are_letters() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        // Beyond the basic plane, from right to left, combining, and what JSON and SQL escape.
        let reason = "𝔘𝔫 \u{202e} ё e\u{301} \u{7f} \u{1} '\"\\;-- {} %00 \u{feff}";
        let revoke = json!({ "record": entry["record"], "type": "revoked", "body": { "reason": reason } });
        let last = world.post(Who::System, PERMITS, revoke).await.expect(201);
        let record = entry["record"].as_str().expect("a record");
        let path = format!("/v1/registers/permits/records/{record}/history?wait_for={}", last["position"]);
        assert_eq!(world.get(Who::System, &path).await.expect(200)["items"][1]["reason"], reason);
        for query in ["status=%F0%9D%94%98", "status='%20OR%201=1--", "status=%25", "status=%ff"] {
            let answer = world.get(Who::System, &format!("/v1/registers/permits/records?{query}")).await;
            assert!(answer.status.as_u16() < 500, "{query}: {}", answer.text());
        }
        for number in ["%F0%9D%94%98", "'%20OR%201=1--", "%ff", "a%2Fb", &"9".repeat(5_000)] {
            let answer = world.get(Who::Anyone, &format!("/v1/registers/permits/numbers/{number}")).await;
            assert_eq!(answer.problem(404).0, "not-found");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn numbers_beyond_all_bounds_find_nothing() {
    for world in World::both().await {
        world.permit("open-permits", "A001").await;
        let beyond = [u64::MAX.to_string(), (1_u64 << 63).to_string(), (1_u64 << 53).to_string()];
        for index in &beyond {
            for end in ["", "/receipt"] {
                let path = format!("/v1/registers/open-permits/entries/{index}{end}");
                assert_eq!(world.get(Who::Anyone, &path).await.problem(404).0, "not-found", "{path}");
            }
            let path = format!("/v1/registers/open-permits/entries?after={index}");
            assert_eq!(world.get(Who::Anyone, &path).await.expect(200)["items"], json!([]), "{path}");
            let headers = [("wait-for", index.as_str())];
            let path = "/v1/registers/open-permits/records";
            let answer = world.send(Who::Anyone, "GET", path, &headers, None).await;
            assert_eq!(answer.problem(400).0, "invalid-request");
            let tile = format!("/v1/registers/open-permits/tile/0/{index}");
            assert_eq!(world.get(Who::Anyone, &tile).await.problem(404).0, "not-found");
        }
        for query in ["after=-1", "after=1e3", "after=99999999999999999999", "limit=0", "limit=4294967296"] {
            let answer = world.get(Who::Anyone, &format!("/v1/registers/open-permits/entries?{query}")).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{query}");
        }
        world.end().await;
    }
}

/// A filter that is misspelt would show everything, as if it had been applied.
#[tokio::test]
async fn a_parameter_that_no_one_reads_is_refused() {
    let [world, other] = World::both().await;
    for (who, path) in [
        (Who::System, "/v1/registers/permits/records?stauts=valid"),
        (Who::System, "/v1/registers/permits/entries?limit=1&from=3"),
        (Who::Citizen, "/v1/account?in-force=true"),
        (Who::Citizen, "/v1/account/records?SECRET=1"),
    ] {
        let (kind, problem) = world.get(who, path).await.problem(400);
        assert_eq!(kind, "invalid-request", "{path}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("limit")), "{problem}");
        assert!(!problem.to_string().contains("SECRET"), "{problem}");
    }
    world.get(Who::System, "/v1/registers/permits/records?status=valid&wait_for=1&limit=1").await.expect(200);
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn anyone_may_send_only_a_little() {
    let [world, other] = World::both().await;
    let long = json!({ "number": "9".repeat(5 << 10) });
    let answer = world.post(Who::Anyone, "/v1/registers/permits/lookup", long).await;
    assert_eq!(answer.problem(413).0, "too-large");
    world.end().await;
    other.end().await;
}

/// What someone wrote in a body is theirs: a problem says where it stands, never what it is.
#[tokio::test]
async fn problems_do_not_repeat_what_was_sent() {
    let [world, other] = World::both().await;
    let mut wrong = world.body("SECRET");
    wrong["valid_from"] = json!("SECRET");
    wrong["snils"] = json!("SECRET");
    wrong["subjects"] = json!([{ "role": "SECRET", "person": "SECRET" }, "SECRET"]);
    for entry in [
        json!({ "type": "issued", "body": wrong }),
        json!({ "type": "SECRET", "body": {} }),
        json!({ "type": "issued", "body": "SECRET" }),
        json!({ "type": "issued", "body": {}, "record": "SECRET" }),
        json!({ "type": "issued", "body": {}, "effective_at": "SECRET" }),
        json!({ "type": "issued", "body": {}, "version": "SECRET" }),
        json!({ "statement": "SECRET", "body": {}, "salt": "SECRET" }),
        json!({ "statement": "SECRET.SECRET.SECRET", "body": {}, "salt": "AAAAAAAAAAAAAAAAAAAAAA" }),
        json!("SECRET"),
    ] {
        let answer = world.post(Who::System, PERMITS, entry.clone()).await;
        assert!(answer.status.is_client_error(), "{entry}");
        assert!(!answer.text().contains("SECRET"), "{}", answer.text());
    }
    for path in [
        "/v1/SECRET",
        "/v1/registers/SECRET",
        "/v1/registers/permits/numbers/SECRET",
        "/v1/registers/permits/records?limit=SECRET",
        "/v1/registers/permits/records?cursor=SECRET",
        "/v1/registers/permits/records/SECRET",
    ] {
        let answer = world.get(Who::System, path).await;
        assert!(answer.status.is_client_error() && !answer.text().contains("SECRET"), "{}", answer.text());
    }
    world.end().await;
    other.end().await;
}
