//! A person sees who looked, asks why, and is answered; an auditor finds what is unusual.

use serde_json::{Value, json};

use crate::accesses::recorded;
use crate::relatives::{ask, birth, found, person, token};
use crate::world::{LEGAL_BASIS, PURPOSE, Who, World, append};

const NOTICES: &str = "/v1/registers/notices";
const ACCESSES: &str = "/v1/account/accesses";

/// Asks and waits for all that has happened.
async fn fresh(world: &World, who: Who, path: &str) -> Value {
    let last = world.store.position().await.expect("a position").to_string();
    world.send(who, "GET", path, &[("wait-for", &last)], None).await.expect(200)
}

#[tokio::test]
async fn a_person_sees_who_looked_asks_why_and_is_answered() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        world.get(Who::Official, &format!("{NOTICES}/entries/0")).await.expect(200);
        let list = fresh(&world, Who::Citizen, ACCESSES).await;
        let item = &list["items"][0];
        assert_eq!(
            (&item["purpose"], &item["legal_basis"], &item["status"], &item["department"]),
            (&json!(PURPOSE), &json!(LEGAL_BASIS), &json!("recorded"), &json!("roads"))
        );
        assert_eq!(
            item["by"],
            json!({ "role": "official", "department": "roads", "department_title": { "ru": "roads", "en": "roads" },
                "post": "Inspector", "official": world.other_citizen, "person": null, "client": null })
        );
        assert_eq!(item["records"][0]["record"], entry["record"]);
        assert_eq!(item["records"][0]["register_title"]["en"], "notices");
        // Whom it does not concern sees none of it, though it is they who looked.
        assert_eq!(fresh(&world, Who::OtherCitizen, ACCESSES).await["items"], json!([]));
        let one = format!("{ACCESSES}/{}", item["record"].as_str().expect("a record"));
        assert_eq!(world.get(Who::OtherCitizen, &one).await.problem(404).0, "not-found");
        let ask = json!({ "question": " Why at night?\nAnd twice? " });
        let not_theirs = world.post(Who::OtherCitizen, &format!("{one}/question"), ask.clone()).await;
        assert_eq!(not_theirs.problem(404).0, "not-found");
        let asked = world.post(Who::Citizen, &format!("{one}/question"), ask.clone()).await.expect(201);
        assert_eq!((&asked["status"], &asked["version"]), (&json!("questioned"), &json!(2)));
        let again = world.post(Who::Citizen, &format!("{one}/question"), ask).await;
        assert_eq!(again.problem(409).0, "state-conflict");
        // The department that looked answers, no other.
        let path = |department: &str| {
            format!(
                "/v1/departments/{department}/accesses/{}/answer",
                item["record"].as_str().expect("a record")
            )
        };
        let answer = json!({ "answer": "A check of unpaid fines." });
        for (who, department, status) in [
            (Who::OtherOfficial, "roads", 403),
            (Who::OtherOfficial, "woods", 404),
            (Who::Operator, "platform", 404),
            (Who::Operator, "roads", 403),
            (Who::Citizen, "roads", 403),
            (Who::Official, "nowhere", 403),
        ] {
            let refused = world.post(who, &path(department), answer.clone()).await;
            assert_eq!(refused.status, status, "{who:?} {department}: {}", refused.text());
        }
        let answered = world.post(Who::Official, &path("roads"), answer.clone()).await.expect(201);
        assert_eq!(answered["status"], "answered");
        assert_eq!(world.post(Who::System, &path("roads"), answer).await.problem(409).0, "state-conflict");
        let seen = world.get(Who::Citizen, &one).await.expect(200);
        assert_eq!(
            (&seen["question"], &seen["answer"], &seen["status_title"]["en"]),
            (&json!("Why at night?\nAnd twice?"), &json!("A check of unpaid fines."), &json!("Answered"))
        );
        assert_eq!(fresh(&world, Who::Citizen, ACCESSES).await["items"][0], seen);
        // To read of it, to ask and to answer was no access.
        assert_eq!(recorded(&world).await.len(), 3, "the access, its question and its answer");
        world.end().await;
    }
}

