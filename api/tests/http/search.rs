//! Search: what an official and a citizen find by words, what they do not, and what is asked of them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::authorisation::Case;
use crate::relatives;
use crate::world::{Answer, Who, World, append};

/// Who may search: by a record of a restricted register that concerns the citizen.
pub fn cases() -> Vec<Case> {
    let searched = |who| match who {
        Who::Official | Who::System | Who::Auditor => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let own = |who| match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let notices = json!({ "query": "A001", "registers": ["notices"] });
    vec![
        Case::post("/v1/search", "/v1/search".to_owned(), notices, searched)
            .showing("/items/0/number", |who| matches!(who, Who::Official | Who::System | Who::Auditor)),
        Case::post("/v1/account/search", "/v1/account/search".to_owned(), json!({ "query": "A001" }), own)
            .showing("/items/0/number", |who| who == Who::Citizen),
    ]
}

async fn ask(world: &World, who: Who, path: &str, input: Value) -> Answer {
    let position = world.store.position().await.expect("a position").to_string();
    world.send(who, "POST", path, &[("wait-for", &position)], Some(input)).await
}

/// The numbers of what was found, in order.
async fn found(world: &World, who: Who, input: Value) -> Vec<String> {
    let path = if who == Who::Citizen { "/v1/account/search" } else { "/v1/search" };
    numbers(&ask(world, who, path, input).await.expect(200))
}

fn numbers(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["number"].as_str().expect("a number").to_owned()).collect()
}

async fn official(world: &World, query: &str) -> Vec<String> {
    found(world, Who::Official, json!({ "query": query })).await
}

/// Another person's entry.
async fn person(world: &World, body: Value) -> Uuid {
    append(&world.registry, "persons", "platform", "opened", body).await.appended.record
}

async fn issue(world: &World, register: &str, number: &str, holders: &[Uuid]) {
    let mut body = world.body(number);
    body["subjects"] = holders.iter().map(|person| json!({ "role": "holder", "person": person })).collect();
    let entry = json!({ "type": "issued", "body": body });
    world.post(Who::System, &format!("/v1/registers/{register}/entries"), entry).await.expect(201);
}

#[tokio::test]
async fn an_official_finds_records_by_name_number_date_and_title() {
    for world in World::both().await {
        let name = json!({ "family": "Ёлкина", "given": "Марфа", "patronymic": "Львовна" });
        let marfa = json!({ "name": name, "birth_date": "1980-02-03", "sex": "female", "snils": "112-233-445 95",
            "phone": "+79001234567" });
        let marfa = person(&world, marfa).await;
        issue(&world, "notices", "A001", &[world.citizen]).await;
        issue(&world, "notices", "A002", &[marfa]).await;
        issue(&world, "permits", "B003", &[marfa, world.citizen]).await;
        for (query, expected) in [
            ("иванова", vec!["B003", "A001"]),
            ("ИВАНОВОЙ", vec!["B003", "A001"]),
            ("елкину", vec!["B003", "A002"]),
            ("ёлкина марфа -иванова", vec!["A002"]),
            ("\"Ёлкина Марфа Львовна\"", vec!["B003", "A002"]),
            ("\"марфа ёлкина\"", vec![]),
            ("марф*", vec!["B003", "A002"]),
            ("ёлкина иванова", vec!["B003"]),
            // Numbers, with Latin and Cyrillic letters alike.
            ("A001", vec!["A001"]),
            ("а-001", vec!["A001"]),
            ("A00*", vec!["A002", "A001"]),
            ("112-233-445 95", vec!["B003", "A002"]),
            ("11223344595", vec!["B003", "A002"]),
            ("112 233 445 95 A002", vec!["A002"]),
            // A person's numbers are not guessed from their beginnings, nor their other data found here.
            ("1122*", vec![]),
            ("112", vec![]),
            ("79001234567", vec![]),
            ("2036-01-01", vec!["B003", "A002", "A001"]),
            ("01.01.2036", vec!["B003", "A002", "A001"]),
            ("notice", vec!["A002", "A001"]),
            ("permits иванова", vec!["B003"]),
            ("иванова -permits", vec!["A001"]),
            ("иванова 2037", vec![]),
        ] {
            assert_eq!(official(&world, query).await, expected, "{query}");
        }
        let narrowed = json!({ "query": "иванова", "registers": ["permits"], "status": "valid" });
        assert_eq!(found(&world, Who::System, narrowed).await, ["B003"]);
        let suspended = json!({ "query": "иванова", "status": "suspended" });
        assert!(found(&world, Who::System, suspended).await.is_empty());
        let item = &ask(&world, Who::Official, "/v1/search", json!({ "query": "A001" })).await.expect(200)["items"]
            [0];
        assert_eq!(
            (&item["register"], &item["register_title"]["en"]),
            (&json!("notices"), &json!("notices"))
        );
        assert!(item.get("content").is_none() && item.get("body").is_none());
        world.end().await;
    }
}

