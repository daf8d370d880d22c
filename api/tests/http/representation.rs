//! Acting for another: parents, attorneys, heads of organisations; on both stores.

use serde_json::{Value, json};

use crate::authorisation::Case;
use crate::relatives::{OGRN, ask, birth, court, enter, found, head, on, organisation, person, power, token};
use crate::world::{Who, World};

/// A permit of the register `notices` (restricted, group transport) whose holder is a person.
async fn notice(world: &World, number: &str, person: uuid::Uuid) -> String {
    let mut body = world.body(number);
    body["subjects"] = json!([{"role": "holder", "person": person}]);
    enter(world, "notices", None, "issued", body).await.appended.record.to_string()
}

fn records(document: &Value) -> Vec<&str> {
    document["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["record"].as_str().expect("a record"))
        .collect()
}

#[tokio::test]
async fn a_parent_reads_a_childs_account_until_majority_or_a_court() {
    for world in World::both().await {
        found(&world).await;
        let child = person(&world, "Иванова", "2010-05-10").await;
        let (mother, stranger) = (world.citizen, world.other_citizen);
        let certificate = birth(&world, child, mother, "2010-05-10").await;
        let notice = notice(&world, "C001", child).await;
        let whom = format!("person={child}");
        let mine = token(&world, mother);

        let represented = ask(&world, &mine, None, "GET", "/v1/account/represented", None).await.expect(200);
        let item = &represented["items"][0];
        assert_eq!((&item["as"], &item["until"]), (&json!("parent"), &json!("2028-05-09")));
        assert_eq!((&item["on_behalf_of"], &item["name"]), (&json!(whom), &json!("Иванова А")));
        assert_eq!((&item["record"], &item["scope"]["everything"]), (&json!(certificate), &json!(true)));
        assert_eq!(represented["items"].as_array().expect("items").len(), 1);

        let account = ask(&world, &mine, Some(&whom), "GET", "/v1/account", None).await.expect(200);
        assert_eq!(
            (&account["person"], &account["profile"]["name"]["family"]),
            (&json!(child), &json!("Иванова"))
        );
        assert!(records(&account).contains(&notice.as_str()));
        let one = format!("/v1/account/records/{notice}");
        let shown = ask(&world, &mine, Some(&whom), "GET", &one, None).await.expect(200);
        assert_eq!(shown["content"]["number"], "C001");
        ask(&world, &mine, Some(&whom), "GET", &format!("{one}/history"), None).await.expect(200);
        // For herself it is nothing, and for a stranger there is nothing to be had.
        ask(&world, &mine, None, "GET", &one, None).await.expect(404);
        let others = token(&world, stranger);
        let (kind, _) = ask(&world, &others, Some(&whom), "GET", &one, None).await.problem(403);
        assert_eq!(kind, "forbidden");
        let nobody = format!("person={}", uuid::Uuid::from_u128(9));
        ask(&world, &mine, Some(&nobody), "GET", "/v1/account", None).await.problem(403);

        // The next request after the court's decision is refused, without a wait for any projection.
        let decision = court(&world, mother, child, "deprived", "2026-05-01").await;
        ask(&world, &mine, Some(&whom), "GET", &one, None).await.problem(403);
        let back = json!({"decision": {"court": "Суд", "number": "2-2/2026", "date": "2026-06-01"}, "effective_on": "2026-06-01"});
        enter(&world, "parental-rights", Some(decision), "restored", back).await;
        ask(&world, &mine, Some(&whom), "GET", &one, None).await.expect(200);

        on(&world, "2028-05-09");
        ask(&world, &token(&world, mother), Some(&whom), "GET", &one, None).await.expect(200);
        on(&world, "2028-05-10");
        ask(&world, &token(&world, mother), Some(&whom), "GET", &one, None).await.problem(403);
        world.end().await;
    }
}

#[tokio::test]
async fn a_power_opens_its_scope_and_no_more() {
    for world in World::both().await {
        found(&world).await;
        let (principal, representative) = (world.citizen, world.other_citizen);
        let notice = notice(&world, "D001", principal).await;
        let open = enter(&world, "open-permits", None, "issued", world.body("D002")).await.appended.record;
        let scope = json!({"registers": ["notices"], "actions": ["read"]});
        let record = power(&world, principal, representative, &scope, "2026-12-31").await;
        let whom = format!("person={principal}");
        let mine = token(&world, representative);

        let account = ask(&world, &mine, Some(&whom), "GET", "/v1/account", None).await.expect(200);
        assert_eq!(records(&account), [notice.as_str()], "only what the power is for");
        assert_eq!(
            (&account["profile"], account["groups"].as_array().expect("groups").len()),
            (&Value::Null, 1)
        );
        let listed =
            ask(&world, &mine, Some(&whom), "GET", "/v1/account/records?former=true", None).await.expect(200);
        assert_eq!(records(&listed), [notice.as_str()]);
        for end in ["", "/history"] {
            let url = |record: &str| format!("/v1/account/records/{record}{end}");
            ask(&world, &mine, Some(&whom), "GET", &url(&notice), None).await.expect(200);
            ask(&world, &mine, Some(&whom), "GET", &url(&open.to_string()), None).await.expect(404);
        }
        let own = token(&world, principal);
        assert_eq!(records(&ask(&world, &own, None, "GET", "/v1/account", None).await.expect(200)).len(), 3);

        enter(&world, "powers-of-attorney", Some(record), "revoked", json!({"ended_on": "2026-06-01"})).await;
        ask(&world, &mine, Some(&whom), "GET", "/v1/account", None).await.problem(403);
        world.end().await;
    }
}

#[tokio::test]
async fn each_access_names_the_power_by_which_it_was() {
    for world in World::both().await {
        found(&world).await;
        let (principal, representative) = (world.citizen, world.other_citizen);
        let mut expected = Vec::new();
        for (register, number) in [("notices", "E001"), ("permits", "E002")] {
            let record = enter(&world, register, None, "issued", world.body(number)).await.appended.record;
            let scope = json!({"registers": [register], "actions": ["read"]});
            let body = json!({"number": format!("77/1-н/77-2026-1-{}", number.trim_start_matches('E')), "scope": scope,
                "notary": {"name": "Н", "district": "М"}, "valid_from": "2026-01-01",
                "subjects": [{"role": "principal", "person": principal}, {"role": "representative", "person": representative}]});
            let power = enter(&world, "powers-of-attorney", None, "certified", body).await.appended.record;
            expected.push((power.to_string(), json!([{"register": register, "record": record}])));
        }
        let (mine, whom) = (token(&world, representative), format!("person={principal}"));
        let account = ask(&world, &mine, Some(&whom), "GET", "/v1/account", None).await.expect(200);
        assert_eq!(records(&account).len(), 2);
        let accesses =
            world.store.read_register(&"accesses".parse().expect("a slug"), 0, 10).await.expect("read");
        let mut found = Vec::new();
        for access in accesses {
            let body: Value = serde_json::from_slice(access.body.as_ref().expect("a body")).expect("JSON");
            assert_eq!(body["by"], json!({"role": "representative", "person": representative}));
            let power = body["grounds"]["record"].as_str().expect("a power").to_owned();
            found.push((power, body["records"].clone()));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(found, expected);
        world.end().await;
    }
}

#[tokio::test]
async fn an_organisation_has_an_account_that_its_head_reads() {
    for world in World::both().await {
        found(&world).await;
        let mut definition = crate::world::definition("works", "roads", "restricted");
        definition["subjects"][0]["kinds"] = json!(["person", "organisation"]);
        world.registry.define_register(definition).await.expect("the register is defined");
        let mut body = world.body("W001");
        body["subjects"] = json!([{"role": "holder", "organisation": organisation()}]);
        let work = enter(&world, "works", None, "issued", body).await.appended.record;
        let whom = format!("organisation={OGRN}");
        let mine = token(&world, world.citizen);
        ask(&world, &mine, Some(&whom), "GET", "/v1/account", None).await.problem(403);

        let office = head(&world, world.citizen).await;
        let account = ask(&world, &mine, Some(&whom), "GET", "/v1/account", None).await.expect(200);
        assert_eq!((&account["organisation"], &account["person"]), (&json!(OGRN), &Value::Null));
        assert_eq!(records(&account), [office.to_string(), work.to_string()]);
        let one = format!("/v1/account/records/{work}");
        let shown = ask(&world, &mine, Some(&whom), "GET", &one, None).await.expect(200);
        assert_eq!((&shown["content"]["number"], &shown["roles"]), (&json!("W001"), &json!(["holder"])));
        // And as of a time: then, and not before it had effect.
        let then = format!("{one}?effective_at=2026-12-31");
        assert_eq!(
            ask(&world, &mine, Some(&whom), "GET", &then, None).await.expect(200)["content"],
            shown["content"]
        );
        let then = "/v1/account?effective_at=2026-12-31";
        let past = ask(&world, &mine, Some(&whom), "GET", then, None).await.expect(200);
        assert_eq!((&past["items"], &past["groups"]), (&account["items"], &account["groups"]));
        let before = format!("{one}?effective_at=2026-01-01");
        assert_eq!(ask(&world, &mine, Some(&whom), "GET", &before, None).await.problem(404).0, "not-found");
        ask(&world, &mine, Some(&whom), "GET", &format!("{one}/history"), None).await.expect(200);
        ask(&world, &mine, None, "GET", &one, None).await.expect(404);
        let represented = ask(&world, &mine, None, "GET", "/v1/account/represented", None).await.expect(200);
        let item = &represented["items"][0];
        assert_eq!(
            (&item["as"], &item["name"], &item["until"]),
            (&json!("head"), &json!("ООО «Ромашка»"), &Value::Null)
        );

        // It no longer concerns the organisation.
        enter(
            &world,
            "works",
            Some(work),
            "amended",
            json!({"subjects": [{"role": "holder", "person": world.citizen}]}),
        )
        .await;
        let shown =
            ask(&world, &mine, Some(&whom), "GET", &format!("{one}?wait_for=0"), None).await.expect(200);
        assert_eq!(shown["content"], Value::Null);
        enter(
            &world,
            "organisation-representatives",
            Some(office),
            "ended",
            json!({"ended_on": "2026-06-01"}),
        )
        .await;
        ask(&world, &mine, Some(&whom), "GET", &one, None).await.problem(403);
        world.end().await;
    }
}

#[tokio::test]
async fn the_header_is_read_strictly_and_means_nothing_for_oneself() {
    for world in World::both().await {
        let mine = token(&world, world.citizen);
        for bad in ["", "person=1", "organisation=1", "someone", "person"] {
            let (kind, _) = ask(&world, &mine, Some(bad), "GET", "/v1/account", None).await.problem(400);
            assert_eq!(kind, "invalid-request", "{bad}");
        }
        let oneself = format!("person={}", world.citizen);
        ask(&world, &mine, Some(&oneself), "GET", "/v1/account", None).await.expect(200);
        // In office one acts for a department, and for nobody else.
        let answer =
            world.send(Who::Official, "GET", "/v1/account", &[("on-behalf-of", &oneself)], None).await;
        answer.problem(403);
        world.end().await;
    }
}

/// Who may ask for whom they act.
pub fn cases() -> Vec<Case> {
    let own = |who| match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    vec![Case::get("/v1/account/represented", "/v1/account/represented".to_owned(), own)]
}
