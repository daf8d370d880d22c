//! Open statistics: exact where everyone can count, and by region without small groups.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Who, World};

const MONTH_MILLIS: i64 = 31 * 24 * 3_600_000;

async fn table(world: &World, query: &str) -> Value {
    let position = world.store.position().await.expect("a position").to_string();
    let path = format!("/v1/statistics{query}");
    let answer = world.send(Who::Anyone, "GET", &path, &[("wait-for", &position)], None).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=60", "{path}: {}", answer.text());
    answer.expect(200)
}

/// What each row is of, and its count.
fn rows(table: &Value) -> Vec<String> {
    let rows = table["rows"].as_array().expect("rows").iter();
    let words = |row: &Value| {
        let of = ["register", "type", "status", "month", "region"].map(|name| row[name].as_str());
        let other = row["other_regions"].as_bool().map(|_| "(other)");
        of.into_iter().chain([other]).flatten().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    rows.map(|row| format!("{} {}", words(row), row["count"]).trim().to_owned()).collect()
}

/// People who live there, each with a permit; those whose region is empty have no address.
async fn settle(world: &World, first: u128, region: &str, count: u128) {
    let ids: Vec<Uuid> = (first..first + count).map(Uuid::from_u128).collect();
    let person = |id: &Uuid| {
        let mut body =
            json!({ "name": { "family": "Ж", "given": "Ж" }, "birth_date": "1990-01-01", "sex": "male" });
        if !region.is_empty() {
            body["address"] = json!({ "region": region });
        }
        json!({ "type": "opened", "record": id, "body": body })
    };
    let people: Vec<Value> = ids.iter().map(person).collect();
    world.post(Who::Operator, "/v1/registers/persons/entries", json!(people)).await.expect(201);
    let permit = |id: &Uuid| {
        let mut body = world.body(&format!("A{:03}", id.as_u128() - 1_000));
        body["subjects"] = json!([{ "role": "holder", "person": id }]);
        json!({ "type": "issued", "body": body })
    };
    let permits: Vec<Value> = ids.iter().map(permit).collect();
    world.post(Who::System, "/v1/registers/permits/entries", json!(permits)).await.expect(201);
}

#[tokio::test]
async fn regions_are_told_when_a_month_is_over_and_small_groups_are_not() {
    for world in World::both().await {
        settle(&world, 1_000, "Москва", 15).await;
        settle(&world, 1_100, "Тверская область", 11).await;
        settle(&world, 1_200, "Алтай", 3).await;
        settle(&world, 1_300, "", 4).await;
        let by_region = "?register=permits&by=region";
        let now = table(&world, by_region).await;
        assert_eq!((&now["until"], rows(&now).len()), (&json!("2026-05"), 0), "June is not over");
        assert_eq!(rows(&table(&world, "?register=permits&by=month").await), ["2026-06 33"]);

        world.clock.advance(MONTH_MILLIS);
        // Nothing new was recorded: there may be more of June to come, from a clock that is behind.
        assert_eq!(table(&world, by_region).await["until"], "2026-05");
        settle(&world, 1_400, "Алтай", 8).await;
        // Three and four people are fewer than ten: those of Tver go with them.
        let june = table(&world, by_region).await;
        assert_eq!((&june["until"], &june["threshold"]), (&json!("2026-06"), &json!(10)));
        assert_eq!((&june["counted"], &june["by"]), (&json!("entries"), &json!(["region"])));
        assert_eq!(rows(&june), ["Москва 15", "(other) 18"]);
        let finest = table(&world, "?register=permits&by=type,month,region").await;
        assert_eq!(rows(&finest), ["issued 2026-06 Москва 15", "issued 2026-06 (other) 18"]);
        assert_eq!(rows(&table(&world, "?register=permits&by=month").await), ["2026-06 33", "2026-07 8"]);

        // July is one small region: it is told as a whole, and June as it was.
        world.clock.advance(MONTH_MILLIS);
        settle(&world, 1_500, "Москва", 1).await;
        let july = table(&world, "?register=permits&by=region,month").await;
        assert_eq!(rows(&july), ["2026-06 Москва 15", "2026-06 (other) 18", "2026-07 (other) 8"]);
        assert_eq!(rows(&table(&world, by_region).await), ["Москва 15", "(other) 26"]);
        world.end().await;
    }
}

#[tokio::test]
async fn what_everyone_can_count_is_exact() {
    for world in World::both().await {
        settle(&world, 1_000, "Москва", 3).await;
        let types = table(&world, "?register=permits").await;
        assert_eq!(rows(&types), ["issued 3"]);
        assert_eq!((&types["rows"][0]["type_title"]["en"], types.get("until")), (&json!("Issued"), None));
        let statuses = table(&world, "?register=permits&by=status").await;
        assert_eq!((rows(&statuses), &statuses["counted"]), (vec!["valid 3".to_owned()], &json!("records")));
        assert_eq!(statuses["rows"][0]["status_title"]["en"], "Valid");
        let registers = table(&world, "").await;
        assert!(rows(&registers).contains(&"permits 3".to_owned()), "{registers}");
        let titled = registers["rows"].as_array().expect("rows").iter();
        assert!(titled.clone().all(|row| row["register_title"]["ru"].is_string()));
        let both = table(&world, "?by=status,register").await;
        assert!(rows(&both).contains(&"permits valid 3".to_owned()), "{both}");
        assert!(rows(&table(&world, "?by=status").await).contains(&"valid 3".to_owned()));
        // All counts of one register by type are those of the register's own page.
        let own = world.get(Who::Anyone, "/v1/registers/permits/statistics").await.expect(200);
        assert_eq!(own["by_type"][0]["count"], 3);
        world.end().await;
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_said_so() {
    let [world, other] = World::both().await;
    for (query, words) in [
        ("?by=", "`by` is of"),
        ("?by=region,region", "each once"),
        ("?by=person", "`by` is of"),
        ("?by=status,region", "do not go together"),
        ("?by=status,month", "do not go together"),
        ("?registers=permits", "unknown"),
    ] {
        let (kind, problem) = world.get(Who::Anyone, &format!("/v1/statistics{query}")).await.problem(400);
        assert_eq!(kind, "invalid-request");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{problem}");
    }
    world.get(Who::Anyone, "/v1/statistics?register=no-such").await.problem(404);
    world.get(Who::Anyone, "/v1/statistics?register=%00").await.problem(400);
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn the_pages_have_the_same_figures_in_both_languages() {
    for world in World::both().await {
        settle(&world, 1_000, "Москва", 15).await;
        settle(&world, 1_100, "<b>Тверь</b>", 10).await;
        world.clock.advance(MONTH_MILLIS);
        settle(&world, 1_200, "Алтай", 3).await;
        // The pages wait for nothing.
        table(&world, "?register=permits").await;
        table(&world, "?register=permits&by=status").await;
        let all = world.get(Who::Anyone, "/statistics").await;
        assert_eq!((all.status.as_u16(), all.header("cache-control")), (200, "public, max-age=60"));
        let text = all.text();
        assert!(text.contains("<html lang=\"ru\">") && text.contains("lang=\"en\">In English</a>"), "{text}");
        let row = "<a href=\"/statistics/permits\">По-русски: permits</a></th><td>28</td><td>28</td>";
        assert!(text.contains(row), "{text}");
        let one = world.get(Who::Anyone, "/statistics/permits?language=en").await;
        let text = one.text();
        for part in [
            "<html lang=\"en\">",
            "<h1>permits</h1>",
            "<th scope=\"row\">Valid</th><td>28</td>",
            "<th scope=\"row\">Issued</th><td>28</td>",
            "<th scope=\"row\">2026-07</th><td>3</td>",
            "<th scope=\"row\">Москва</th><td>15</td>",
            "<th scope=\"row\">&lt;b&gt;Тверь&lt;/b&gt;</th><td>10</td>",
            "the last being 2026-06",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Алтай"));
        world.get(Who::Anyone, "/statistics/no-such").await.problem(404);
        world.get(Who::Anyone, "/statistics?language=de").await.problem(400);
        world.end().await;
    }
}