#[tokio::test]
async fn words_are_bounded_and_what_nobody_asked_about_is_not_answered() {
    for world in World::both().await {
        world.permit("notices", "A001").await;
        world.get(Who::Auditor, &format!("{NOTICES}/entries/0")).await.expect(200);
        let list = fresh(&world, Who::Citizen, ACCESSES).await;
        let record = list["items"][0]["record"].as_str().expect("a record").to_owned();
        let question = format!("{ACCESSES}/{record}/question");
        for (input, kind, status) in [
            (json!({ "question": "a" }), "invalid-entry", 422),
            (json!({ "question": "a".repeat(2_001) }), "invalid-entry", 422),
            (json!({ "question": "why\u{7}" }), "invalid-entry", 422),
            (json!({ "question": 1 }), "invalid-request", 400),
            (json!({ "question": "Why?", "more": 1 }), "invalid-request", 400),
        ] {
            assert_eq!(world.post(Who::Citizen, &question, input).await.problem(status).0, kind);
        }
        // For auditors the operator answers, once it is asked.
        let answer = format!("/v1/departments/platform/accesses/{record}/answer");
        let words = json!({ "answer": "The yearly audit." });
        assert_eq!(world.post(Who::Operator, &answer, words.clone()).await.problem(404).0, "not-found");
        world.post(Who::Citizen, &question, json!({ "question": "Why?" })).await.expect(201);
        world.post(Who::Operator, &answer, words).await.expect(201);
        let seen = world.get(Who::Citizen, &format!("{ACCESSES}/{record}")).await.expect(200);
        assert_eq!(seen["answer"], "The yearly audit.");
        assert_eq!((&seen["by"]["role"], &seen["on_behalf_of"]), (&json!("auditor"), &json!(null)));
        // Another's record is no access, whatever register it is of.
        let other = world.permit("notices", "A002").await;
        let path = format!("{ACCESSES}/{}", other["record"].as_str().expect("a record"));
        assert_eq!(world.get(Who::Citizen, &path).await.problem(404).0, "not-found");
        world.end().await;
    }
}

