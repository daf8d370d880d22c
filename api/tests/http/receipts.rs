//! Receipts for people: of any entry that concerns them, for nobody else, and verified with the keys that are served.

use proofs::hash::sha256;
use proofs::keyring::Keyring;
use proofs::receipt::{StepName, Verdict, examine, text};
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

/// The page of an entry's receipt, in this language.
async fn page(world: &World, who: Who, address: &str, language: &str) -> Answer {
    let headers = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    world.send(who, "GET", &format!("{address}?language={language}"), &headers, None).await
}

/// The witnesses of a receipt of the citizen, which the page names too.
pub async fn witnessed(world: &World, record: &str) -> Vec<String> {
    let proven = proven(world, &world.get(Who::Citizen, &url(record, 1)).await).await;
    let page = page(world, Who::Citizen, &url(record, 1), "en").await;
    let mut names: Vec<String> = proven.witnessed.into_iter().map(|one| one.witness).collect();
    assert!(names.iter().all(|name| page.text().contains(&format!("{name} (<time"))), "{}", page.text());
    names.sort();
    names
}

#[tokio::test]
async fn the_page_says_what_the_entry_says_and_can_be_verified_itself() {
    for world in World::both().await {
        let mut calls = definition("calls", "roads", "restricted");
        calls["kind"] = json!("notice");
        calls["types"][0]["schema"]["properties"]["snils"]["title"] = json!("Номер <СНИЛС>");
        calls["types"][0]["schema"]["properties"]["snils"]["format"] = json!("date");
        world.registry.define_register(calls).await.expect("it is defined");
        let mut body = world.body("A001");
        body["snils"] = json!("2026-05-05");
        let record = enter(&world, "calls", None, "issued", body).await.appended.record;
        world.clock.advance(60_000);
        let reason = "<script>alert('1')</script> & \"2\" </pre><!--";
        enter(&world, "calls", Some(record), "revoked", json!({ "reason": reason })).await;
        let record = record.to_string();

        let first = page(&world, Who::Citizen, &url(&record, 1), "ru").await;
        let second = page(&world, Who::Citizen, &url(&record, 2), "en").await;
        for answer in [&first, &second] {
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (200, "text/html; charset=utf-8")
            );
            assert_eq!((answer.header("vary"), answer.header("cache-control")), ("accept", "no-store"));
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'sha256-")
                    && !policy.contains("script-src"),
                "{policy}"
            );
            for foreign in ["<script", "http://", "https://", "src=", "<link", "style=", "<!--"] {
                assert!(!answer.text().contains(foreign), "it has {foreign}");
            }
            let receipt = text::find(&answer.bytes).expect("the page holds the receipt");
            let found = examine(&receipt, &keys(&world).await, None);
            assert_eq!(found.verdict, Verdict::Verified, "{found:#?}");
        }
        assert!(first.header("content-disposition").starts_with("inline; filename=\"receipt-0"));
        for said in [
            "<html lang=\"ru\">",
            "По-русски: Issued",
            "Номер &lt;СНИЛС&gt;",
            "По-русски: Number",
            "2036-01-01",
            "1-FZ",
            "видна в личном кабинете: <strong><time datetime=\"2026-06-01T12:00:00.000Z\">2026-06-01 12:00:00.000 UTC",
        ] {
            assert!(first.text().contains(said), "{said} is not in\n{}", first.text());
        }
        for said in [
            "<html lang=\"en\">",
            "Revoked",
            "&lt;script&gt;alert(&#39;1&#39;)",
            "appeared in the account before: <time datetime=\"2026-06-01T12:00:00.000Z\"",
            "in the account since: <strong><time datetime=\"2026-06-01T12:01:00.000Z\"",
        ] {
            assert!(second.text().contains(said), "{said} is not in\n{}", second.text());
        }
        page(&world, Who::OtherCitizen, &url(&record, 1), "ru").await.problem(404);
        page(&world, Who::Citizen, &url(&record, 1), "de").await.problem(400);
        let plain = world.permit("permits", "A002").await;
        let plain =
            page(&world, Who::Citizen, &url(plain["record"].as_str().expect("a record"), 1), "en").await;
        assert!(!plain.text().contains("legally significant"), "a permit is no notice");
        world.end().await;
    }
}

