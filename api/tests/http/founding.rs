//! How registers and departments come to be: the root of trust, and changes of it through the API.

use api::registry::Change;
use serde_json::json;

use crate::world::{Who, World, append, definition, found};

#[tokio::test]
async fn founding_again_changes_nothing() {
    for world in World::both().await {
        let before = world.store.position().await.expect("a position");
        found(&world.store).await;
        assert_eq!(world.store.position().await.expect("a position"), before);
        world.end().await;
    }
}

#[tokio::test]
async fn the_root_of_trust_is_where_an_auditor_looks_for_it() {
    for world in World::both().await {
        let first = |register: &str| format!("/v1/registers/{register}/entries?limit=2");
        let departments = world.get(Who::Anyone, &first("departments")).await.expect(200);
        assert_eq!(departments["items"][0]["body"]["slug"], "platform");
        assert_eq!(departments["items"][0]["position"], 1);
        let registers = world.get(Who::Anyone, &first("registers")).await.expect(200);
        assert_eq!(registers["items"][0]["body"]["slug"], "registers");
        assert_eq!(registers["items"][1]["body"]["slug"], "departments");
        assert_eq!(registers["next"], "1");
        world.end().await;
    }
}

#[tokio::test]
async fn a_register_is_redefined_only_when_it_differs() {
    for world in World::both().await {
        let same = world.registry.define_register(definition("permits", "roads", "status-public")).await;
        assert!(matches!(same, Ok(Change::None)));
        let mut other = definition("permits", "roads", "restricted");
        let changed = world.registry.define_register(other.clone()).await.expect("it is redefined");
        assert!(matches!(changed, Change::Appended(outcome) if outcome.appended.version == 2));
        let shown = world.get(Who::Anyone, "/v1/registers/permits").await.expect(200);
        assert_eq!((&shown["visibility"], &shown["version"]), (&json!("restricted"), &json!(2)));
        other["visibility"] = json!("public");
        assert!(world.registry.define_register(other).await.is_err(), "what was restricted cannot be opened");
        world.end().await;
    }
}

#[tokio::test]
async fn an_operator_makes_registers_and_departments() {
    for world in World::both().await {
        let title = json!({ "ru": "Вода", "en": "Water" });
        let establish = json!({ "type": "established", "body": { "slug": "water", "title": title, "level": "regional" } });
        world.post(Who::Operator, "/v1/registers/departments/entries", establish.clone()).await.expect(201);
        let again = world.post(Who::Operator, "/v1/registers/departments/entries", establish).await;
        assert_eq!(again.problem(409).0, "number-conflict");
        let define = |owner: &str| json!({ "type": "defined", "body": { "slug": "wells", "definition": definition("wells", owner, "public") } });
        let path = "/v1/registers/registers/entries";
        let (kind, problem) = world.post(Who::Operator, path, define("nobody")).await.problem(422);
        assert_eq!(
            (kind.as_str(), &problem["errors"][0]["pointer"]),
            ("invalid-entry", &json!("/body/definition/owner"))
        );
        world.post(Who::Operator, path, define("water")).await.expect(201);
        let wells = world.get(Who::Anyone, "/v1/registers/wells").await.expect(200);
        assert_eq!((&wells["size"], &wells["owner"]), (&json!(0), &json!("water")));
        append(&world.registry, "wells", "water", "issued", world.body("A001")).await;
        let checkpoint = world.get(Who::Anyone, "/v1/registers/wells/checkpoint").await;
        assert!(checkpoint.text().starts_with("log.test/registers/wells\n1\n"), "{}", checkpoint.text());
        world.end().await;
    }
}

#[tokio::test]
async fn a_key_that_the_platform_does_not_hold_cannot_sign_checkpoints() {
    for world in World::both().await {
        let key = world.get(Who::Anyone, "/v1/registers/permits/key").await;
        let body = json!({ "slug": "wells", "definition": definition("wells", "roads", "public"), "key": key.text().trim_end() });
        let answer = world
            .post(
                Who::Operator,
                "/v1/registers/registers/entries",
                json!({ "type": "defined", "body": body }),
            )
            .await;
        let (_, problem) = answer.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/body/key");
        world.end().await;
    }
}
