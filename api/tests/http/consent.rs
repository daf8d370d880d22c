//! What a person lets a third party read, and that it reads no more; on both stores.

use api::consents::sweep;
use serde_json::{Value, json};

use crate::authorisation::Case;
use crate::bank::{access, allow, bank, refresh};
use crate::relatives::{ask, birth, enter, found, on, person, power, token};
use crate::world::{Who, World};

async fn read(world: &World, access: &Value, path: &str) -> crate::world::Answer {
    let token = access["access_token"].as_str().expect("a token");
    ask(world, token, None, "GET", path, None).await
}

fn records(document: &Value) -> Vec<&str> {
    document["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["record"].as_str().expect("a record"))
        .collect()
}

/// A record of `register` whose holder is the citizen.
async fn held(world: &World, register: &str, number: &str) -> String {
    enter(world, register, None, "issued", world.body(number)).await.appended.record.to_string()
}

#[tokio::test]
async fn a_third_party_reads_what_was_chosen_and_no_more() {
    for world in World::both().await {
        bank(&world, false).await;
        let (first, second) = (held(&world, "notices", "A001").await, held(&world, "notices", "A002").await);
        let (third, open) =
            (held(&world, "permits", "A003").await, held(&world, "open-permits", "A004").await);
        let mine = token(&world, world.citizen);
        let (consent, access) = access(&world, &mine, allow(&["permits"], &[&first], "2026-08-31")).await;
        assert_eq!((&access["token_type"], &access["expires_in"]), (&json!("Bearer"), &json!(600)));

        let position = world.store.position().await.expect("a position");
        let list = format!("/v1/consented/records?wait_for={position}");
        let listed = read(&world, &access, &list).await.expect(200);
        assert_eq!(records(&listed), [first.as_str(), third.as_str()]);
        let shown = read(&world, &access, &format!("/v1/consented/records/{first}")).await.expect(200);
        assert_eq!((&shown["content"]["number"], &shown["register"]), (&json!("A001"), &json!("notices")));
        read(&world, &access, &format!("/v1/consented/records/{third}")).await.expect(200);
        // What it does not open is answered as what does not exist, though it is the person's, or public.
        for closed in [&second, &open, &consent.to_string(), &world.citizen.to_string()] {
            read(&world, &access, &format!("/v1/consented/records/{closed}")).await.problem(404);
        }
        // And its token is good for nothing else, be it public.
        for path in
            ["/v1/account", "/v1/registers", "/v1/registers/open-permits/entries", "/v1/account/consents"]
        {
            read(&world, &access, path).await.problem(403);
        }
        // A new record of a register that was chosen is read too; one that concerns the person no longer is not.
        let later = held(&world, "permits", "A005").await;
        let moved = json!({"subjects": [{"role": "holder", "person": world.other_citizen}]});
        read(&world, &access, &format!("/v1/consented/records/{later}")).await.expect(200);
        enter(&world, "permits", Some(later.parse().expect("a record")), "amended", moved).await;
        read(&world, &access, &format!("/v1/consented/records/{later}")).await.problem(404);
        world.end().await;
    }
}

#[tokio::test]
async fn each_reading_is_an_access_and_each_issue_an_entry() {
    for world in World::both().await {
        bank(&world, false).await;
        let record = held(&world, "notices", "A001").await;
        let mine = token(&world, world.citizen);
        let (consent, access) = access(&world, &mine, allow(&["notices"], &[], "2026-08-31")).await;
        read(&world, &access, &format!("/v1/consented/records/{record}")).await.expect(200);
        let accesses = "accesses".parse().expect("a slug");
        let entries = world.store.read_register(&accesses, 0, 10).await.expect("read");
        let body: Value = serde_json::from_slice(entries[0].body.as_ref().expect("a body")).expect("JSON");
        assert_eq!(entries.len(), 1);
        assert_eq!(body["by"], json!({"role": "third-party", "client": "bank"}));
        assert_eq!(body["grounds"], json!({"register": "consents", "record": consent}));
        assert_eq!(
            (&body["purpose"], &body["endpoint"]),
            (&json!(crate::bank::PURPOSE), &json!("consented"))
        );
        assert_eq!(body["records"], json!([{"register": "notices", "record": record}]));
        assert_eq!(body["subjects"][0]["person"], json!(world.citizen));

        let again = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(200);
        read(&world, &again, "/v1/consented/records").await.expect(200);
        let entries = world.store.read_record(consent).await.expect("read");
        let types: Vec<_> =
            entries.iter().map(|entry| entry.statement.statement().entry_type.to_string()).collect();
        assert_eq!(types, ["given", "used", "used"]);
        let given: Value = serde_json::from_slice(entries[0].body.as_ref().expect("a body")).expect("JSON");
        assert_eq!((&given["by"], given.get("on_behalf")), (&json!(world.citizen), None));
        assert_eq!(given["valid_from"], "2026-06-01");
        world.end().await;
    }
}

#[tokio::test]
async fn a_consent_that_is_withdrawn_opens_nothing_to_the_next_request() {
    for world in World::both().await {
        bank(&world, false).await;
        let record = held(&world, "notices", "A001").await;
        let mine = token(&world, world.citizen);
        let (consent, access) = access(&world, &mine, allow(&["notices"], &[], "2026-08-31")).await;
        let one = format!("/v1/consented/records/{record}");
        read(&world, &access, &one).await.expect(200);
        let withdraw = format!("/v1/account/consents/{consent}/withdraw");
        let stranger = token(&world, world.other_citizen);
        ask(&world, &stranger, None, "POST", &withdraw, None).await.problem(404);
        read(&world, &access, &one).await.expect(200);
        let withdrawn = ask(&world, &mine, None, "POST", &withdraw, None).await.expect(200);
        assert_eq!(withdrawn["status"], "withdrawn");
        for path in [one.as_str(), "/v1/consented/records"] {
            let (kind, _) = read(&world, &access, path).await.problem(403);
            assert_eq!(kind, "consent-ended");
        }
        let refused = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(400);
        assert_eq!(refused["error"], "invalid_grant");
        let (kind, _) = ask(&world, &mine, None, "POST", &withdraw, None).await.problem(409);
        assert_eq!(kind, "state-conflict");
        let path = format!("/v1/account/consents?wait_for={}", withdrawn["position"]);
        let listed = ask(&world, &mine, None, "GET", &path, None).await.expect(200);
        let item = &listed["items"][0];
        assert_eq!(
            (&item["status"], &item["opens"], &item["client"]),
            (&json!("withdrawn"), &json!(false), &json!("bank"))
        );
        assert_eq!((&item["client_name"]["en"], &item["registers"]), (&json!("Bank"), &json!(["notices"])));
        world.end().await;
    }
}

#[tokio::test]
async fn a_term_that_is_over_opens_nothing_before_any_entry_says_so() {
    for world in World::both().await {
        bank(&world, false).await;
        let record = held(&world, "notices", "A001").await;
        let one = format!("/v1/consented/records/{record}");
        let (consent, access) =
            access(&world, &token(&world, world.citizen), allow(&["notices"], &[], "2026-06-02")).await;
        on(&world, "2026-06-02");
        let refreshed = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(200);
        read(&world, &refreshed, &one).await.expect(200);
        assert_eq!(sweep(&world.state).await.expect("a sweep"), 0, "the last day is of the term");
        // A token of the last evening ends with the day: the consent's term is asked, not the token's.
        world.clock.advance(11 * 3_600_000 + 55 * 60_000);
        let late = refresh(&world, refreshed["refresh_token"].as_str().expect("a token")).await.expect(200);
        assert_eq!(late["expires_in"], 300);
        world.clock.advance(300_000);
        let (kind, _) = read(&world, &late, &one).await.problem(403);
        assert_eq!(kind, "consent-ended");
        let refused = refresh(&world, late["refresh_token"].as_str().expect("a token")).await.expect(400);
        assert_eq!(refused["error"], "invalid_grant");

        // The entry follows, once, however many sweep.
        let position = world.store.position().await.expect("a position");
        let caught_up =
            world.state.projections().wait_for("view", position, api::http::limits::WAIT_TIMEOUT).await;
        caught_up.expect("the projection follows");
        let both = tokio::join!(sweep(&world.state), sweep(&world.state));
        assert_eq!(both.0.expect("a sweep") + both.1.expect("a sweep"), 1);
        let entries = world.store.read_record(consent).await.expect("read");
        let last = entries.last().expect("an entry").statement.statement();
        assert_eq!(last.entry_type.as_str(), "expired");
        world.end().await;
    }
}

#[tokio::test]
async fn a_parent_consents_for_a_child_and_it_says_so() {
    for world in World::both().await {
        found(&world).await;
        bank(&world, false).await;
        let child = person(&world, "Иванова", "2015-05-10").await;
        birth(&world, child, world.citizen, "2015-05-10").await;
        let mut body = world.body("C001");
        body["subjects"] = json!([{"role": "holder", "person": child}]);
        let record = enter(&world, "notices", None, "issued", body).await.appended.record;
        let (mine, whom) = (token(&world, world.citizen), format!("person={child}"));
        let decision = allow(&["notices"], &[], "2026-08-31");
        let decided =
            ask(&world, &mine, Some(&whom), "POST", "/v1/oauth/authorize", Some(decision)).await.expect(200);
        let code = crate::bank::parameter(decided["redirect_to"].as_str().expect("an address"), "code");
        let access =
            crate::bank::redeem(&world, &crate::bank::redemption(&code.expect("a code"))).await.expect(200);
        read(&world, &access, &format!("/v1/consented/records/{record}")).await.expect(200);
        let consent: uuid::Uuid =
            decided["consent"].as_str().and_then(|id| id.parse().ok()).expect("a record");
        let given = &world.store.read_record(consent).await.expect("read")[0];
        let given: Value = serde_json::from_slice(given.body.as_ref().expect("a body")).expect("JSON");
        assert_eq!((&given["by"], &given["on_behalf"]), (&json!(world.citizen), &json!({"person": child})));
        // The parent's own consents are others.
        let own = ask(&world, &mine, None, "GET", "/v1/account/consents", None).await.expect(200);
        assert_eq!(own["items"], json!([]));
        let wait = format!("/v1/account/consents?wait_for={}", decided["position"]);
        let childs = ask(&world, &mine, Some(&whom), "GET", &wait, None).await.expect(200);
        assert_eq!(records(&childs), [consent.to_string()]);
        let withdraw = format!("/v1/account/consents/{consent}/withdraw");
        ask(&world, &mine, Some(&whom), "POST", &withdraw, None).await.expect(200);
        world.end().await;
    }
}

/// What was given for another ends with the ground by which it was given.
#[tokio::test]
async fn a_consent_given_for_another_opens_nothing_once_the_ground_is_gone() {
    for world in World::both().await {
        found(&world).await;
        bank(&world, false).await;
        let child = person(&world, "Иванова", "2008-06-10").await;
        birth(&world, child, world.citizen, "2008-06-10").await;
        let mut body = world.body("C001");
        body["subjects"] = json!([{"role": "holder", "person": child}]);
        let record = enter(&world, "notices", None, "issued", body).await.appended.record;
        let one = format!("/v1/consented/records/{record}");
        let (mine, whom) = (token(&world, world.citizen), format!("person={child}"));
        let decision = allow(&["notices"], &[], "2026-08-31");
        let decided =
            ask(&world, &mine, Some(&whom), "POST", "/v1/oauth/authorize", Some(decision)).await.expect(200);
        let code = crate::bank::parameter(decided["redirect_to"].as_str().expect("an address"), "code");
        let mut access =
            crate::bank::redeem(&world, &crate::bank::redemption(&code.expect("a code"))).await.expect(200);
        on(&world, "2026-06-09");
        access = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(200);
        read(&world, &access, &one).await.expect(200);
        // The child comes of age, and is asked themselves from now on.
        on(&world, "2026-06-10");
        let refused = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(400);
        assert_eq!(refused["error"], "invalid_grant");
        let path = format!("/v1/account/consents?wait_for={}", decided["position"]);
        let listed = ask(&world, &token(&world, child), None, "GET", &path, None).await.expect(200);
        assert_eq!(
            (&listed["items"][0]["status"], &listed["items"][0]["opens"]),
            (&json!("active"), &json!(false))
        );

        // By a power, until it is revoked.
        let record = held(&world, "notices", "A001").await;
        let all = json!({"everything": true, "actions": ["read", "act"]});
        let power = power(&world, world.citizen, world.other_citizen, &all, "2027-01-01").await;
        let (attorney, whom) = (token(&world, world.other_citizen), format!("person={}", world.citizen));
        let decision = allow(&["notices"], &[], "2026-08-31");
        let decided =
            ask(&world, &attorney, Some(&whom), "POST", "/v1/oauth/authorize", Some(decision)).await;
        let decided = decided.expect(200);
        let code = crate::bank::parameter(decided["redirect_to"].as_str().expect("an address"), "code");
        let access =
            crate::bank::redeem(&world, &crate::bank::redemption(&code.expect("a code"))).await.expect(200);
        let one = format!("/v1/consented/records/{record}");
        read(&world, &access, &one).await.expect(200);
        enter(&world, "powers-of-attorney", Some(power), "revoked", json!({"ended_on": "2026-06-10"})).await;
        for path in [one.as_str(), "/v1/consented/records"] {
            assert_eq!(read(&world, &access, path).await.problem(403).0, "consent-ended");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn whoever_else_is_in_a_record_learns_that_it_was_listed() {
    for world in World::both().await {
        bank(&world, false).await;
        let mut body = world.body("A001");
        let holder = |person: uuid::Uuid| json!({"role": "holder", "person": person});
        body["subjects"] = json!([holder(world.citizen), holder(world.other_citizen)]);
        enter(&world, "notices", None, "issued", body).await;
        let mine = token(&world, world.citizen);
        let (_, access) = access(&world, &mine, allow(&["notices"], &[], "2026-08-31")).await;
        let path =
            format!("/v1/consented/records?wait_for={}", world.store.position().await.expect("a position"));
        let listed = read(&world, &access, &path).await.expect(200);
        assert_eq!(listed["items"][0]["number"], "A001");
        let accesses = "accesses".parse().expect("a slug");
        let entries = world.store.read_register(&accesses, 0, 10).await.expect("read");
        let bodies = entries.iter().map(|entry| entry.body.as_deref().expect("a body"));
        let bodies: Vec<Value> = bodies.map(|body| serde_json::from_slice(body).expect("JSON")).collect();
        let mut told: Vec<_> = bodies.iter().map(|body| body["subjects"][0]["person"].clone()).collect();
        let mut expected = vec![json!(world.citizen), json!(world.other_citizen)];
        told.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(told, expected);
        // Whose consent it is, and what for, is told to whoever gave it alone.
        assert_eq!(bodies.iter().filter(|body| body.get("purpose").is_some()).count(), 1);
        world.end().await;
    }
}

#[tokio::test]
async fn who_may_only_read_for_another_opens_and_ends_nothing_for_them() {
    for world in World::both().await {
        found(&world).await;
        bank(&world, false).await;
        let (principal, representative) = (world.citizen, world.other_citizen);
        let (given, _) =
            access(&world, &token(&world, principal), allow(&["notices"], &[], "2026-08-31")).await;
        let (mine, whom) = (token(&world, representative), format!("person={principal}"));
        let scope = json!({"registers": ["notices", "consents"], "actions": ["read"]});
        let record = power(&world, principal, representative, &scope, "2026-12-31").await;
        let listed = ask(&world, &mine, Some(&whom), "GET", "/v1/account/consents", None).await.expect(200);
        assert_eq!(records(&listed), [given.to_string()]);
        let withdraw = format!("/v1/account/consents/{given}/withdraw");
        let decide = || Some(allow(&["notices"], &[], "2026-08-31"));
        ask(&world, &mine, Some(&whom), "POST", &withdraw, None).await.problem(403);
        ask(&world, &mine, Some(&whom), "POST", "/v1/oauth/authorize", decide()).await.problem(403);
        // Whoever may act opens what the power is for, and no more; and ends what they may see.
        let wider = json!({"scope": {"registers": ["notices", "consents"], "actions": ["read", "act"]}, "corrects": 1, "reason": "x"});
        enter(&world, "powers-of-attorney", Some(record), "corrected", wider).await;
        let too_wide = Some(allow(&["notices", "permits"], &[], "2026-08-31"));
        ask(&world, &mine, Some(&whom), "POST", "/v1/oauth/authorize", too_wide).await.problem(403);
        ask(&world, &mine, Some(&whom), "POST", "/v1/oauth/authorize", decide()).await.expect(200);
        ask(&world, &mine, Some(&whom), "POST", &withdraw, None).await.expect(200);
        let entries = world.store.read_record(given).await.expect("read");
        let last = entries.last().and_then(|entry| entry.body.as_ref()).expect("a body");
        let last: Value = serde_json::from_slice(last).expect("JSON");
        let by = json!({"because": "person", "by": representative, "on_behalf": {"person": principal}});
        assert_eq!(last["withdrawn"], by);
        world.end().await;
    }
}

#[tokio::test]
async fn a_decision_is_on_what_was_asked_and_on_what_is_the_persons() {
    for world in World::both().await {
        bank(&world, false).await;
        let mine = token(&world, world.citizen);
        let open = held(&world, "open-permits", "A001").await;
        let mut body = world.body("A002");
        body["subjects"] = json!([{"role": "holder", "person": world.other_citizen}]);
        let others = enter(&world, "notices", None, "issued", body).await.appended.record.to_string();
        let nothing = uuid::Uuid::from_u128(5).to_string();
        for (decision, pointer) in [
            (allow(&["notices", "open-permits"], &[], "2026-08-31"), "/registers"),
            (allow(&[], &[], "2026-08-31"), "/registers"),
            (allow(&[], &[&open], "2026-08-31"), "/records"),
            (allow(&[], &[&others], "2026-08-31"), "/records"),
            (allow(&[], &[&nothing], "2026-08-31"), "/records"),
            (allow(&["notices"], &[], "2026-06-01"), "/valid_until"),
            (allow(&["notices"], &[], "2027-06-02"), "/valid_until"),
        ] {
            let answer = ask(&world, &mine, None, "POST", "/v1/oauth/authorize", Some(decision)).await;
            let (_, document) = answer.problem(400);
            assert_eq!(document["errors"][0]["pointer"], pointer);
        }
        let latest = allow(&["notices"], &[], "2027-06-01");
        ask(&world, &mine, None, "POST", "/v1/oauth/authorize", Some(latest)).await.expect(200);
        let position = world.store.position().await.expect("a position");
        let denied = json!({"request": crate::bank::asked(), "decision": "deny"});
        let decided = ask(&world, &mine, None, "POST", "/v1/oauth/authorize", Some(denied)).await.expect(200);
        let redirect = decided["redirect_to"].as_str().expect("an address");
        assert_eq!(crate::bank::parameter(redirect, "error").as_deref(), Some("access_denied"));
        assert_eq!(
            (&decided["consent"], world.store.position().await.expect("a position")),
            (&Value::Null, position)
        );
        world.end().await;
    }
}

/// Who may ask for consents, and who may ask by them.
pub fn cases() -> Vec<Case> {
    let own = |who| match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let none = |who| match who {
        Who::Citizen | Who::OtherCitizen => 404,
        Who::Anyone => 401,
        _ => 403,
    };
    let third = |who| if who == Who::Anyone { 401 } else { 403 };
    let one = uuid::Uuid::from_u128(1);
    let withdraw = format!("/v1/account/consents/{one}/withdraw");
    vec![
        Case::get("/v1/account/consents", "/v1/account/consents".to_owned(), own),
        Case::of("POST", "/v1/account/consents/{record}/withdraw", withdraw, None, none),
        Case::get("/v1/consented/records", "/v1/consented/records".to_owned(), third),
        Case::get("/v1/consented/records/{record}", format!("/v1/consented/records/{one}"), third),
    ]
}