#[tokio::test]
async fn records_follow_what_their_persons_are_called() {
    for world in World::both().await {
        issue(&world, "notices", "A001", &[world.citizen]).await;
        assert_eq!(official(&world, "Иванова").await, ["A001"]);
        let married = json!({ "type": "amended", "record": world.citizen,
            "body": { "name": { "family": "Сидорова", "given": "А" } } });
        world.post(Who::Operator, "/v1/registers/persons/entries", married).await.expect(201);
        assert_eq!(official(&world, "Сидорова").await, ["A001"]);
        assert!(official(&world, "Иванова").await.is_empty());
        // A record that concerns somebody else now is not found by the name of whom it concerned.
        let record = ask(&world, Who::Official, "/v1/search", json!({ "query": "A001" })).await.expect(200);
        let passed = json!({ "type": "amended", "record": record["items"][0]["record"],
            "body": { "subjects": [{ "role": "holder", "person": world.other_citizen }] } });
        world.post(Who::System, "/v1/registers/notices/entries", passed).await.expect(201);
        assert!(official(&world, "Сидорова").await.is_empty());
        assert_eq!(official(&world, "Петров").await, ["A001"]);
        assert!(found(&world, Who::Citizen, json!({ "query": "A001" })).await.is_empty());
        world.end().await;
    }
}

#[tokio::test]
async fn a_citizen_searches_what_concerns_them_and_nobody_s_name() {
    for world in World::both().await {
        issue(&world, "notices", "A001", &[world.citizen, world.other_citizen]).await;
        issue(&world, "permits", "A002", &[world.citizen]).await;
        issue(&world, "permits", "A003", &[world.other_citizen]).await;
        let citizen = async |query: &str| found(&world, Who::Citizen, json!({ "query": query })).await;
        assert_eq!(citizen("A00*").await, ["A002", "A001"]);
        assert_eq!(citizen("notices").await, ["A001"]);
        assert_eq!(citizen("2036 -notices").await, ["A002"]);
        for nothing in ["A003", "Петров", "Пет*", "\"Петров А\"", "Иванова", "2036 -2036"]
        {
            assert!(citizen(nothing).await.is_empty(), "{nothing}");
        }
        // Nor does leaving a name out tell of it.
        assert_eq!(citizen("A001 -Петров").await, ["A001"]);
        assert_eq!(citizen("A001 -\"Петров А\"").await, ["A001"]);
        world.end().await;
    }
}

