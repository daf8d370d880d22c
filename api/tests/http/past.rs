//! Time travel: what was so on one day, as it was known on another.

use proofs::time::Timestamp;
use serde_json::{Value, json};

use crate::world::{NOON, Who, World};

/// A permit for the citizen from 10 January, extended, found to have been suspended since March, passed on to another.
struct Life {
    record: String,
    /// The last position.
    position: String,
    /// When each entry was recorded.
    recorded: Vec<Timestamp>,
}

async fn append(world: &World, register: &str, entry: Value) -> Value {
    let path = format!("/v1/registers/{register}/entries");
    world.post(Who::System, &path, entry).await.expect(201)
}

async fn life(world: &World, register: &str, number: &str) -> Life {
    let issued =
        json!({ "type": "issued", "effective_at": "2026-01-10T00:00:00Z", "body": world.body(number) });
    let made = append(world, register, issued).await;
    let record = made["record"].clone();
    let mut recorded = vec![world.store.clock().now()];
    let mut last = made;
    for (entry_type, effective, body) in [
        ("amended", "2026-02-10", json!({ "valid_until": "2037-01-01" })),
        ("amended", "2026-01-20", json!({ "valid_until": "2036-06-01" })),
        (
            "amended",
            "2027-01-01",
            json!({ "subjects": [{ "role": "holder", "person": world.other_citizen }] }),
        ),
        ("suspended", "2026-03-01", json!({ "reason": "a check" })),
    ] {
        world.clock.advance(60_000);
        let entry = json!({ "record": record, "type": entry_type, "effective_at": format!("{effective}T00:00:00Z"), "body": body });
        last = append(world, register, entry).await;
        recorded.push(world.store.clock().now());
    }
    world.clock.advance(60_000);
    let record = record.as_str().expect("a record").to_owned();
    Life { record, position: last["position"].to_string(), recorded }
}

impl Life {
    async fn at(
        &self,
        world: &World,
        who: Who,
        path: &str,
        recorded: Option<usize>,
        effective: &str,
    ) -> crate::world::Answer {
        let recorded = recorded.map(|at| format!("recorded_at={}", self.recorded[at]));
        let effective = (!effective.is_empty()).then(|| format!("effective_at={effective}"));
        let times: Vec<String> = recorded.into_iter().chain(effective).collect();
        let mark = if path.contains('?') { "&" } else { "?" };
        let url = format!("{path}{mark}{}", times.join("&"));
        let wait = [("wait-for", self.position.as_str())];
        world.send(who, "GET", &url, &wait, None).await
    }
}

#[tokio::test]
async fn a_record_is_as_it_was_known_and_as_it_was_so() {
    for world in World::both().await {
        let life = life(&world, "notices", "A001").await;
        let path = format!("/v1/registers/notices/records/{}", life.record);
        for (recorded, effective, version, status, until) in [
            (None, "", 5, "suspended", "2036-06-01"),
            (Some(0), "", 1, "valid", "2036-01-01"),
            (Some(1), "2026-02-09", 1, "valid", "2036-01-01"),
            (Some(1), "2026-02-10", 2, "valid", "2037-01-01"),
            // Recorded later, having effect earlier: what is folded last is what was recorded last.
            (Some(2), "2026-02-09", 3, "valid", "2036-06-01"),
            (Some(3), "2026-12-31", 3, "valid", "2036-06-01"),
            (Some(4), "2026-02-28", 3, "valid", "2036-06-01"),
            (None, "2026-03-01", 5, "suspended", "2036-06-01"),
        ] {
            let answer = life.at(&world, Who::Official, &path, recorded, effective).await;
            if recorded.is_some() || !effective.is_empty() {
                assert_eq!(answer.header("etag"), "", "a past state is no precondition");
            }
            let found = answer.expect(200);
            let told = (&found["version"], &found["status"], &found["content"]["valid_until"]);
            assert_eq!(told, (&json!(version), &json!(status), &json!(until)), "{recorded:?} {effective}");
            assert_eq!(found["valid_until"], until);
        }
        let march = life.at(&world, Who::Official, &path, Some(3), "2026-03-01").await.expect(200);
        assert_eq!(march["as_of"]["effective_at"], "2026-03-01T23:59:59.999Z");
        assert_eq!(march["as_of"]["recorded_at"], json!(life.recorded[3]));
        assert_eq!((&march["status_title"]["en"], &march["in_force"]), (&json!("Valid"), &json!(true)));
        assert_eq!(march["changed"]["type"], "amended");
        let gone = life.at(&world, Who::Official, &path, None, "2026-01-09").await;
        assert_eq!(gone.problem(404).0, "not-found");
        // The present, asked for as a time, is the present.
        let now = life.at(&world, Who::Official, &path, None, "9999-12-31").await.expect(200);
        let mut present =
            world.send(Who::Official, "GET", &path, &[("wait-for", &life.position)], None).await.expect(200);
        present["as_of"] = now["as_of"].clone();
        assert_eq!(now, present);
        world.end().await;
    }
}

