//! What people and programs read about the API: the OpenAPI document, the reference page, problems, measurements.

use std::path::Path;

use api::problem::KINDS;
use serde_json::Value;

use crate::world::{Who, World};

/// `REESTR_UPDATE=1 cargo test -p reestr-api --test http documents` writes the checked-in copy anew.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says that a checked-in copy is to be rewritten"
)]
fn updating() -> bool {
    std::env::var("REESTR_UPDATE").is_ok()
}

#[test]
fn the_checked_in_description_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/openapi.json");
    let made = format!("{:#}\n", api::openapi::document());
    if updating() {
        std::fs::write(&path, &made).expect("the copy is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/reference/openapi.json is stale: run the test with REESTR_UPDATE=1");
}

#[test]
fn every_operation_says_what_it_is() {
    let document = api::openapi::document();
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(!path.contains('*'), "{path}");
        for (method, operation) in item.as_object().expect("operations") {
            let words = format!("{method} {path}");
            names.push(operation["operationId"].as_str().expect(&words).to_owned());
            assert!(
                operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
                "{words} has no summary"
            );
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{words}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{words}: {}", parameter["name"]);
            }
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "an operationId stands twice");
    references(&document, &document);
}

/// Every `$ref` leads somewhere.
fn references(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').expect("a reference into the document");
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            members.values().for_each(|member| references(member, document));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, document)),
        _ => {}
    }
}

#[tokio::test]
async fn pages_need_nothing_from_elsewhere() {
    let [world, other] = World::both().await;
    let document = world.get(Who::Anyone, "/v1/openapi.json").await.expect(200);
    assert_eq!(document, api::openapi::document());
    for path in ["/", "/docs", "/problems"] {
        let page = world.get(Who::Anyone, path).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        for foreign in ["<script", "http://", "https://", "src=", "style="] {
            assert!(!page.text().contains(foreign), "{path} has {foreign}");
        }
        assert!(page.text().contains("<html lang="));
    }
    let reference = world.get(Who::Anyone, "/docs").await;
    for item in document["paths"].as_object().expect("paths").values() {
        for operation in item.as_object().expect("operations").values() {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(reference.text().contains(&format!("id=\"{id}\"")), "{id} is not in the reference");
        }
    }
    let landing = world.get(Who::Anyone, "/").await;
    assert!(landing.text().contains("lang=\"ru\"") && landing.text().contains("lang=\"en\""));
    assert_eq!(world.get(Who::Anyone, "/style.css").await.header("content-type"), "text/css; charset=utf-8");
    for kind in KINDS {
        let page = world.get(Who::Anyone, &kind.uri()).await;
        assert_eq!(page.status, 200, "{}", kind.slug);
        assert!(page.text().contains(kind.title));
    }
    assert_eq!(world.get(Who::Anyone, "/problems/none").await.problem(404).0, "not-found");
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let [world, other] = World::both().await;
    assert_eq!(world.get(Who::Anyone, "/v2").await.problem(404).0, "not-found");
    let wrong = world.send(Who::Anyone, "DELETE", "/v1/registers", &[], None).await;
    assert_eq!(wrong.problem(405).0, "method-not-allowed");
    let own = world.send(Who::Anyone, "GET", "/v1/registers", &[("x-request-id", "mine-1")], None).await;
    assert_eq!((own.header("x-request-id"), own.header("x-content-type-options")), ("mine-1", "nosniff"));
    assert_eq!(own.header("cache-control"), "no-store");
    for hostile in ["a\tb", "<x>", &"i".repeat(65)] {
        let made = world.send(Who::Anyone, "GET", "/v1/registers", &[("x-request-id", hostile)], None).await;
        assert!(made.header("x-request-id").parse::<uuid::Uuid>().is_ok(), "{hostile}");
    }
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn health_and_measurements() {
    for world in World::both().await {
        assert_eq!(world.get(Who::Anyone, "/health/live").await.expect(200)["status"], "ok");
        assert_eq!(world.get(Who::Anyone, "/health/ready").await.expect(200)["status"], "ok");
        world.permit("permits", "A001").await;
        world.get(Who::Anyone, "/v1/registers/permits/numbers/A001").await;
        let metrics = world.get(Who::Anyone, "/metrics").await;
        let text = metrics.text();
        for line in [
            "reestr_append_seconds_bucket{le=\"+Inf\"}",
            "reestr_append_batch_entries_bucket{le=\"1.0\"}",
            "reestr_append_request_entries_count{register=\"permits\"} 1",
            "# UNIT reestr_append_request_seconds seconds",
            "# UNIT reestr_projection_lag_seconds seconds",
            "reestr_append_entries_total{register=\"permits\",outcome=\"appended\"} 1",
            "reestr_append_request_seconds_count{register=\"permits\"} 1",
            "reestr_projection_lag_positions{projection=\"account\"}",
            "reestr_projection_lag_seconds{projection=\"view\"}",
            "reestr_register_entries{register=\"permits\"} 1",
            "reestr_register_lag_positions{projection=\"history\",register=\"permits\"} ",
            "# UNIT reestr_register_lag_seconds seconds",
            "reestr_register_lag_seconds{projection=\"account\",register=\"departments\"} ",
            "route=\"/v1/registers/{register}/numbers/{number}\"",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("A001"), "a number is in a label");
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
        world.store.close().await;
        let ready = world.get(Who::Anyone, "/health/ready").await;
        assert_eq!(ready.status, 503, "{}", ready.text());
        assert_eq!(world.get(Who::Anyone, "/health/live").await.status, 200);
        world.end().await;
    }
}
