//! Offers, requests, tasks and settings over HTTP: what a person and an official do, and what is refused.

use api::proactive::Engine;
use domain::platform::REQUESTS;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::authorisation::Case;
use crate::proactive_town::{Town, a_set, an_allowance, on_birth, on_birthday, settle, subject};
use crate::relatives;
use crate::world::Who;

fn own(who: Who) -> u16 {
    match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    }
}

fn own_none(who: Who) -> u16 {
    if own(who) == 200 { 404 } else { own(who) }
}

fn works(who: Who) -> u16 {
    match who {
        Who::Official | Who::System => 200,
        Who::Anyone => 401,
        _ => 403,
    }
}

fn works_none(who: Who) -> u16 {
    if works(who) == 200 { 404 } else { works(who) }
}

fn decides_none(who: Who) -> u16 {
    if who == Who::System { 403 } else { works_none(who) }
}

/// Cases for the table of who may do what.
pub fn cases() -> Vec<Case> {
    let nothing = Uuid::from_u128(1);
    let offer = |end: &str| format!("/v1/account/offers/{nothing}{end}");
    let task = format!("/v1/departments/roads/tasks/{nothing}");
    let (settings, off) = ("/v1/account/settings/proposals", json!({ "off": ["family"] }));
    let withdraw = "/v1/account/requests/{record}/withdraw";
    let tasks = "/v1/departments/{department}/tasks";
    let one = "/v1/departments/{department}/tasks/{record}";
    vec![
        Case::get("/v1/account/offers", "/v1/account/offers".to_owned(), own),
        Case::get("/v1/account/offers/{offer}", offer(""), own_none),
        Case::of("POST", "/v1/account/offers/{offer}/seen", offer("/seen"), None, own_none),
        Case::post("/v1/account/offers/{offer}/accept", offer("/accept"), json!({}), own_none),
        Case::post("/v1/account/offers/{offer}/decline", offer("/decline"), json!({}), own_none),
        Case::post(withdraw, format!("/v1/account/requests/{nothing}/withdraw"), json!({}), own_none),
        Case::get(settings, settings.to_owned(), own),
        Case::of("PUT", settings, settings.to_owned(), Some(off), own),
        Case::get(tasks, "/v1/departments/roads/tasks".to_owned(), works),
        Case::get(one, task.clone(), works_none),
        Case::post(one, task, json!({ "action": "take" }), decides_none),
    ]
}

/// A town in which the citizen has had a child, and is offered a set of two services.
async fn offered(town: &mut Town) -> Uuid {
    town.publish(on_birth("birth-set", a_set())).await;
    town.birth(town.person("2026-05-30").await, town.world.citizen).await;
    town.settle().await;
    town.offers(town.world.citizen).await.remove(0).record
}

async fn requests(town: &Town) -> usize {
    town.count(town.world.citizen, REQUESTS).await
}

