//! Reading: registers, records, numbers, histories, accounts.

use serde_json::{Value, json};

use crate::world::{Who, World};

fn wait(entry: &Value) -> [(&'static str, String); 1] {
    [("wait-for", entry["position"].to_string())]
}

async fn read(world: &World, who: Who, path: &str, after: &Value) -> Value {
    let headers = wait(after);
    world.send(who, "GET", path, &[(headers[0].0, &headers[0].1)], None).await.expect(200)
}

#[tokio::test]
async fn registers_are_listed_all_at_once() {
    for world in World::both().await {
        world.permit("permits", "A001").await;
        let list = world.get(Who::Anyone, "/v1/registers").await.expect(200);
        assert!(list["next"].is_null());
        let permits = list["items"].as_array().expect("items").iter().find(|item| item["slug"] == "permits");
        let permits = permits.expect("it is listed");
        assert_eq!((&permits["owner"], &permits["size"]), (&json!("roads"), &json!(1)));
        assert_eq!(permits["visibility"], "status-public");
        for path in [
            "/v1/registers/nothing",
            "/v1/registers/NO",
            "/v1/registers/nothing/records",
            "/v1/departments/nobody",
        ] {
            assert_eq!(world.get(Who::Anyone, path).await.problem(404).0, "not-found");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_number_gives_status_and_term_and_nothing_of_the_holder() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let found = read(&world, Who::Anyone, "/v1/registers/permits/numbers/A001", &entry).await;
        let names: Vec<_> = found.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "current",
                "in_force",
                "number",
                "register",
                "register_title",
                "status",
                "status_title",
                "valid_from",
                "valid_until"
            ]
        );
        assert_eq!((&found["status"], &found["valid_until"]), (&json!("valid"), &json!("2036-01-01")));
        let posted =
            world.post(Who::Anyone, "/v1/registers/permits/lookup", json!({ "number": "A001" })).await;
        assert_eq!(posted.expect(200), found);
        let more = read(&world, Who::Official, "/v1/registers/permits/numbers/A001", &entry).await;
        assert_eq!((&more["record"], &more["content"]), (&entry["record"], &world.body("A001")));
        assert_eq!(
            world.get(Who::Anyone, "/v1/registers/permits/numbers/A999").await.problem(404).0,
            "not-found"
        );
        let posted = world.post(Who::Anyone, "/v1/registers/permits/lookup", json!({ "numbers": 1 })).await;
        assert_eq!(posted.problem(400).0, "invalid-request");
        world.end().await;
    }
}

#[tokio::test]
async fn a_record_shows_its_version_and_its_number_only_where_it_may() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let record = entry["record"].as_str().expect("a record");
        let path = format!("/v1/registers/permits/records/{record}");
        let anyone = read(&world, Who::Anyone, &path, &entry).await;
        assert_eq!(
            (&anyone["status"], &anyone["number"], &anyone["content"]),
            (&json!("valid"), &json!(null), &json!(null))
        );
        let answer = world.get(Who::Citizen, &path).await;
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(answer.expect(200)["content"], world.body("A001"));
        // In another register there is no such record.
        let elsewhere = format!("/v1/registers/open-permits/records/{record}");
        assert_eq!(world.get(Who::Anyone, &elsewhere).await.problem(404).0, "not-found");
        let open = world.permit("open-permits", "A001").await;
        let path =
            format!("/v1/registers/open-permits/records/{}", open["record"].as_str().expect("a record"));
        assert_eq!(read(&world, Who::Anyone, &path, &open).await["number"], "A001");
        world.end().await;
    }
}

#[tokio::test]
async fn lists_are_walked_by_their_cursors() {
    for world in World::both().await {
        let mut last = Value::Null;
        for number in 1..=5 {
            last = world.permit("open-permits", &format!("A00{number}")).await;
        }
        for (path, key) in [("entries", "index"), ("records", "record")] {
            let mut seen = Vec::new();
            let mut next = String::new();
            loop {
                let cursor = if next.is_empty() { String::new() } else { format!("&cursor={next}") };
                let page = read(
                    &world,
                    Who::Anyone,
                    &format!("/v1/registers/open-permits/{path}?limit=2{cursor}"),
                    &last,
                )
                .await;
                seen.extend(
                    page["items"].as_array().expect("items").iter().map(|item| item[key].to_string()),
                );
                match page["next"].as_str() {
                    Some(cursor) => cursor.clone_into(&mut next),
                    None => break,
                }
            }
            assert_eq!(seen.len(), 5, "{path}: {seen:?}");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), 5, "{path}: {seen:?}");
        }
        for query in [
            "entries?limit=0",
            "entries?limit=257",
            "entries?after=x",
            "records?limit=201",
            "records?cursor=x",
            "records?type=X",
        ] {
            let answer = world.get(Who::Anyone, &format!("/v1/registers/open-permits/{query}")).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{query}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_history_is_told_in_both_languages() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let suspend = json!({ "record": entry["record"], "type": "suspended",
            "body": { "reason": "a check", "basis": { "document": "order", "number": "7" } } });
        let last = world.post(Who::System, "/v1/registers/permits/entries", suspend).await.expect(201);
        let record = entry["record"].as_str().expect("a record");
        let steps =
            read(&world, Who::Citizen, &format!("/v1/registers/permits/records/{record}/history"), &last)
                .await;
        let step = &steps["items"][1];
        assert_eq!((&step["status_before"], &step["status"]), (&json!("valid"), &json!("suspended")));
        assert_eq!((&step["reason"], &step["basis"]["number"]), (&json!("a check"), &json!("7")));
        assert_eq!((&step["status_title"]["en"], &step["issuer"]), (&json!("Suspended"), &json!("roads")));
        assert_eq!(step["status_title"]["ru"], "По-русски: Suspended");
        let counts = read(&world, Who::Anyone, "/v1/registers/permits/statistics", &last).await;
        assert_eq!(
            counts["by_status"],
            json!([{ "code": "suspended", "count": 1, "title": step["status_title"] }])
        );
        assert_eq!(counts["by_type"].as_array().map(Vec::len), Some(2));
        world.end().await;
    }
}