#[tokio::test]
async fn the_future_of_what_is_known_and_what_is_no_time_are_refused() {
    for world in World::both().await {
        let life = life(&world, "open-permits", "A001").await;
        let path = format!("/v1/registers/open-permits/records/{}", life.record);
        for (query, words) in [
            ("recorded_at=2026-06-02", "future"),
            ("recorded_at=2026-06-01T13:00:00Z", "future"),
            ("recorded_at=yesterday", "recorded_at"),
            ("effective_at=2026-02-30", "effective_at"),
            ("effective_at=2026-06-01T13:00:00+03:00", "%2B"),
            ("effective_at=", "effective_at"),
            ("recorded=2026-06-01", "unknown"),
        ] {
            for path in [
                &path,
                &format!("{path}/history"),
                "/v1/registers/open-permits/records",
                "/v1/registers/open-permits",
                "/v1/registers/open-permits/statistics",
            ] {
                let (kind, problem) = world.get(Who::Anyone, &format!("{path}?{query}")).await.problem(400);
                assert_eq!(kind, "invalid-request");
                assert!(
                    problem["detail"].as_str().is_some_and(|detail| detail.contains(words)),
                    "{query}: {problem}"
                );
            }
            for path in ["/v1/account", "/v1/account/records"] {
                world.get(Who::Citizen, &format!("{path}?{query}")).await.problem(400);
            }
        }
        world
            .get(
                Who::Anyone,
                &format!("{path}?recorded_at=2026-06-01&effective_at=2026-06-01T13:00:00%2B03:00"),
            )
            .await
            .expect(200);
        let former = world.get(Who::Citizen, "/v1/account/records?effective_at=2026-06-01&former=true").await;
        assert_eq!(former.problem(400).0, "invalid-request");
        world.end().await;
    }
}

/// Who may see is decided as of now; a person sees the past that concerned them, and nothing that was written afterwards.
#[tokio::test]
async fn a_person_sees_the_past_that_concerned_them() {
    for world in World::both().await {
        let life = life(&world, "notices", "A001").await;
        let path = format!("/v1/registers/notices/records/{}", life.record);
        let mine = format!("/v1/account/records/{}", life.record);
        for (who, recorded, effective, status) in [
            (Who::Citizen, Some(0), "", 200),
            (Who::Citizen, Some(2), "2026-02-28", 200),
            // It passed to another in 2027 by a decision that is known now.
            (Who::Citizen, None, "2027-01-01", 404),
            (Who::Citizen, None, "", 404),
            (Who::OtherCitizen, None, "2027-01-01", 200),
            (Who::OtherCitizen, Some(2), "", 404),
            (Who::OtherCitizen, None, "2026-02-28", 404),
            // The suspension was written when the record had left them, though it says what was so in their time.
            (Who::Citizen, None, "2026-03-01", 404),
            (Who::Citizen, None, "2026-02-28", 200),
        ] {
            let words = format!("{who:?} {recorded:?} {effective}");
            let one = life.at(&world, who, &path, recorded, effective).await;
            assert_eq!(one.status, status, "{words}: {}", one.text());
            if recorded.is_none() && effective.is_empty() {
                continue;
            }
            let other = life.at(&world, who, &mine, recorded, effective).await;
            assert_eq!(other.status, status, "{words}: {}", other.text());
            let list = life.at(&world, who, "/v1/account/records", recorded, effective).await.expect(200);
            assert_eq!(list["items"].as_array().map(Vec::len), Some(usize::from(status == 200)), "{words}");
            if status == 200 {
                assert_eq!(one.json()["content"], other.json()["content"]);
                assert_eq!(list["items"][0]["roles"], json!(["holder"]));
                assert_eq!(list["items"][0]["version"], one.json()["version"]);
            }
        }
        // Office looks are written down.
        let accesses = |who| life.at(&world, who, &path, Some(0), "");
        let before = world.store.position().await.expect("a position");
        accesses(Who::Official).await.expect(200);
        assert_eq!(world.store.position().await.expect("a position"), before + 1);
        assert_eq!(accesses(Who::OtherOfficial).await.status, 404);
        assert_eq!(accesses(Who::Anyone).await.status, 404);
        assert_eq!(world.store.position().await.expect("a position"), before + 1);
        world.end().await;
    }
}

