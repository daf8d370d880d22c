//! People whom tokens and entries name: officials are in office by the register of departments, subjects are in `persons`.

use serde_json::json;
use uuid::Uuid;

use crate::world::{Who, World, appoint, dismiss};

const NOTICES: &str = "/v1/registers/notices/entries";

#[tokio::test]
async fn an_official_is_one_by_the_register_and_not_by_the_token() {
    for world in World::both().await {
        world.permit("notices", "A001").await;
        let sees = async || world.get(Who::Official, &format!("{NOTICES}/0")).await;
        assert!(!sees().await.expect(200)["body"].is_null());
        dismiss(&world.registry, "roads", world.other_citizen).await;
        // At once, and for what is public too: whoever sends the token believes to be in office.
        for path in [format!("{NOTICES}/0"), "/v1/registers".to_owned(), "/v1/account".to_owned()] {
            let (kind, problem) = world.get(Who::Official, &path).await.problem(403);
            assert_eq!(kind, "not-in-office", "{path}");
            assert!(!problem.to_string().contains(&world.other_citizen.to_string()));
        }
        // As a citizen, the same person reads on.
        world.get(Who::OtherCitizen, "/v1/account").await.expect(200);
        appoint(&world.registry, "roads", world.other_citizen).await;
        assert!(!sees().await.expect(200)["body"].is_null());
        world.end().await;
    }
}

#[tokio::test]
async fn an_official_of_another_department_has_no_office_here() {
    for world in World::both().await {
        dismiss(&world.registry, "woods", world.citizen).await;
        appoint(&world.registry, "roads", world.citizen).await;
        // The token says woods.
        let answer = world.get(Who::OtherOfficial, "/v1/registers").await;
        assert_eq!(answer.problem(403).0, "not-in-office");
        world.end().await;
    }
}

#[tokio::test]
async fn accounts_are_people_s_and_the_problem_says_whose_token_reads_them() {
    let [world, other] = World::both().await;
    for (who, words) in [
        (Who::Official, "with a citizen's token"),
        (Who::Auditor, "stands for none"),
        (Who::System, "stands for none"),
        (Who::Operator, "stands for none"),
    ] {
        let (kind, problem) = world.get(who, "/v1/account").await.problem(403);
        assert_eq!(kind, "forbidden");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{problem}");
    }
    world.end().await;
    other.end().await;
}

#[tokio::test]
async fn an_entry_names_people_who_exist() {
    for world in World::both().await {
        let stranger = Uuid::from_u128(77);
        let issued = |number: &str, people: &[Uuid]| {
            let mut body = world.body(number);
            let subject = |person: &Uuid| json!({ "role": "holder", "person": person });
            body["subjects"] = people.iter().map(subject).collect();
            json!({ "type": "issued", "body": body })
        };
        let (kind, problem) =
            world.post(Who::System, NOTICES, issued("A001", &[world.citizen, stranger])).await.problem(422);
        assert_eq!(kind, "invalid-entry");
        assert_eq!(problem["errors"][0]["pointer"], "/body/subjects/1/person");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1));
        assert!(!problem.to_string().contains(&stranger.to_string()), "{problem}");
        let list = json!([issued("A001", &[world.citizen]), issued("A002", &[stranger])]);
        let (_, problem) = world.post(Who::System, NOTICES, list).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/1/body/subjects/0/person");
        // Nor is a record of another register a person.
        let permit = world.permit("permits", "A001").await;
        let record = permit["record"].as_str().and_then(|record| record.parse().ok()).expect("a record");
        world.post(Who::System, NOTICES, issued("A001", &[record])).await.problem(422);
        world
            .post(Who::System, NOTICES, issued("A001", &[world.citizen, world.other_citizen]))
            .await
            .expect(201);
        // An entry that changes whom the record concerns is asked the same.
        let pass = json!({ "record": permit["record"], "type": "amended",
            "body": { "subjects": [{ "role": "holder", "person": stranger }] } });
        let (_, problem) = world.post(Who::System, "/v1/registers/permits/entries", pass).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/body/subjects/0/person");
        // And whoever is appointed is a person.
        let roads = world.get(Who::Anyone, "/v1/departments/roads").await.expect(200);
        let appoint = json!({ "type": "official-appointed", "record": roads["record"],
            "body": { "official": stranger, "position": "Inspector" } });
        let answer = world.post(Who::Operator, "/v1/registers/departments/entries", appoint).await;
        assert_eq!(answer.problem(422).1["errors"][0]["pointer"], "/body/official");
        world.end().await;
    }
}

/// A thousand entries about a thousand people are one question to the store.
#[tokio::test]
async fn a_long_list_about_many_people_is_appended() {
    for world in World::both().await {
        let person = |at: u128| {
            let name = json!({ "family": "Иванова", "given": "А" });
            let body = json!({ "name": name, "birth_date": "1990-01-01", "sex": "female" });
            json!({ "type": "opened", "record": Uuid::from_u128(1_000 + at), "body": body })
        };
        let people: Vec<_> = (0..1_000).map(person).collect();
        world.post(Who::Operator, "/v1/registers/persons/entries", json!(people)).await.expect(201);
        let issued = |at: u128| {
            let mut body = world.body(&format!("A{at:03}"));
            body["subjects"] = json!([{ "role": "holder", "person": Uuid::from_u128(1_000 + at) }]);
            json!({ "type": "issued", "body": body })
        };
        let entries: Vec<_> = (0..1_000).map(issued).collect();
        let answer = world.post(Who::System, NOTICES, json!(entries)).await.expect(201);
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(1_000));
        world.end().await;
    }
}