#[tokio::test]
async fn the_list_is_walked_by_its_cursor_the_last_first() {
    for world in World::both().await {
        world.permit("notices", "A001").await;
        for at in 0..5 {
            let purpose = format!("reason {at}");
            let headers = [("purpose", purpose.as_str()), ("legal-basis", "1-FZ")];
            world
                .send(Who::Official, "GET", &format!("{NOTICES}/entries/0"), &headers, None)
                .await
                .expect(200);
        }
        let mut seen = Vec::new();
        let mut path = format!("{ACCESSES}?limit=2");
        loop {
            let page = fresh(&world, Who::Citizen, &path).await;
            seen.extend(page["items"].as_array().expect("items").iter().map(|item| item["purpose"].clone()));
            match page["next"].as_str() {
                Some(next) => path = format!("{ACCESSES}?limit=2&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, [4, 3, 2, 1, 0].map(|at| json!(format!("reason {at}"))));
        // What was looked at is not among what the person holds.
        let account = fresh(&world, Who::Citizen, "/v1/account").await;
        assert_eq!(account["items"].as_array().map(Vec::len), Some(1));
        world.end().await;
    }
}

#[tokio::test]
async fn an_auditor_finds_what_is_unusual_and_leaves_a_trace() {
    for world in World::both().await {
        // One permit of the citizen that is in force, one of another that has been revoked long ago.
        world.permit("notices", "A001").await;
        let mut body = world.body("A002");
        let stranger = {
            let person = json!({ "name": { "family": "Сидоров", "given": "А" }, "birth_date": "1990-01-01", "sex": "male" });
            append(&world.registry, "persons", "platform", "opened", person).await.appended.record
        };
        body["subjects"] = json!([{ "role": "holder", "person": stranger }]);
        let entries = format!("{NOTICES}/entries");
        let made =
            world.post(Who::System, &entries, json!({ "type": "issued", "body": body })).await.expect(201);
        let revoke = json!({ "type": "revoked", "record": made["record"], "body": { "reason": "lapsed" } });
        world.post(Who::System, &entries, revoke).await.expect(201);
        // The official's own.
        let mut body = world.body("A003");
        body["subjects"] = json!([{ "role": "holder", "person": world.other_citizen }]);
        world.post(Who::System, &entries, json!({ "type": "issued", "body": body })).await.expect(201);
        // A minute later, 12:01 UTC.
        world.clock.advance(60_000);
        for index in [0, 1, 3] {
            world.get(Who::Official, &format!("{entries}/{index}")).await.expect(200);
        }
        // A department's system reads everything, which is not unusual.
        world.get(Who::System, &entries).await.expect(200);
        world.clock.advance(1);
        let report = fresh(&world, Who::Auditor, "/v1/reports/accesses").await;
        assert_eq!((&report["looks"], &report["officials"]), (&json!(3), &json!(1)));
        let nothing = json!([]);
        for pattern in ["outside_cases", "many_persons", "night", "same_purpose"] {
            assert_eq!(report[pattern], nothing, "{pattern}");
        }
        assert_eq!(finding(&report["own_records"]), (1, 1));
        let strict = "/v1/reports/accesses?recent_days=0&persons=3&purpose_persons=3&utc_offset=600";
        let report = fresh(&world, Who::Auditor, strict).await;
        assert_eq!(finding(&report["outside_cases"]), (1, 1));
        assert_eq!(finding(&report["many_persons"]), (3, 3));
        assert_eq!(finding(&report["night"]), (3, 3));
        assert_eq!(finding(&report["same_purpose"]), (3, 3));
        assert_eq!(report["same_purpose"][0]["purpose"], PURPOSE);
        assert_eq!(report["many_persons"][0]["peak"], 3);
        let official = world.other_citizen.to_string();
        assert_eq!(report["outside_cases"][0]["official"], official);
        // The evidence is the accesses themselves.
        let evidence = report["outside_cases"][0]["evidence"][0].as_str().expect("a record");
        let path = format!("/v1/registers/accesses/records/{evidence}");
        let access = fresh(&world, Who::Auditor, &path).await;
        assert_eq!(access["content"]["subjects"][0]["person"], stranger.to_string());
        // The report was a look at the register.
        let recorded = recorded(&world).await;
        let looks = recorded.iter().filter(|body| body["endpoint"] == "report");
        let ranges: Vec<_> =
            looks.map(|body| (body["by"]["role"].clone(), body["range"]["from"].clone())).collect();
        assert_eq!(ranges, [(json!("auditor"), json!(0)), (json!("auditor"), json!(0))]);
        let silent = world.send_just(Who::Auditor, "GET", "/v1/reports/accesses", &[], None).await;
        assert_eq!(silent.problem(400).0, "purpose-required");
        // Before anything was looked at there is nothing to tell.
        let before = "/v1/reports/accesses?from=2026-05-01T00:00:00Z&to=2026-06-01T00:00:00%2B03:00";
        assert_eq!(fresh(&world, Who::Auditor, before).await["looks"], 0);
        world.end().await;
    }
}

/// A mother reads her child's account: the child's list says so, and by which record she may.
#[tokio::test]
async fn acting_for_another_is_an_access_of_theirs_alone() {
    for world in World::both().await {
        found(&world).await;
        let (mother, child) =
            (person(&world, "Иванова", "1990-01-01").await, person(&world, "Иванова", "2020-01-01").await);
        let born = birth(&world, child, mother, "2020-01-01").await;
        let token = token(&world, mother);
        let whom = format!("person={child}");
        let last = world.store.position().await.expect("a position");
        let account = format!("/v1/account?wait_for={last}");
        // Her own account is no access, though the birth concerns the child too.
        ask(&world, &token, None, "GET", &account, None).await.expect(200);
        assert_eq!(recorded(&world).await, Vec::<Value>::new());
        ask(&world, &token, Some(&whom), "GET", &account, None).await.expect(200);
        let looks = recorded(&world).await;
        assert_eq!(looks.len(), 1, "{looks:?}");
        assert_eq!(looks[0]["subjects"], json!([{ "role": "person", "person": child }]));
        assert_eq!(looks[0]["by"], json!({ "role": "representative", "person": mother }));
        assert_eq!(looks[0]["on_behalf_of"], json!({ "person": child }));
        assert_eq!(looks[0]["grounds"], json!({ "register": "births", "record": born }));
        assert_eq!(looks[0]["records"].as_array().map(Vec::len), Some(2), "the profile and the birth");
        let last = world.store.position().await.expect("a position");
        let page_path = format!("{ACCESSES}?wait_for={last}");
        let page = ask(&world, &token, Some(&whom), "GET", &page_path, None).await.expect(200);
        let record = page["items"][0]["record"].as_str().expect("a record");
        // To read that list for the child is one more; her own has nothing.
        assert_eq!(recorded(&world).await.len(), 2);
        assert_eq!(ask(&world, &token, None, "GET", &page_path, None).await.expect(200)["items"], json!([]));
        let question = format!("{ACCESSES}/{record}/question");
        let why = Some(json!({ "question": "Was it me?" }));
        ask(&world, &token, Some(&whom), "POST", &question, why).await.expect(201);
        let asked = recorded(&world).await;
        let asked = asked.iter().find(|body| body["question"] == "Was it me?").expect("it is asked");
        assert_eq!(asked["asked_by"], json!(mother));
        assert_eq!(asked["asked_on_behalf"], json!({ "person": child }));
        world.end().await;
    }
}

/// Persons and looks of the one finding that there is.
fn finding(findings: &Value) -> (u64, usize) {
    let findings = findings.as_array().expect("a list");
    assert_eq!(findings.len(), 1, "{findings:?}");
    let evidence = findings[0]["evidence"].as_array().map(Vec::len).unwrap_or_default();
    assert_eq!(findings[0]["looks"], evidence);
    (findings[0]["persons"].as_u64().unwrap_or_default(), evidence)
}

#[tokio::test]
async fn a_report_is_asked_for_rightly() {
    let [world, other] = World::both().await;
    for query in [
        "from=yesterday",
        "to=2026-06-01",
        "from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z",
        "persons=0",
        "minutes=1000000",
        "purpose_persons=-1",
        "utc_offset=900",
        "unknown=1",
    ] {
        let answer = world.get(Who::Auditor, &format!("/v1/reports/accesses?{query}")).await;
        assert_eq!(answer.problem(400).0, "invalid-request", "{query}");
    }
    world.end().await;
    other.end().await;
}
