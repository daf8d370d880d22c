//! Keys of registers and departments come, go and are declared compromised, by entries like any other.

use std::sync::Arc;

use api::registry::{Actor, AppendRequest, Bootstrap, Change, EntryRequest, Reason, Registry};
use eventstore::testing::ManualClock;
use proofs::checkpoint;
use proofs::note::{NoteError, SignedNote, VerifierKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Database;
use crate::world::{Answer, NOON, Who, World, fixture};

const REGISTERS: &str = "/v1/registers/registers/entries";
const DEPARTMENTS: &str = "/v1/registers/departments/entries";

async fn key(world: &World, register: &str) -> VerifierKey {
    let answer = world.get(Who::Anyone, &format!("/v1/registers/{register}/key")).await;
    answer.text().trim_end().parse().expect("a verifier key")
}

/// The checkpoint of a register as each of these keys signed it; no other line is in it.
async fn signed(world: &World, register: &str, keys: &[&VerifierKey]) -> Vec<u64> {
    let answer = world.get(Who::Anyone, &format!("/v1/registers/{register}/checkpoint")).await;
    let note = SignedNote::parse(answer.text()).expect("a note");
    let ids: Vec<u32> = note.signatures().iter().map(|line| line.id).collect();
    assert_eq!(ids, keys.iter().map(|key| key.id()).collect::<Vec<_>>(), "{register}");
    let size = |key: &&VerifierKey| checkpoint::open(answer.text(), key).expect("it is signed").size;
    keys.iter().map(size).collect()
}

fn record(world: &World, register: &str) -> Uuid {
    let slug = register.parse().expect("a slug");
    world.registry.knowledge().definitions.current(&slug).expect("it is defined").record
}

async fn about(world: &World, register: &str, entry_type: &str, body: Value) -> Answer {
    let entry = json!({ "record": record(world, register), "type": entry_type, "body": body });
    world.post(Who::Operator, REGISTERS, entry).await
}

#[tokio::test]
async fn a_registers_key_is_added_and_the_old_one_retired() {
    for world in World::both().await {
        // The register of registers, and that of departments, as any other.
        for register in ["permits", "registers", "departments"] {
            let first = key(&world, register).await;
            let before = signed(&world, register, &[&first]).await[0];
            let own = u64::from(register == "registers");
            about(&world, register, "key-added", json!({})).await.expect(201);
            let second = key(&world, register).await;
            assert_ne!(second, first);
            assert_eq!(signed(&world, register, &[&second, &first]).await, [before + own; 2]);
            let shown = world.get(Who::Anyone, &format!("/v1/registers/{register}")).await.expect(200);
            assert_eq!(shown["key"], second.to_string());
            about(&world, register, "key-retired", json!({ "key": first.to_string(), "reason": "a year" }))
                .await
                .expect(201);
            assert_eq!(signed(&world, register, &[&second]).await, [before + 2 * own]);
            assert_eq!(key(&world, register).await, second);
        }
        world.permit("permits", "A001").await;
        signed(&world, "permits", &[&key(&world, "permits").await]).await;
        world.end().await;
    }
}

#[tokio::test]
async fn what_would_leave_a_register_unsigned_is_refused_with_its_place() {
    for world in World::both().await {
        let first = key(&world, "permits").await;
        let named = |key: &VerifierKey| json!({ "key": key.to_string() });
        let last = about(&world, "permits", "key-retired", named(&first)).await;
        let (kind, problem) = last.problem(409);
        assert_eq!(
            (kind.as_str(), &problem["errors"][0]["pointer"]),
            ("state-conflict", &json!("/body/key"))
        );
        let stranger = VerifierKey::new(first.name(), first.key_type(), *key(&world, "felling").await.key())
            .expect("a name");
        for (key, status) in [(stranger, 422), (key(&world, "felling").await, 422), (first.clone(), 409)] {
            let answer = about(&world, "permits", "key-added", named(&key)).await;
            let (_, problem) = answer.problem(status);
            assert_eq!(problem["errors"][0]["pointer"], "/body/key", "{problem}");
        }
        about(&world, "permits", "key-added", json!({})).await.expect(201);
        for since in ["2026-06-01T12:00:00.001Z", "2020-01-01T00:00:00.000Z", "yesterday"] {
            let body = json!({ "key": first.to_string(), "since": since });
            let (_, problem) = about(&world, "permits", "key-compromised", body).await.problem(422);
            assert_eq!(problem["errors"][0]["pointer"], "/body/since", "{problem}");
        }
        let body = json!({ "key": first.to_string(), "since": NOON.to_string() });
        about(&world, "permits", "key-compromised", body).await.expect(201);
        let second = key(&world, "permits").await;
        signed(&world, "permits", &[&second]).await;
        let old = world.get(Who::Anyone, "/v1/registers/permits/checkpoint").await;
        assert_eq!(checkpoint::open(old.text(), &first), Err(NoteError::NotSigned.into()));
        world.end().await;
    }
}

#[tokio::test]
async fn a_department_gets_a_key_and_loses_one() {
    for world in World::both().await {
        let keys = async || -> Vec<String> {
            let set = world.get(Who::Anyone, "/v1/departments/roads/keys").await.expect(200);
            let keys = set["keys"].as_array().expect("keys").iter();
            keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
        };
        let roads = "roads".parse().expect("a slug");
        let state = world.registry.knowledge().departments.get(&roads).expect("it is there").clone();
        let post = async |entry_type: &str, body: Value| {
            let entry = json!({ "record": state.record, "type": entry_type, "body": body });
            world.post(Who::Operator, DEPARTMENTS, entry).await
        };
        let first = keys().await.remove(0);
        post("key-enrolled", json!({})).await.expect(201);
        let both = keys().await;
        assert_eq!((both.len(), &both[0]), (2, &first));
        // The platform signs with the new one at once.
        let entry = world.permit("permits", "A001").await;
        let permit = entry["record"].as_str().expect("a record").parse().expect("a UUID");
        let stored = world.store.read_record(permit).await.expect("it is read");
        assert_eq!(stored[0].statement.kid().as_str(), both[1]);
        let (_, problem) =
            post("key-compromised", json!({ "kid": first, "since": "2020-01-01T00:00:00.000Z" }))
                .await
                .problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/body/since");
        let since = json!({ "kid": first, "since": NOON.to_string() });
        post("key-compromised", since.clone()).await.expect(201);
        assert_eq!(keys().await, [both[1].clone()]);
        let (_, problem) = post("key-compromised", since).await.problem(409);
        assert_eq!(problem["errors"][0]["pointer"], "/body/since");
        world.end().await;
    }
}

/// A request of the platform about a register.
fn ask(registry: &Registry, register: &str, entry_type: &str, body: Value) -> AppendRequest {
    let slug = register.parse().expect("a slug");
    let record = registry.knowledge().definitions.current(&slug).map(|current| current.record);
    let entry_type = entry_type.parse().expect("a type");
    let entry = EntryRequest::Platform { record, version: None, entry_type, effective_at: None, body };
    let by = Actor::local("platform".parse().expect("a slug"));
    AppendRequest::new("registers".parse().expect("a slug"), by, vec![entry])
}

#[tokio::test]
async fn a_rotation_here_is_gone_by_there() {
    for world in World::both().await {
        let there = Registry::open(world.again(11).await).await.expect("the registry opens");
        let permits = "permits".parse().expect("a slug");
        let before = there.store().log(&permits).await.expect("it is read").expect("a log");
        about(&world, "permits", "key-added", json!({})).await.expect(201);
        let second = key(&world, "permits").await;
        // It has not heard of the new key, and redefines under the newest all the same.
        let mut narrower = crate::world::definition("permits", "roads", "restricted");
        narrower["title"]["en"] = json!("Permits");
        there.define_register(narrower).await.expect("it is redefined");
        let old = before.key.to_string();
        there
            .append(ask(&there, "permits", "key-retired", json!({ "key": old })))
            .await
            .expect("it is retired");
        let again = world
            .registry
            .append(ask(&world.registry, "permits", "key-retired", json!({ "key": old })))
            .await;
        assert!(matches!(again.map_err(|refusal| refusal.reason), Err(Reason::Rule(_))));
        world.permit("permits", "A001").await;
        assert_eq!(signed(&world, "permits", &[&second]).await, [1]);
        // Two that add a key at once: each key that is in force signs.
        let (one, other) = tokio::join!(
            there.append(ask(&there, "permits", "key-added", json!({}))),
            world.registry.append(ask(&world.registry, "permits", "key-added", json!({}))),
        );
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        let knowledge = world.registry.refresh().await.expect("it is read");
        signed(&world, "permits", &knowledge.definitions.keys_now(&permits)).await;
        there.store().close().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_key_made_before_a_crash_is_the_next_one() {
    for world in World::both().await {
        let made = world.store.new_key("permits", eventstore::CHECKPOINT).await.expect("a key").public();
        about(&world, "permits", "key-added", json!({})).await.expect(201);
        assert_eq!(*key(&world, "permits").await.key(), made);
        about(&world, "permits", "key-added", json!({})).await.expect(201);
        assert_ne!(*key(&world, "permits").await.key(), made);
        world.end().await;
    }
}

#[tokio::test]
async fn an_idempotent_rotation_is_made_once() {
    for world in World::both().await {
        let entry = json!({ "record": record(&world, "permits"), "type": "key-added", "body": {} });
        let headers = [("idempotency-key", "rotation-1")];
        let send = async || world.send(Who::Operator, "POST", REGISTERS, &headers, Some(entry.clone())).await;
        let first = send().await.expect(201);
        let key_then = key(&world, "permits").await;
        let second = send().await;
        assert_eq!(second.json()["index"], first["index"]);
        assert_eq!(key(&world, "permits").await, key_then);
        world.end().await;
    }
}

/// A definition as a version recorded it that knew nothing of keys.
fn older(name: &str) -> Value {
    let mut document = fixture(name);
    let types = document["types"].as_array_mut().expect("types");
    types.retain(|rule| {
        !["key-added", "key-retired", "key-compromised"].contains(&rule["type"].as_str().expect("a name"))
    });
    document
}

#[tokio::test]
async fn a_store_of_an_older_version_gets_the_new_types_once() {
    for database in Database::both().await {
        let clock = Arc::new(ManualClock::new(NOON));
        let [one, other] = [database.open(&clock, 1).await, database.open(&clock, 2).await];
        let here = Registry::open(one).await.expect("the registry opens");
        let roots = Bootstrap {
            platform: fixture("departments/platform"),
            registers: older("registers/registers"),
            departments: older("registers/departments"),
        };
        here.bootstrap(&roots).await.expect("the root of trust is written");
        let refused = here.append(ask(&here, "departments", "key-added", json!({}))).await;
        assert!(matches!(refused.map_err(|refusal| refusal.reason), Err(Reason::Rule(_))));
        let there = Registry::open(other).await.expect("the registry opens");
        for name in ["registers", "departments"] {
            let document = fixture(&format!("registers/{name}"));
            let (first, second) =
                tokio::join!(here.supplement_register(&document), there.supplement_register(&document));
            let changes = [first.expect("no refusal"), second.expect("no refusal")];
            let appended = changes.iter().filter(|change| matches!(change, Change::Appended(_))).count();
            assert_eq!(appended, 1, "{name}");
            assert!(matches!(there.supplement_register(&document).await, Ok(Change::None)));
        }
        here.append(ask(&here, "departments", "key-added", json!({}))).await.expect("the type is known now");
        here.store().close().await;
        there.store().close().await;
    }
}

/// Whoever asks for the key gets one that verifies what is shown, though witnesses have not seen the newest yet.
#[tokio::test]
async fn a_new_key_is_given_with_the_first_checkpoint_that_shows_it() {
    for world in World::both_witnessed().await {
        let permits = "permits".parse().expect("a slug");
        let publish = async || {
            let log = world.store.log(&permits).await.expect("it is read").expect("a log");
            let note = SignedNote::parse(&log.checkpoint).expect("a note");
            assert!(world.store.publish(&permits, &note, 0).await.expect("it is published"));
        };
        publish().await;
        let first = key(&world, "permits").await;
        signed(&world, "permits", &[&first]).await;
        about(&world, "permits", "key-added", json!({})).await.expect(201);
        assert_eq!(key(&world, "permits").await, first);
        signed(&world, "permits", &[&first]).await;
        publish().await;
        let second = key(&world, "permits").await;
        assert_ne!(second, first);
        signed(&world, "permits", &[&second, &first]).await;
        about(&world, "permits", "key-retired", json!({ "key": first.to_string() })).await.expect(201);
        assert_eq!(key(&world, "permits").await, second);
        world.end().await;
    }
}