#[tokio::test]
async fn a_person_reads_why_accepts_and_the_department_grants() {
    for mut town in Town::both().await {
        let offer = offered(&mut town).await;
        let world = &town.world;
        let list = world.get(Who::Citizen, "/v1/account/offers?status=proposed").await.expect(200);
        assert_eq!(
            (&list["items"][0]["offer"], &list["items"][0]["status"]),
            (&json!(offer), &json!("proposed"))
        );
        assert!(
            world.get(Who::OtherCitizen, "/v1/account/offers").await.expect(200)["items"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        let url = format!("/v1/account/offers/{offer}");
        let whole = world.get(Who::Citizen, &url).await;
        assert_eq!(whole.header("etag"), "\"1\"");
        let whole = whole.expect(200);
        assert_eq!(whole["why"]["rule"]["slug"], "birth-set");
        assert_eq!(whole["why"]["cause_title"]["en"], "births: Recorded");
        assert_eq!(
            (&whole["why"]["values"]["children"], &whole["why"]["legal_basis"][0]["citation"]),
            (&json!(1), &json!("81-FZ"))
        );
        world.get(Who::OtherCitizen, &url).await.problem(404);

        let seen = world.send(Who::Citizen, "POST", &format!("{url}/seen"), &[], None).await.expect(200);
        assert_eq!((&seen["status"], &seen["version"]), (&json!("seen"), &json!(2)));
        let again = world.send(Who::Citizen, "POST", &format!("{url}/seen"), &[], None).await.expect(200);
        assert_eq!((&again["version"], &again["position"]), (&json!(2), &Value::Null));

        let accept = format!("{url}/accept");
        let unknown = json!({ "services": ["allowance", "yacht"] });
        let (kind, document) = world.post(Who::Citizen, &accept, unknown).await.problem(422);
        assert_eq!(
            (kind.as_str(), &document["errors"][0]["pointer"]),
            ("invalid-entry", &json!("/services/1"))
        );
        world.post(Who::Citizen, &accept, json!({ "services": [] })).await.problem(422);
        let stale = [("if-match", "\"1\"")];
        let stale = world.send(Who::Citizen, "POST", &accept, &stale, Some(json!({}))).await.problem(412);
        assert_eq!(stale.0, "precondition-failed");
        assert_eq!(requests(&town).await, 0, "nothing was changed");

        let world = &town.world;
        let wanted = json!({ "services": ["allowance"] });
        let accepted = world.post(Who::Citizen, &accept, wanted.clone()).await.expect(200);
        assert_eq!(
            (&accepted["status"], &accepted["requests"][0]["service"]),
            (&json!("accepted"), &json!("allowance"))
        );
        let request = accepted["requests"][0]["request"].clone();
        let again = world.post(Who::Citizen, &accept, wanted).await.expect(200);
        assert_eq!(
            (&again["requests"][0]["request"], again["requests"].as_array().unwrap().len()),
            (&request, 1)
        );
        let (kind, _) = world.post(Who::Citizen, &accept, json!({})).await.problem(409);
        assert_eq!(kind, "offer-closed");
        world.post(Who::Citizen, &format!("{url}/decline"), json!({})).await.problem(409);
        town.settle().await;
        assert_eq!(requests(&town).await, 1);
        grant(&mut town, &request, offer).await;
        town.end().await;
    }
}

/// The woods' official grants the request; the offer is then provided.
async fn grant(town: &mut Town, request: &Value, offer: Uuid) {
    town.projected().await;
    let world = &town.world;
    let tasks =
        world.get(Who::OtherOfficial, "/v1/departments/woods/tasks?register=requests").await.expect(200);
    assert_eq!((&tasks["items"][0]["record"], &tasks["items"][0]["service"]), (request, &json!("allowance")));
    assert!(
        !tasks.to_string().contains(&world.citizen.to_string()),
        "whom it concerns is in the task itself"
    );
    world.get(Who::Official, "/v1/departments/woods/tasks").await.problem(403);
    let url = format!("/v1/departments/woods/tasks/{}", request.as_str().unwrap());
    let (kind, _) = world.send_just(Who::OtherOfficial, "GET", &url, &[], None).await.problem(400);
    assert_eq!(kind, "purpose-required");
    let task = world.get(Who::OtherOfficial, &url).await.expect(200);
    assert_eq!((&task["waits"], &task["content"]["offer"]), (&json!(true), &json!(offer)));
    assert!(task["content"]["values"]["child"].is_string() && task["offer_status"] == "accepted");
    let here = format!("/v1/departments/roads/tasks/{}", request.as_str().unwrap());
    world.get(Who::Official, &here).await.problem(404);

    let taken = world.post(Who::OtherOfficial, &url, json!({ "action": "take" })).await.expect(200);
    assert_eq!(taken["status"], "in-work");
    let (_, document) =
        world.post(Who::OtherOfficial, &url, json!({ "action": "decide" })).await.problem(422);
    assert_eq!(document["errors"][0]["pointer"], "/action");
    world.post(Who::OtherOfficial, &url, json!({ "action": "refuse" })).await.problem(422);
    let body =
        json!({ "number": "A7", "subjects": [subject("holder", world.citizen)], "valid_from": "2026-06-01" });
    let record = town.append("allowances", None, "issued", body).await.appended.record;
    let outcome = json!({ "action": "grant", "outcome": { "register": "allowances", "record": record } });
    let granted = town.world.post(Who::OtherOfficial, &url, outcome.clone()).await.expect(200);
    assert_eq!(granted["status"], "granted");
    let (kind, _) = town.world.post(Who::OtherOfficial, &url, outcome).await.problem(409);
    assert_eq!(kind, "state-conflict");
    town.settle().await;
    assert_eq!(town.statuses(town.world.citizen).await, ["provided"]);
    assert_eq!(town.content(offer).await["outcome"]["record"], json!(record));
    let tasks = town.world.get(Who::OtherOfficial, "/v1/departments/woods/tasks").await.expect(200);
    assert!(tasks["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_accepted_is_asked_for_though_the_server_died_in_between() {
    for mut town in Town::both().await {
        let offer = offered(&mut town).await;
        let body = json!({ "services": ["kindergarten"], "by": town.world.citizen });
        town.append("offers", Some(offer), "accepted", body).await;
        assert_eq!(requests(&town).await, 0);
        town.settle().await;
        assert_eq!(requests(&town).await, 1);
        let again = json!({ "services": ["kindergarten"] });
        let url = format!("/v1/account/offers/{offer}/accept");
        let answer = town.world.post(Who::Citizen, &url, again).await.expect(200);
        let request = answer["requests"][0]["request"].as_str().expect("a request").to_owned();
        assert_eq!(requests(&town).await, 1);

        let url = format!("/v1/account/requests/{request}/withdraw");
        town.world.post(Who::OtherCitizen, &url, json!({})).await.problem(404);
        let withdrawn = town.world.post(Who::Citizen, &url, json!({ "reason": "moved" })).await.expect(200);
        assert_eq!(withdrawn["status"], "withdrawn");
        let again = town.world.post(Who::Citizen, &url, json!({})).await.expect(200);
        assert_eq!((&again["status"], &again["position"]), (&json!("withdrawn"), &Value::Null));
        town.end().await;
    }
}

#[tokio::test]
async fn a_person_declines_and_switches_kinds_off() {
    for mut town in Town::both().await {
        let offer = offered(&mut town).await;
        let world = &town.world;
        let url = format!("/v1/account/offers/{offer}/decline");
        let declined = world.post(Who::Citizen, &url, json!({ "reason": "no need" })).await.expect(200);
        assert_eq!(declined["status"], "declined");
        let again = world.post(Who::Citizen, &url, json!({})).await.expect(200);
        assert_eq!((&again["version"], &again["position"]), (&declined["version"], &Value::Null));
        let (kind, document) = world
            .post(Who::Citizen, &format!("/v1/account/offers/{offer}/accept"), json!({}))
            .await
            .problem(409);
        assert_eq!((kind.as_str(), &document["detail"]), ("offer-closed", &json!("The offer was declined.")));

        let settings = "/v1/account/settings/proposals";
        let put = |body| world.send(Who::Citizen, "PUT", settings, &[], Some(body));
        let (_, document) = put(json!({ "off": ["family", "yachts"] })).await.problem(422);
        assert_eq!(document["errors"][0]["pointer"], "/off/1");
        assert_eq!(world.get(Who::Citizen, settings).await.expect(200)["off"], json!([]));
        put(json!({ "off": ["transport", "family"] })).await.expect(200);
        assert_eq!(
            world.get(Who::Citizen, settings).await.expect(200)["off"],
            json!(["family", "transport"])
        );
        assert_eq!(world.get(Who::OtherCitizen, settings).await.expect(200)["off"], json!([]));
        town.birth(town.person("2026-05-31").await, town.world.citizen).await;
        town.settle().await;
        assert_eq!(town.offers(town.world.citizen).await.len(), 1);
        town.end().await;
    }
}

#[tokio::test]
async fn an_official_decides_on_what_was_provided_for_no_reason() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let birth = town.birth(town.person("2026-05-30").await, town.world.citizen).await;
        town.settle().await;
        let offer = town.offers(town.world.citizen).await.remove(0).record;
        let accept = format!("/v1/account/offers/{offer}/accept");
        let (kind, _) = town.world.post(Who::Citizen, &accept, json!({})).await.problem(409);
        assert_eq!(kind, "state-conflict");
        town.append("births", Some(birth), "annulled", json!({})).await;
        town.settle().await;
        town.projected().await;
        let world = &town.world;
        let tasks = world.get(Who::Official, "/v1/departments/roads/tasks?register=offers").await.expect(200);
        assert_eq!(tasks["items"][0]["record"], json!(offer));
        let url = format!("/v1/departments/roads/tasks/{offer}");
        let nothing = world.post(Who::Official, &url, json!({ "action": "decide" })).await.problem(422);
        assert_eq!(nothing.1["errors"][0]["pointer"], "/decision");
        let decision =
            json!({ "action": "decide", "decision": "annulled", "reason": "the act was annulled" });
        let key = [("idempotency-key", "k1"), ("if-match", "\"3\"")];
        let decided = world.send(Who::Official, "POST", &url, &key, Some(decision.clone())).await.expect(200);
        assert_eq!(decided["status"], "decided");
        let again = world.send(Who::Official, "POST", &url, &key, Some(decision)).await.expect(200);
        assert_eq!(again["position"], decided["position"]);
        let whole = world.get(Who::Citizen, &format!("/v1/account/offers/{offer}")).await.expect(200);
        assert_eq!((&whole["status"], &whole["decision"]), (&json!("decided"), &json!("annulled")));
        town.end().await;
    }
}

#[tokio::test]
async fn an_offer_whose_day_has_passed_is_not_accepted_though_nobody_ended_it_yet() {
    for mut town in Town::both().await {
        let offer = offered(&mut town).await;
        town.world.clock.advance(31 * 86_400_000);
        let found = api::proactive::offer::Offer::read(&town.world.registry, offer).await.unwrap().unwrap();
        assert_eq!(found.status, "proposed");
        let url = format!("/v1/account/offers/{offer}/accept");
        let (kind, document) = town.world.post(Who::Citizen, &url, json!({})).await.problem(409);
        assert_eq!(
            (kind.as_str(), &document["detail"]),
            ("offer-closed", &json!("The offer's last day has passed."))
        );
        town.end().await;
    }
}

/// A parent answers for a minor child: the entries say who did it and for whom, and reading for another leaves a trace.
#[tokio::test]
async fn a_parent_answers_for_a_child() {
    for world in crate::world::World::both().await {
        relatives::found(&world).await;
        let mut engine = Engine::new(world.registry.clone(), world.projections());
        let mut rule = on_birthday("school-at-7", "7Y");
        rule["effect"] = a_set();
        rule["effect"]["set"]["services"][0]["values"] = json!({ "child": "person.record" });
        rule["effect"]["set"]["services"][1]["values"] = json!({});
        let body = json!({ "slug": "school-at-7", "rule": rule });
        crate::world::append(&world.registry, "triggers", "platform", "published", body).await;
        let child = relatives::person(&world, "Малая", "2019-06-03").await;
        let mother = relatives::person(&world, "Мать", "1990-01-01").await;
        relatives::birth(&world, child, mother, "2019-06-03").await;
        settle(&mut engine).await;
        relatives::on(&world, "2026-06-03");
        assert_eq!(engine.run_due().await.expect("it runs").proposed, 1);
        let position = world.store.position().await.expect("a position");
        let (token, whom) = (relatives::token(&world, mother), format!("person={child}"));
        let ask = |whom, method, path: String, body| {
            let (world, token) = (&world, &token);
            async move { relatives::ask(world, token, whom, method, &path, body).await }
        };
        let list = format!("/v1/account/offers?wait_for={position}");
        assert!(
            ask(None, "GET", list.clone(), None).await.expect(200)["items"].as_array().unwrap().is_empty()
        );
        let found = ask(Some(whom.as_str()), "GET", list, None).await.expect(200);
        let offer = found["items"][0]["offer"].as_str().expect("an offer").to_owned();
        let accept = format!("/v1/account/offers/{offer}/accept");
        ask(None, "POST", accept.clone(), Some(json!({}))).await.problem(404);
        let accepted = ask(Some(whom.as_str()), "POST", accept, Some(json!({}))).await.expect(200);
        assert_eq!(accepted["requests"].as_array().unwrap().len(), 2);
        for record in [offer.as_str(), accepted["requests"][0]["request"].as_str().unwrap()] {
            let entries = world.store.read_record(record.parse().unwrap()).await.unwrap();
            let body: Value = serde_json::from_slice(entries.last().unwrap().body.as_ref().unwrap()).unwrap();
            assert_eq!((&body["by"], &body["on_behalf"]), (&json!(mother), &json!({ "person": child })));
        }
        let accesses = "accesses".parse().unwrap();
        let looked = world.store.read_register(&accesses, 0, 100).await.unwrap();
        let looked: Vec<Value> = looked
            .iter()
            .map(|entry| serde_json::from_slice(entry.body.as_ref().unwrap()).unwrap())
            .collect();
        assert!(
            looked.iter().any(|body| body["endpoint"] == "offer" && body["by"]["person"] == json!(mother))
        );
        world.end().await;
    }
}

/// What became of an offer may itself make a rule look.
#[tokio::test]
async fn a_declined_offer_is_a_cause() {
    for mut town in Town::both().await {
        let mut rule = on_birth("after-a-no", json!({ "inform": {} }));
        rule["cause"] = json!({ "entry": { "register": "offers", "types": ["declined"] } });
        rule["for"] = json!("subject:addressee");
        rule["when"] = json!("cause.content.rule.slug == 'birth-set'");
        town.publish(rule).await;
        let offer = offered(&mut town).await;
        let url = format!("/v1/account/offers/{offer}/decline");
        town.world.post(Who::Citizen, &url, json!({})).await.expect(200);
        town.settle().await;
        let offers = town.offers(town.world.citizen).await;
        assert_eq!(
            offers.iter().map(|offer| offer.rule_slug.as_str()).collect::<Vec<_>>(),
            ["after-a-no", "birth-set"]
        );
        town.end().await;
    }
}
