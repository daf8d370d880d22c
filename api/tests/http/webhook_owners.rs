//! Webhooks: whose they are, and which cannot be.

use serde_json::json;
use uuid::Uuid;

use crate::authorisation::Case;
use crate::webhooks::{hook, worlds};
use crate::world::{Who, World};

fn made(who: Who) -> u16 {
    match who {
        Who::Official | Who::System | Who::OtherOfficial | Who::OtherSystem | Who::Operator => 201,
        Who::Anyone => 401,
        _ => 403,
    }
}

fn listed(who: Who) -> u16 {
    if made(who) == 201 { 200 } else { made(who) }
}

/// Nobody has the webhook that is asked for; whose are whose is tested below.
fn absent(who: Who) -> u16 {
    if made(who) == 201 { 404 } else { made(who) }
}

/// What this file's endpoints answer to each.
pub fn cases() -> Vec<Case> {
    let url = format!("/v1/webhooks/{}", Uuid::from_u128(1));
    let body = json!({ "url": "https://receiver.example/hook" });
    let delivery = Uuid::from_u128(2);
    vec![
        Case::post("/v1/webhooks", "/v1/webhooks".to_owned(), body, made),
        Case::get("/v1/webhooks", "/v1/webhooks".to_owned(), listed),
        Case::get("/v1/webhooks/{id}", url.clone(), absent),
        Case::of("DELETE", "/v1/webhooks/{id}", url.clone(), None, absent),
        Case::of("POST", "/v1/webhooks/{id}/enable", format!("{url}/enable"), None, absent),
        Case::of("POST", "/v1/webhooks/{id}/secret", format!("{url}/secret"), None, absent),
        Case::of("POST", "/v1/webhooks/{id}/test", format!("{url}/test"), None, absent),
        Case::get("/v1/webhooks/{id}/deliveries", format!("{url}/deliveries"), absent),
        Case::of(
            "POST",
            "/v1/webhooks/{id}/deliveries/{delivery}/replay",
            format!("{url}/deliveries/{delivery}/replay"),
            None,
            absent,
        ),
    ]
}

#[tokio::test]
async fn a_webhook_is_its_owners() {
    for world in worlds().await {
        let (id, _) = hook(
            &world,
            Who::Official,
            json!({ "url": "https://receiver.example/", "registers": ["notices"] }),
        )
        .await;
        let path = format!("/v1/webhooks/{id}");
        for (who, sees) in [
            (Who::System, true),
            (Who::OtherSystem, false),
            (Who::OtherOfficial, false),
            (Who::Operator, false),
        ] {
            let found = world.get(who, &path).await;
            assert_eq!(found.status, if sees { 200 } else { 404 }, "{who:?}");
            let listed = world.get(who, "/v1/webhooks").await.expect(200);
            assert_eq!(listed["items"].as_array().map(Vec::len), Some(usize::from(sees)), "{who:?}");
            if !sees {
                for (method, end) in [
                    ("DELETE", ""),
                    ("POST", "/secret"),
                    ("POST", "/test"),
                    ("POST", "/enable"),
                    ("GET", "/deliveries"),
                ] {
                    let answer = world.send(who, method, &format!("{path}{end}"), &[], None).await;
                    assert_eq!(answer.problem(404).0, "not-found", "{who:?} {method} {end}");
                }
            }
        }
        world.send(Who::System, "DELETE", &path, &[], None).await.expect(204);
        assert_eq!(world.get(Who::Official, &path).await.problem(404).0, "not-found");
        world.end().await;
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_place() {
    for world in World::both().await {
        let url = "https://receiver.example/";
        for (who, body, pointer) in [
            (Who::System, json!({ "url": "http://receiver.example/" }), "/url"),
            (Who::System, json!({ "url": "https://127.0.0.1/" }), "/url"),
            (Who::System, json!({ "url": "http://127.0.0.1/" }), "/url"),
            (Who::System, json!({ "url": url, "registers": ["permits", "felling"] }), "/registers/1"),
            (Who::System, json!({ "url": url, "registers": ["permits", "permits"] }), "/registers/1"),
            (Who::System, json!({ "url": url, "registers": ["nothing"] }), "/registers/0"),
            (Who::System, json!({ "url": url, "bodies": true }), "/purpose"),
            (
                Who::System,
                json!({ "url": url, "bodies": true, "purpose": "because", "legal_basis": "." }),
                "/purpose",
            ),
            (Who::System, json!({ "url": url, "channel": "sms" }), "/channel"),
            (Who::Operator, json!({ "url": url, "kind": "notifications" }), "/channel"),
            (
                Who::Operator,
                json!({ "url": url, "kind": "notifications", "channel": "sms", "registers": ["persons"] }),
                "/kind",
            ),
        ] {
            let (kind, problem) = world.post(who, "/v1/webhooks", body.clone()).await.problem(400);
            assert_eq!(
                (kind.as_str(), &problem["errors"][0]["pointer"]),
                ("invalid-request", &json!(pointer)),
                "{body}"
            );
        }
        for body in [json!({}), json!({ "url": url, "more": 1 }), json!({ "url": url, "after": 1_000_000 })] {
            assert_eq!(world.post(Who::System, "/v1/webhooks", body).await.problem(400).0, "invalid-request");
        }
        let gateway = json!({ "url": url, "kind": "notifications", "channel": "sms" });
        assert_eq!(
            world.post(Who::System, "/v1/webhooks", gateway.clone()).await.problem(403).0,
            "forbidden"
        );
        world.post(Who::Operator, "/v1/webhooks", gateway.clone()).await.expect(201);
        assert_eq!(world.post(Who::Operator, "/v1/webhooks", gateway).await.problem(409).0, "state-conflict");
        for _ in 0..50 {
            world.post(Who::System, "/v1/webhooks", json!({ "url": url })).await.expect(201);
        }
        let more = world.post(Who::System, "/v1/webhooks", json!({ "url": url })).await;
        assert_eq!(more.problem(409).0, "state-conflict");
        world.end().await;
    }
}