#[tokio::test]
async fn an_account_has_what_concerns_its_person() {
    for world in World::both().await {
        world.permit("permits", "A001").await;
        let last = world.permit("notices", "A001").await;
        let account = read(&world, Who::Citizen, "/v1/account", &last).await;
        assert_eq!(account["person"], world.citizen.to_string());
        assert_eq!(account["profile"]["name"]["family"], "Иванова");
        assert_eq!(account["groups"][0]["group"], "transport");
        assert_eq!(account["groups"][0]["registers"].as_array().map(Vec::len), Some(2));
        assert_eq!(account["items"].as_array().map(Vec::len), Some(2));
        for (query, count) in [
            ("group=transport", 2),
            ("group=family", 0),
            ("register=notices", 1),
            ("status=revoked", 0),
            ("role=holder&in_force=true", 2),
            ("in_force=false", 0),
            ("limit=1", 1),
        ] {
            let page = read(&world, Who::Citizen, &format!("/v1/account/records?{query}"), &last).await;
            assert_eq!(page["items"].as_array().map(Vec::len), Some(count), "{query}");
            assert_eq!(page["next"].is_null(), query != "limit=1");
        }
        for query in ["group=nothing", "register=X", "limit=0", "in_force=maybe", "cursor=%00"] {
            let answer = world.get(Who::Citizen, &format!("/v1/account?{query}")).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{query}");
        }
        let path = format!("/v1/account/records/{}", last["record"].as_str().expect("a record"));
        let record = read(&world, Who::Citizen, &path, &last).await;
        assert_eq!((&record["content"]["number"], &record["roles"]), (&json!("A001"), &json!(["holder"])));
        world.end().await;
    }
}

/// A permit passes from one person to another: each sees what concerned them, and not the other's time.
#[tokio::test]
async fn a_person_sees_the_entries_of_their_own_time_only() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let pass = json!({ "record": entry["record"], "type": "amended",
            "body": { "subjects": [{ "role": "holder", "person": world.other_citizen }] } });
        let last = world.post(Who::System, "/v1/registers/notices/entries", pass).await.expect(201);
        for (who, sees) in [(Who::Citizen, [true, false]), (Who::OtherCitizen, [false, true])] {
            let entries = read(&world, who, "/v1/registers/notices/entries", &last).await;
            let shown: Vec<_> = entries["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|item| !item["body"].is_null())
                .collect();
            assert_eq!(shown, sees, "{who:?}");
            for (index, sees) in sees.into_iter().enumerate() {
                let path = format!("/v1/registers/notices/entries/{index}/receipt");
                let receipt = read(&world, who, &path, &last).await;
                assert_eq!(
                    (!receipt["body"].is_null(), !receipt["salt"].is_null()),
                    (sees, sees),
                    "{who:?} {index}"
                );
            }
        }
        let record = entry["record"].as_str().expect("a record");
        let gone = world.get(Who::Citizen, &format!("/v1/registers/notices/records/{record}")).await;
        assert_eq!(gone.problem(404).0, "not-found");
        let mine = read(&world, Who::Citizen, &format!("/v1/account/records/{record}"), &last).await;
        assert!(mine["content"].is_null() && !mine["former_since"].is_null(), "{mine}");
        assert_eq!(read(&world, Who::Citizen, "/v1/account", &last).await["items"], json!([]));
        assert_eq!(
            read(&world, Who::Citizen, "/v1/account?former=true", &last).await["items"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_wait_is_for_positions_that_are_there() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let position = entry["position"].as_u64().expect("a position");
        let query = format!("/v1/registers/permits/numbers/A001?wait_for={position}");
        assert_eq!(world.get(Who::Anyone, &query).await.expect(200)["status"], "valid");
        for wrong in [(position + 1).to_string(), "x".to_owned(), "-1".to_owned()] {
            let headers = [("wait-for", wrong.as_str())];
            let answer =
                world.send(Who::Anyone, "GET", "/v1/registers/permits/statistics", &headers, None).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{wrong}");
        }
        world.end().await;
    }
}