#[tokio::test]
async fn a_withheld_body_is_said_to_be_withheld_and_the_rest_is_proved() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let record = entry["record"].as_str().expect("a record");
        let id = record.parse().expect("a UUID");
        enter(&world, "notices", Some(id), "amended", json!({ "valid_until": "2031-12-31" })).await;
        let order = crate::withholding::order(&entry["record"], &[2]);
        world.post(Who::System, "/v1/registers/notices/entries", order).await.expect(201);
        let proven = proven(&world, &world.get(Who::Citizen, &url(record, 2)).await).await;
        assert_eq!((proven.entry_type.as_str(), proven.body_shown), ("amended", false));
        let shown = page(&world, Who::Citizen, &url(record, 2), "en").await;
        for said in
            ["The content of the entry is withheld", "Тверской районный суд, № 2-1/2026 of 2026-02-01"]
        {
            assert!(shown.text().contains(said), "{said} is not in\n{}", shown.text());
        }
        assert!(!shown.text().contains("2031-12-31"));
        let order = page(&world, Who::Citizen, &url(record, 3), "en").await;
        assert!(
            order.text().contains("Withheld by order") && order.text().contains("2-1/2026"),
            "{}",
            order.text()
        );
        world.end().await;
    }
}

#[tokio::test]
async fn the_page_that_verifies_may_do_nothing_else() {
    let [world, other] = World::both().await;
    for (language, title) in [("ru", "Проверить квитанцию"), ("en", "Verify a receipt")] {
        let answer = world.get(Who::Anyone, &format!("/verify?language={language}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "public, max-age=60"));
        let page = answer.text();
        assert!(
            page.contains(&format!("<html lang=\"{language}\">"))
                && page.contains(&format!("<title>{title}</title>"))
        );
        let between = |begin: &str, end: &str| {
            let from = page.find(begin).expect("it begins") + begin.len();
            &page[from..from + page[from..].find(end).expect("it ends")]
        };
        let hash = |text: &str| format!("'sha256-{}'", sha256(text.as_bytes()));
        let (script, style) = (hash(between("<script>", "</script>")), hash(between("<style>", "</style>")));
        let policy = format!(
            "default-src 'none'; script-src {script}; style-src {style}; connect-src 'none'; base-uri 'none'; form-action 'none'"
        );
        assert_eq!(answer.header("content-security-policy"), format!("{policy}; frame-ancestors 'none'"));
        assert_eq!(
            between("http-equiv=\"Content-Security-Policy\" content=\"", "\""),
            policy,
            "it holds for a saved copy"
        );
        assert_eq!(page.matches("<script").count(), 2, "the script and the keys");
        for foreign in ["http://", "https://", " src=", "<link", "style=\"", "<form"] {
            assert!(!page.contains(foreign), "it has {foreign}");
        }
        let brought = between("id=\"keys\">", "</script>");
        assert_eq!(
            Keyring::parse(brought.as_bytes()),
            Ok(keys(&world).await),
            "the page brings the keys along"
        );
    }
    world.get(Who::Anyone, "/verify?language=de").await.problem(400);
    world.end().await;
    other.end().await;
}

/// Keys change while a receipt is kept; what it proves then follows from what is said of them.
#[tokio::test]
async fn a_receipt_outlives_its_keys_but_not_their_theft() {
    for world in World::both().await {
        let entry = world.permit("permits", "A001").await;
        let address = url(entry["record"].as_str().expect("a record"), 1);
        let kept = world.get(Who::Citizen, &address).await;
        let about = async |register: &str, record: Uuid, entry_type: &str, body: Value| {
            let entry = json!({ "record": record, "type": entry_type, "body": body });
            world.post(Who::Operator, &format!("/v1/registers/{register}/entries"), entry).await.expect(201)
        };
        let knowledge = world.registry.knowledge();
        let permits =
            knowledge.definitions.current(&"permits".parse().expect("a slug")).expect("it is defined");
        let (record, old) = (permits.record, permits.key.to_string());
        world.clock.advance(1_000);
        about("registers", record, "key-added", json!({})).await;
        about("registers", record, "key-retired", json!({ "key": old, "reason": "a year" })).await;
        assert_eq!(proven(&world, &kept).await.index, 0, "retired since, and good");
        let roads =
            knowledge.departments.get(&"roads".parse().expect("a slug")).expect("it is there").clone();
        about("departments", roads.record, "key-enrolled", json!({})).await;
        let (since, kid) = (world.clock_now().plus_millis(-1_000), roads.keys[0].kid.clone());
        about(
            "departments",
            roads.record,
            "key-compromised",
            json!({ "kid": kid, "since": since.to_string() }),
        )
        .await;
        let found = examine(&kept.bytes, &keys(&world).await, None);
        assert_eq!((found.verdict, found.failed()), (Verdict::Doubtful, None), "{found:#?}");
        about("registers", record, "key-compromised", json!({ "key": old, "since": since.to_string() }))
            .await;
        let found = examine(&kept.bytes, &keys(&world).await, None);
        assert_eq!(
            (found.verdict, found.failed()),
            (Verdict::Faulty, Some(StepName::Checkpoint)),
            "{found:#?}"
        );
        // A new receipt is under the new key.
        let again = world.get(Who::Citizen, &address).await;
        let found = examine(&again.bytes, &keys(&world).await, None);
        assert_eq!(found.verdict, Verdict::Doubtful, "{found:#?}");
        world.end().await;
    }
}
