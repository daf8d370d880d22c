//! Receipts for people: of any entry that concerns them, for nobody else, and verified with the keys that are served.

use proofs::keyring::Keyring;
use proofs::receipt::{Verdict, examine};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::relatives::{ask, birth, enter, found, head, on, organisation, person, token};
use crate::world::{Answer, Who, World, definition};

fn url(record: &str, version: u64) -> String {
    format!("/v1/account/records/{record}/entries/{version}/receipt")
}

async fn keys(world: &World) -> Keyring {
    let answer = world.get(Who::Anyone, "/v1/keys").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "public, max-age=60"));
    Keyring::parse(&answer.bytes).expect("a keyring")
}

/// A receipt that must be good: what it proves of the entry.
async fn proven(world: &World, answer: &Answer) -> proofs::receipt::Proven {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = examine(&answer.bytes, &keys(world).await, None);
    assert_eq!(found.verdict, Verdict::Verified, "{found:#?}");
    found.proven.expect("it proves something")
}

#[tokio::test]
async fn all_keys_are_served_with_their_terms() {
    for world in World::both().await {
        let served = keys(&world).await;
        assert_eq!(served.log_name, world.store.log_name());
        for register in ["registers", "departments", "notices"] {
            let key = world.get(Who::Anyone, &format!("/v1/registers/{register}/key")).await;
            let keys = served.register(&register.parse().expect("a slug"));
            assert_eq!(keys.len(), 1, "{register}");
            assert_eq!(format!("{}\n", keys[0].vkey), key.text());
            assert_eq!((keys[0].until, keys[0].compromised_since), (None, None));
        }
        let set = world.get(Who::Anyone, "/v1/departments/roads/keys").await.expect(200);
        let kid = set["keys"][0]["kid"].as_str().expect("a kid").parse().expect("a kid");
        let (key, _) = served.department(&"roads".parse().expect("a slug"), &kid).expect("it is served");
        assert!(key.in_force(world.clock_now()));
        world.end().await;
    }
}

#[tokio::test]
async fn each_gets_the_receipts_of_the_entries_that_concern_them() {
    for world in World::both().await {
        let mut body = world.body("A001");
        body["subjects"] = json!([{ "role": "holder", "person": world.other_citizen }]);
        let record = enter(&world, "notices", None, "issued", body).await.appended.record;
        let pass = json!({ "subjects": [{ "role": "holder", "person": world.citizen }] });
        enter(&world, "notices", Some(record), "amended", pass).await;
        enter(&world, "notices", Some(record), "revoked", json!({ "reason": "r" })).await;
        let path = |version| url(&record.to_string(), version);

        let before = world.get(Who::OtherCitizen, &path(1)).await;
        let (kind, name) = (before.header("content-type"), before.header("content-disposition"));
        assert_eq!(kind, "application/json");
        assert_eq!(name, format!("attachment; filename=\"receipt-{record}-1.json\""));
        let first = proven(&world, &before).await;
        assert_eq!((first.version, first.entry_type.as_str(), first.body_shown), (1, "issued", true));
        for version in [2, 3] {
            let after = proven(&world, &world.get(Who::Citizen, &path(version)).await).await;
            assert_eq!((after.record, after.version, after.body_shown), (record, version, true));
            // Whom an entry does not concern is not told that it is there.
            world.get(Who::OtherCitizen, &path(version)).await.problem(404);
        }
        for absent in [path(1), path(0), path(4), url(&Uuid::from_u128(1).to_string(), 1)] {
            assert_eq!(world.get(Who::Citizen, &absent).await.problem(404).0, "not-found", "{absent}");
        }
        // One's own record in `persons` concerns oneself, and a public register's entries are had in the same way.
        proven(&world, &world.get(Who::Citizen, &url(&world.citizen.to_string(), 1)).await).await;
        let open = world.permit("open-permits", "A002").await;
        let open = url(open["record"].as_str().expect("a record"), 1);
        proven(&world, &world.get(Who::Citizen, &open).await).await;
        world.get(Who::OtherCitizen, &open).await.problem(404);
        world.end().await;
    }
}

#[tokio::test]
async fn whoever_acts_for_another_gets_theirs_and_is_seen() {
    for world in World::both().await {
        found(&world).await;
        let child = person(&world, "Иванова", "2010-05-10").await;
        birth(&world, child, world.citizen, "2010-05-10").await;
        let mut body = world.body("C001");
        body["subjects"] = json!([{ "role": "holder", "person": child }]);
        let record = enter(&world, "notices", None, "issued", body).await.appended.record;
        let path = url(&record.to_string(), 1);
        let (mine, whom) = (token(&world, world.citizen), format!("person={child}"));
        let answer = ask(&world, &mine, Some(&whom), "GET", &path, None).await;
        assert_eq!(proven(&world, &answer).await.record, record);
        ask(&world, &mine, None, "GET", &path, None).await.problem(404);
        let stranger = token(&world, world.other_citizen);
        ask(&world, &stranger, Some(&whom), "GET", &path, None).await.problem(403);
        // The child sees that a receipt was taken.
        let theirs = token(&world, child);
        let last = world.store.position().await.expect("a position");
        let seen = format!("/v1/account/accesses?wait_for={last}");
        let seen = ask(&world, &theirs, None, "GET", &seen, None).await.expect(200);
        let by: Vec<&Value> =
            seen["items"].as_array().expect("items").iter().map(|item| &item["endpoint"]).collect();
        assert!(by.contains(&&json!("receipt")), "{seen}");
        on(&world, "2028-05-10");
        let grown = token(&world, world.citizen);
        ask(&world, &grown, Some(&whom), "GET", &path, None).await.problem(403);

        let mut organised = definition("works", "roads", "restricted");
        organised["subjects"][0]["kinds"] = json!(["person", "organisation"]);
        world.registry.define_register(organised).await.expect("it is defined");
        head(&world, world.citizen).await;
        let mut body = world.body("W001");
        body["subjects"] = json!([{ "role": "holder", "organisation": organisation() }]);
        let work = enter(&world, "works", None, "issued", body).await.appended.record;
        let whom = format!("organisation={}", crate::relatives::OGRN);
        let path = url(&work.to_string(), 1);
        let answer = ask(&world, &grown, Some(&whom), "GET", &path, None).await;
        assert_eq!(proven(&world, &answer).await.register.as_str(), "works");
        ask(&world, &grown, None, "GET", &path, None).await.problem(404);
        world.end().await;
    }
}
