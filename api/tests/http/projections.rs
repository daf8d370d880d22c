//! Projections as operators look after them: an entry that one cannot apply is seen, tried again, left out.

use std::time::Duration;

use eventstore::args;
use eventstore::sql::Dialect;
use serde_json::{Value, json};

use crate::authorisation::Case;
use crate::proactive_town::{Town, a_set, on_birth, settle};
use crate::world::{Who, World};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn looks(who: Who) -> u16 {
    match who {
        Who::Operator => 200,
        Who::Anyone => 401,
        _ => 403,
    }
}

/// Nothing stands, so that there is nothing to do.
fn acts(who: Who) -> u16 {
    if who == Who::Operator { 409 } else { looks(who) }
}

/// What this file's endpoints answer to each.
pub fn cases() -> Vec<Case> {
    let url = |end: &str| format!("/v1/projections/view/{end}");
    let skip = json!({ "position": 1, "reason": "it cannot be read" });
    vec![
        Case::get("/v1/projections", "/v1/projections".to_owned(), looks),
        Case::of("POST", "/v1/projections/{projection}/retry", url("retry"), None, acts),
        Case::post("/v1/projections/{projection}/skip", url("skip"), skip, acts),
    ]
}

/// Makes the database refuse the history's row of a suspension, or take it again.
async fn refuse(world: &World, refused: bool) {
    let mut tx = world.store.db().begin().await.expect("a transaction");
    let sql = match (tx.dialect(), refused) {
        (Dialect::Sqlite, true) => {
            "CREATE TRIGGER sick BEFORE INSERT ON history_step WHEN NEW.type = 'suspended'
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
        (Dialect::Sqlite, false) => "DROP TRIGGER sick",
        (Dialect::Postgres, true) => {
            "ALTER TABLE history_step ADD CONSTRAINT sick CHECK (type <> 'suspended') NOT VALID"
        }
        (Dialect::Postgres, false) => "ALTER TABLE history_step DROP CONSTRAINT sick",
    };
    tx.execute(sql, args![]).await.expect("it is done");
    tx.commit().await.expect("it is done");
}

async fn suspended(world: &World, number: &str) -> Value {
    let entry = world.permit("open-permits", number).await;
    let suspend = json!({ "record": entry["record"], "type": "suspended", "body": { "reason": "a check" } });
    world.post(Who::System, "/v1/registers/open-permits/entries", suspend).await.expect(201)
}

async fn until(holds: impl AsyncFn() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it comes to hold");
}

async fn history(world: &World) -> Value {
    let list = world.get(Who::Operator, "/v1/projections").await.expect(200);
    let items = list["items"].as_array().expect("items");
    items.iter().find(|item| item["projection"] == "history").expect("it is listed").clone()
}

async fn stands(world: &World) -> bool {
    history(world).await["pauses"].as_array().is_some_and(|pauses| !pauses.is_empty())
}

#[tokio::test]
async fn an_entry_that_cannot_be_applied_is_seen_and_tried_again() {
    for world in World::both().await {
        refuse(&world, true).await;
        let sick = suspended(&world, "A001").await;
        until(async || stands(&world).await).await;
        let shown = history(&world).await;
        let pause = &shown["pauses"][0];
        assert_eq!((&pause["position"], &pause["live"]), (&sick["position"], &json!(true)));
        assert_eq!((&pause["register"], &pause["index"]), (&json!("open-permits"), &json!(1)));
        assert_eq!((&pause["type"], &pause["record"]), (&json!("suspended"), &sick["record"]));
        assert!(shown["lag"].as_u64() >= Some(1) && !pause.to_string().contains("A001"), "{pause}");

        // One projection stands, the others and the server go on.
        let path =
            format!("/v1/registers/open-permits/records/{}", sick["record"].as_str().expect("a record"));
        let wait = sick["position"].to_string();
        let record = world.send(Who::Anyone, "GET", &path, &[("wait-for", &wait)], None).await.expect(200);
        assert_eq!(record["status"], "suspended");
        let ready = world.get(Who::Anyone, "/health/ready").await.expect(200);
        assert_eq!(ready["paused"], json!([{ "projection": "history", "position": sick["position"] }]));
        let metrics = world.get(Who::Anyone, "/metrics").await;
        for (name, value) in [("history", 1), ("view", 0)] {
            let line = format!("reestr_projection_paused{{projection=\"{name}\"}} {value}");
            assert!(metrics.text().contains(&line), "{line}");
        }

        // Tried again while it is sick, it stands; mended, it goes on.
        world.send(Who::Operator, "POST", "/v1/projections/history/retry", &[], None).await.expect(202);
        until(async || history(&world).await["pauses"][0]["tries"].as_u64() >= Some(2)).await;
        refuse(&world, false).await;
        world.send(Who::Operator, "POST", "/v1/projections/history/retry", &[], None).await.expect(202);
        until(async || !stands(&world).await).await;
        let again = world.send(Who::Operator, "POST", "/v1/projections/history/retry", &[], None).await;
        assert_eq!(again.problem(409).0, "state-conflict");
        world.end().await;
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_applied_is_left_out() {
    for world in World::both().await {
        refuse(&world, true).await;
        let sick = suspended(&world, "A002").await;
        until(async || stands(&world).await).await;
        let position = sick["position"].as_u64().expect("a position");
        let skip = async |position: u64, reason: &str| {
            let body = json!({ "position": position, "reason": reason });
            world.post(Who::Operator, "/v1/projections/history/skip", body).await
        };
        let (kind, problem) = skip(position - 1, "it cannot be read").await.problem(409);
        assert_eq!(kind, "state-conflict");
        assert!(problem["detail"].as_str().is_some_and(|words| words.contains(&position.to_string())));
        assert_eq!(skip(position, "").await.problem(422).0, "invalid-entry");
        let skipped = skip(position, "the row is refused").await.expect(201);
        until(async || history(&world).await["position"].as_u64() >= skipped["position"].as_u64()).await;
        assert_eq!(history(&world).await["skips"], 1);
        assert_eq!(skip(position, "the row is refused").await.problem(409).0, "state-conflict");
        let told = world.get(Who::Anyone, "/v1/registers/interventions/entries").await.expect(200);
        let body = &told["items"][0]["body"];
        assert_eq!((&body["projection"], &body["position"]), (&json!("history"), &sick["position"]));
        assert_eq!(
            (&body["register"], &body["reason"]),
            (&json!("open-permits"), &json!("the row is refused"))
        );

        // What is told of the record is told without it.
        let path = format!(
            "/v1/registers/open-permits/records/{}/history",
            sick["record"].as_str().expect("a record")
        );
        let steps = world.get(Who::Anyone, &path).await.expect(200);
        assert_eq!(steps["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(world.get(Who::Anyone, "/health/ready").await.expect(200)["status"], "ok");
        for unknown in ["retry", "skip"] {
            let body = json!({ "position": 1, "reason": "none" });
            let path = format!("/v1/projections/nothing/{unknown}");
            let answer = world.send(Who::Operator, "POST", &path, &[], Some(body)).await;
            assert_eq!(answer.problem(404).0, "not-found");
        }
        refuse(&world, false).await;
        world.end().await;
    }
}

/// Rules are in force and a cause is there: projections made again, and compared, propose nothing, nor does the engine after.
#[tokio::test]
async fn a_rebuild_makes_rows_and_no_entry() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-set", a_set())).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        assert_eq!(town.offers(mother).await.len(), 1);
        let store = town.world.store.clone();
        let before = store.position().await.expect("a position");
        for projector in projections::projectors() {
            let name = projector.name();
            let checked = projections::check(&store, name, |_| {}).await.expect("it is compared");
            assert_eq!((checked.digest, checked.difference), (checked.live, None), "{name}");
            assert!(
                projections::rebuild(&store, name, |_| {}).await.expect("it is made again").equal(),
                "{name}"
            );
        }
        settle(&mut town.engine()).await;
        assert_eq!(store.position().await.expect("a position"), before);
        assert_eq!(town.offers(mother).await.len(), 1);
        town.end().await;
    }
}
