//! Two servers on one store: what one writes, the other goes by.

use std::sync::Arc;

use api::registry::{Actor, AppendRequest, EntryRequest, Reason, Registry};
use eventstore::testing::ManualClock;
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::statement::Statement;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Database;
use crate::world::{NOON, appoint, definition, dismiss, found, platform_registers};

struct Two {
    here: Registry,
    there: Registry,
    _database: Database,
}

impl Two {
    async fn both() -> Vec<Self> {
        let mut pairs = Vec::new();
        for database in Database::both().await {
            let clock = Arc::new(ManualClock::new(NOON));
            let (one, other) = (database.open(&clock, 1).await, database.open(&clock, 2).await);
            // Both find the store empty, at once.
            let (here, there) = tokio::join!(found(&one), found(&other));
            let person = json!({ "name": { "family": "Иванова", "given": "А" }, "birth_date": "1990-01-01", "sex": "female" });
            let opened = ours("persons", "platform", Some(PERSON), "opened", person);
            here.append(opened).await.expect("the person is there");
            pairs.push(Self { here, there, _database: database });
        }
        pairs
    }

    async fn end(self) {
        self.here.store().close().await;
        self.there.store().close().await;
    }
}

/// The person whom the permits are about.
const PERSON: Uuid = Uuid::from_u128(1);

fn body() -> Value {
    json!({ "number": "A001", "valid_from": "2026-01-01", "subjects": [{ "role": "holder", "person": PERSON }] })
}

fn ours(
    register: &str,
    department: &str,
    record: Option<Uuid>,
    entry_type: &str,
    body: Value,
) -> AppendRequest {
    let entry_type = entry_type.parse().expect("a type");
    let entry = EntryRequest::Platform { record, version: None, entry_type, effective_at: None, body };
    request(register, department, entry)
}

fn request(register: &str, department: &str, entry: EntryRequest) -> AppendRequest {
    let by = Actor::local(department.parse().expect("a slug"));
    AppendRequest::new(register.parse().expect("a slug"), by, vec![entry])
}

#[tokio::test]
async fn servers_that_start_at_once_write_one_root_of_trust() {
    for two in Box::pin(Two::both()).await {
        let knowledge = two.here.refresh().await.expect("it is read");
        assert_eq!(knowledge.departments.iter().count(), 3);
        // The two that are made with the store, those that the engine keeps, and those of the two departments.
        assert_eq!(knowledge.definitions.iter().count(), 2 + platform_registers().len() + 4);
        let twice = knowledge.definitions.iter().filter(|in_force| in_force.version != 1).count();
        assert_eq!(twice, 0, "a register was defined by both");
        // Both sign with keys that are in force, whichever made them.
        two.here.append(ours("permits", "roads", None, "issued", body())).await.expect("it is appended");
        let second = two.there.append(ours("permits", "roads", None, "issued", body())).await;
        assert!(matches!(second.map_err(|refusal| refusal.reason), Err(Reason::Number)));
        two.end().await;
    }
}

#[tokio::test]
async fn a_key_revoked_here_signs_no_more_there() {
    for two in Box::pin(Two::both()).await {
        let key = PrivateKey::from_seed(&[9; 32]);
        let roads = "roads".parse().expect("a slug");
        let record =
            two.here.refresh().await.expect("it is read").departments.get(&roads).map(|state| state.record);
        let enrol =
            ours("departments", "platform", record, "key-enrolled", json!({ "key": key.public().jwk() }));
        two.here.append(enrol).await.expect("it is enrolled");
        let signed = |version: u64, entry_type: &str, body: Value| {
            let salt = Salt([1; 16]);
            let canonical = proofs::jcs::canonical(&body).expect("canonical");
            let statement = Statement {
                register: "permits".parse().expect("a slug"),
                record: Uuid::from_u128(5),
                version,
                entry_type: entry_type.parse().expect("a type"),
                effective_at: NOON,
                issuer: "roads".parse().expect("a slug"),
                body: digest(&salt, &canonical),
            };
            let statement = statement.sign(&key).as_str().to_owned();
            request("permits", "roads", EntryRequest::Signed { statement, body, salt })
        };
        // The other server has not heard of the key yet, and asks the journal.
        two.there.append(signed(1, "issued", body())).await.expect("it is appended");
        let revoke = json!({ "kid": key.kid(), "reason": "lost" });
        two.here
            .append(ours("departments", "platform", record, "key-revoked", revoke))
            .await
            .expect("it is revoked");
        // Nor of the revocation: the append transaction finds it.
        let late = two.there.append(signed(2, "suspended", json!({ "reason": "a check" }))).await;
        assert!(matches!(late.map_err(|refusal| refusal.reason), Err(Reason::KeyNotInForce { .. })));
        two.end().await;
    }
}

#[tokio::test]
async fn a_register_redefined_here_is_judged_so_there() {
    for two in Box::pin(Two::both()).await {
        let mut narrower = definition("permits", "roads", "status-public");
        narrower["number"]["pattern"] = json!("^B[0-9]{3}$");
        narrower["number"]["example"] = json!("B123");
        two.here.define_register(narrower).await.expect("it is redefined");
        let old = two.there.append(ours("permits", "roads", None, "issued", body())).await;
        assert!(matches!(old.map_err(|refusal| refusal.reason), Err(Reason::Rule(_))));
        two.end().await;
    }
}

/// What a server does every half second, and at once for someone whom it does not know to be in office.
#[tokio::test]
async fn a_dismissal_here_is_known_there_when_it_looks() {
    for two in Box::pin(Two::both()).await {
        let roads = "roads".parse().expect("a slug");
        let known = async || {
            let knowledge = two.there.refresh().await.expect("it is read");
            knowledge.departments.in_office(&roads, PERSON)
        };
        appoint(&two.here, "roads", PERSON).await;
        assert!(two.here.knowledge().departments.in_office(&roads, PERSON), "at once where it was appended");
        assert!(known().await);
        dismiss(&two.here, "roads", PERSON).await;
        assert!(!two.here.knowledge().departments.in_office(&roads, PERSON), "at once where it was appended");
        assert!(!known().await);
        two.end().await;
    }
}