#[tokio::test]
async fn an_account_is_as_it_was() {
    for world in World::both().await {
        let life = life(&world, "notices", "A001").await;
        let account = |who, recorded, effective: &'static str| {
            let (life, world) = (&life, &world);
            async move { life.at(world, who, "/v1/account", recorded, effective).await.expect(200) }
        };
        let then = account(Who::Citizen, Some(1), "2026-02-28").await;
        assert_eq!(then["groups"][0]["registers"][0]["records"], 1);
        assert_eq!(then["groups"][0]["registers"][0]["in_force"], 1);
        assert_eq!(then["items"][0]["valid_until"], "2037-01-01");
        // The profile was recorded today: in February it had no effect yet.
        assert!(then["profile"].is_null());
        let now = account(Who::Citizen, None, "2027-01-01").await;
        assert_eq!((&now["groups"], &now["items"]), (&json!([]), &json!([])));
        assert_eq!(now["profile"]["name"]["family"], "Иванова");
        let later = account(Who::OtherCitizen, None, "2027-01-01").await;
        assert_eq!(later["groups"][0]["registers"][0]["in_force"], 0);
        assert_eq!(later["items"][0]["status"], "suspended");
        let narrowed = |query: &'static str| {
            let (life, world) = (&life, &world);
            async move {
                let page = life
                    .at(world, Who::Citizen, &format!("/v1/account/records?{query}"), Some(1), "2026-02-28")
                    .await;
                page.expect(200)["items"].as_array().map(Vec::len)
            }
        };
        for (query, count) in [
            ("status=valid", 1),
            ("status=suspended", 0),
            ("group=transport&role=holder", 1),
            ("group=family", 0),
            ("in_force=false", 0),
            ("register=notices", 1),
            ("register=permits", 0),
        ] {
            assert_eq!(narrowed(query).await, Some(count), "{query}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_register_is_as_it_was() {
    for world in World::both().await {
        let mut life = life(&world, "open-permits", "A001").await;
        let before =
            life.at(&world, Who::Anyone, "/v1/registers/open-permits", Some(4), "").await.expect(200);
        assert_eq!((&before["size"], &before["version"]), (&json!(5), &json!(1)));
        let checkpoint = world.get(Who::Anyone, "/v1/registers/open-permits/checkpoint").await;
        assert_eq!(checkpoint.text().lines().nth(2), before["root"].as_str());
        let mut definition = crate::world::definition("open-permits", "roads", "public");
        definition["title"]["en"] = json!("Renamed");
        world.registry.define_register(definition).await.expect("it is redefined");
        let last =
            append(&world, "open-permits", json!({ "type": "issued", "body": world.body("A002") })).await;
        life.position = last["position"].to_string();
        world.clock.advance(60_000);
        let then = life.at(&world, Who::Anyone, "/v1/registers/open-permits", Some(4), "").await.expect(200);
        assert_eq!(then, before);
        let half = life.at(&world, Who::Anyone, "/v1/registers/open-permits", Some(1), "").await.expect(200);
        assert_eq!(half["size"], 2);
        assert_ne!(half["root"], before["root"]);
        let now =
            life.at(&world, Who::Anyone, "/v1/registers/open-permits", None, "2026-06-01").await.expect(200);
        assert_eq!(
            (&now["title"]["en"], &now["size"], &now["version"]),
            (&json!("Renamed"), &json!(6), &json!(2))
        );
        // It was not known before the store was made; its records may have effect before that.
        let query = format!("recorded_at={}", NOON.plus_millis(-1));
        for path in ["/v1/registers/open-permits", "/v1/registers/open-permits/statistics"] {
            let answer = world.get(Who::Anyone, &format!("{path}?{query}")).await;
            assert_eq!(answer.problem(404).0, "not-found", "{path}?{query}");
        }
        let statistics = async |recorded, effective| {
            let path = "/v1/registers/open-permits/statistics";
            let counts = life.at(&world, Who::Anyone, path, recorded, effective).await.expect(200);
            counts["by_status"]
                .as_array()
                .expect("counts")
                .iter()
                .map(|c| format!("{} {}", c["code"], c["count"]))
                .collect::<Vec<_>>()
        };
        assert_eq!(statistics(Some(3), "").await, ["\"valid\" 1"]);
        assert_eq!(statistics(Some(4), "").await, ["\"suspended\" 1"]);
        assert_eq!(statistics(Some(4), "2026-02-28").await, ["\"valid\" 1"]);
        assert!(statistics(None, "2025-12-31").await.is_empty());
        assert_eq!(statistics(None, "2026-06-01").await, ["\"suspended\" 1", "\"valid\" 1"]);
        world.end().await;
    }
}

#[tokio::test]
async fn a_register_s_records_are_listed_as_they_were() {
    for world in World::both().await {
        let life = life(&world, "open-permits", "A001").await;
        let other = append(
            &world,
            "open-permits",
            json!({ "type": "issued", "effective_at": "2026-02-01T00:00:00Z", "body": world.body("A002") }),
        )
        .await;
        world.clock.advance(60_000);
        let mut life = life;
        life.position = other["position"].to_string();
        let list = async |query: &str, recorded, effective| {
            let path = format!("/v1/registers/open-permits/records{query}");
            let page = life.at(&world, Who::Anyone, &path, recorded, effective).await.expect(200);
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|item| (item["number"].clone(), item["version"].clone()))
                .collect::<Vec<_>>()
        };
        let row = |number: &str, version: u64| (json!(number), json!(version));
        assert_eq!(list("", None, "2026-02-01").await, [row("A002", 1), row("A001", 3)]);
        assert_eq!(list("", None, "2026-01-31").await, [row("A001", 3)]);
        assert_eq!(list("", Some(4), "").await, [row("A001", 5)]);
        assert_eq!(list("", Some(1), "2026-01-31").await, [row("A001", 1)]);
        assert_eq!(list("", None, "2026-01-09").await, []);
        assert_eq!(list("?status=suspended", None, "2026-03-01").await, [row("A001", 5)]);
        assert_eq!(list("?status=suspended", None, "2026-02-28").await, []);
        assert_eq!(list("?type=issued", Some(1), "2026-01-31").await, [row("A001", 1)]);
        // Page by page.
        let path = "/v1/registers/open-permits/records?limit=1";
        let first = life.at(&world, Who::Anyone, path, None, "2026-02-01").await.expect(200);
        let cursor = first["next"].as_str().expect("there is more");
        let second = life
            .at(&world, Who::Anyone, &format!("{path}&cursor={cursor}"), None, "2026-02-01")
            .await
            .expect(200);
        assert_eq!(
            (&first["items"][0]["number"], &second["items"][0]["number"]),
            (&json!("A002"), &json!("A001"))
        );
        assert!(second["next"].is_null());
        world.end().await;
    }
}

#[tokio::test]
async fn a_history_ends_where_it_is_asked_to() {
    for world in World::both().await {
        let life = life(&world, "notices", "A001").await;
        let path = format!("/v1/registers/notices/records/{}/history", life.record);
        let steps = async |who, path: &str, recorded, effective| {
            let page = life.at(&world, who, path, recorded, effective).await.expect(200);
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|step| step["version"].as_u64())
                .collect::<Option<Vec<_>>>()
        };
        assert_eq!(steps(Who::Official, &path, Some(2), "").await, Some(vec![1, 2, 3]));
        assert_eq!(steps(Who::Official, &path, None, "2026-01-31").await, Some(vec![1, 3]));
        assert_eq!(steps(Who::Official, &path, Some(1), "2026-01-31").await, Some(vec![1]));
        let mine = format!("/v1/account/records/{}/history", life.record);
        assert_eq!(steps(Who::Citizen, &mine, Some(2), "").await, Some(vec![1, 2, 3]));
        let before = format!("{path}?limit=2");
        assert_eq!(steps(Who::Official, &before, Some(4), "2026-03-01").await, Some(vec![1, 2]));
        world.end().await;
    }
}