#[tokio::test]
async fn a_result_is_walked_in_pages_the_number_asked_for_first() {
    for world in World::both().await {
        for n in 0..7 {
            issue(&world, "permits", &format!("A00{n}"), &[world.citizen]).await;
        }
        let (mut all, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let input = json!({ "query": "иванова", "limit": 3, "cursor": cursor });
            let page = ask(&world, Who::Official, "/v1/search", input).await.expect(200);
            all.extend(numbers(&page));
            assert!(all.len() <= 7, "{all:?}");
            cursor = page["next"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(all, ["A006", "A005", "A004", "A003", "A002", "A001", "A000"]);
        // The other's name is a number too, and the newest.
        let name = json!({ "family": "A002", "given": "Ы" });
        let other =
            person(&world, json!({ "name": name, "birth_date": "1980-02-03", "sex": "female" })).await;
        issue(&world, "permits", "A009", &[other]).await;
        assert_eq!(official(&world, "a-002").await, ["A002", "A009"]);
        // Words as they were written come before others of their stem.
        let name = json!({ "family": "Иванову", "given": "Ы" });
        let other =
            person(&world, json!({ "name": name, "birth_date": "1980-02-03", "sex": "female" })).await;
        issue(&world, "permits", "A010", &[other]).await;
        issue(&world, "permits", "A011", &[world.citizen]).await;
        assert_eq!(official(&world, "иванову").await[..2], ["A010", "A011"]);
        world.end().await;
    }
}

#[tokio::test]
async fn no_question_is_an_error_of_ours() {
    for world in World::both().await {
        issue(&world, "notices", "A001", &[world.citizen]).await;
        for query in [
            "\"",
            "'",
            "\"\"",
            "*",
            "-",
            "- -",
            "a\"b",
            "AND",
            "OR NOT",
            "NEAR(a b)",
            "words:a",
            "{names}:x",
            "^a",
            "a + b",
            "(",
            ")",
            "((((",
            "a OR b) --",
            "'; DROP TABLE search_record; --",
            "\u{0}",
            "a\u{0}b",
            "%_%",
            "\\",
            "\\'",
            "a:*",
            "a & b | !c",
            "<->",
            "''",
            "\u{202e}\u{feff}",
            "🦀",
            "a 🦀 b",
            "-a -b",
            "\"a",
            "-\"",
            "_a",
            "__",
            "_ива*",
            "1 2 3 4 5 6 7 8 9 10 11 12",
            "٣٤٥",
            "½ ²",
            "ﬁ",
            "İ",
            "ß",
            "\u{301}\u{301}",
        ] {
            for (who, path) in [(Who::Official, "/v1/search"), (Who::Citizen, "/v1/account/search")] {
                let answer = ask(&world, who, path, json!({ "query": query })).await;
                if answer.status == 400 {
                    let (kind, problem) = answer.problem(400);
                    assert_eq!(
                        (kind.as_str(), &problem["errors"][0]["pointer"]),
                        ("invalid-request", &json!("/query"))
                    );
                } else {
                    assert_eq!(answer.status, 200, "{query:?}: {}", answer.text());
                }
            }
        }
        let pointed = async |input: Value| {
            let problem = ask(&world, Who::Official, "/v1/search", input).await.problem(400).1;
            problem["errors"][0]["pointer"].as_str().map(str::to_owned)
        };
        assert_eq!(pointed(json!({ "query": "я ".repeat(200) })).await.as_deref(), Some("/query"));
        assert_eq!(
            pointed(json!({ "query": "a", "registers": ["no-such"] })).await.as_deref(),
            Some("/registers/0")
        );
        assert_eq!(
            pointed(json!({ "query": "a", "registers": ["notices", "\u{0}"] })).await.as_deref(),
            Some("/registers/1")
        );
        assert_eq!(pointed(json!({ "query": "a", "status": "\u{0}" })).await.as_deref(), Some("/status"));
        for malformed in [json!({}), json!([]), json!({ "query": 1 }), json!({ "query": "a", "q": "b" })] {
            assert_eq!(pointed(malformed).await, None);
        }
        for (limit, cursor) in [(0, Value::Null), (201, Value::Null), (1, json!("nonsense"))] {
            let input = json!({ "query": "a", "limit": limit, "cursor": cursor });
            ask(&world, Who::Official, "/v1/search", input).await.problem(400);
        }
        world.send(Who::Official, "GET", "/v1/search?query=a", &[], None).await.problem(405);
        world.end().await;
    }
}

#[tokio::test]
async fn what_is_found_is_an_access() {
    for world in World::both().await {
        issue(&world, "notices", "A001", &[world.citizen]).await;
        let position = world.store.position().await.expect("a position").to_string();
        let bare = |query: &str| {
            let (headers, body) =
                ([("wait-for", position.as_str()), ("purpose", "work")], json!({ "query": query }));
            let world = &world;
            async move { world.send(Who::Official, "POST", "/v1/search", &headers, Some(body)).await }
        };
        // Without a legal basis nothing is looked for: that nothing was found would tell of people too, letter by letter.
        for query in ["иванова", "нетакойфамилии"] {
            assert_eq!(bare(query).await.problem(400).0, "purpose-required");
        }
        for number in ["A001", "A999"] {
            let headers = [("wait-for", position.as_str()), ("purpose", "work")];
            let path = "/v1/registers/notices/lookup";
            let asked =
                world.send(Who::Official, "POST", path, &headers, Some(json!({ "number": number }))).await;
            assert_eq!(asked.problem(400).0, "purpose-required");
        }
        let size = async || {
            let head = world.get(Who::Anyone, "/v1/registers/accesses").await.expect(200);
            head["size"].as_u64().expect("a size")
        };
        let before = size().await;
        assert_eq!(official(&world, "иванова").await, ["A001"]);
        assert_eq!(size().await, before + 1);
        // One's own account is one's own.
        assert_eq!(found(&world, Who::Citizen, json!({ "query": "A001" })).await, ["A001"]);
        assert_eq!(size().await, before + 1);
        world.end().await;
    }
}

#[tokio::test]
async fn who_acts_for_another_searches_what_the_record_opens() {
    for world in World::both().await {
        relatives::found(&world).await;
        let (principal, attorney) = (world.citizen, world.other_citizen);
        issue(&world, "notices", "A001", &[principal]).await;
        issue(&world, "permits", "A002", &[principal]).await;
        let mut works = crate::world::definition("works", "roads", "restricted");
        works["subjects"][0]["kinds"] = json!(["person", "organisation"]);
        world.registry.define_register(works).await.expect("the register is defined");
        let mut body = world.body("W001");
        body["subjects"] = json!([{ "role": "holder", "organisation": relatives::organisation() }]);
        relatives::enter(&world, "works", None, "issued", body).await;
        let token = relatives::token(&world, attorney);
        let asked = async |whom: &str, input: Value| {
            let path =
                format!("/v1/account/search?wait_for={}", world.store.position().await.expect("a position"));
            relatives::ask(&world, &token, Some(whom), "POST", &path, Some(input)).await
        };
        let whom = format!("person={principal}");
        asked(&whom, json!({ "query": "A00*" })).await.problem(403);
        let scope = json!({ "registers": ["notices"], "actions": ["read"] });
        relatives::power(&world, principal, attorney, &scope, "2026-12-31").await;
        assert_eq!(numbers(&asked(&whom, json!({ "query": "A00*" })).await.expect(200)), ["A001"]);
        asked(&whom, json!({ "query": "A00*", "registers": ["permits"] })).await.problem(403);
        let whom = format!("organisation={}", relatives::OGRN);
        asked(&whom, json!({ "query": "ромашка" })).await.problem(403);
        relatives::head(&world, attorney).await;
        let works = json!({ "query": "ромашки W001", "registers": ["works"] });
        assert_eq!(numbers(&asked(&whom, works).await.expect(200)), ["W001"]);
        world.end().await;
    }
}
