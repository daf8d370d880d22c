//! Who may do what: every endpoint, every role. An endpoint with no case here fails the walk below.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{Who, World};

/// Endpoints that answer everyone alike, each reviewed: see the file.
const PUBLIC: &str = include_str!("public-endpoints.txt");

struct Case {
    method: &'static str,
    template: &'static str,
    url: String,
    body: Option<Value>,
    /// The status for each.
    status: fn(Who) -> u16,
    /// Where a body would be, and who sees it.
    private: Option<(&'static str, fn(Who) -> bool)>,
}

fn whole(who: Who) -> bool {
    matches!(who, Who::Official | Who::System | Who::Auditor)
}

fn concerned(who: Who) -> bool {
    whole(who) || who == Who::Citizen
}

fn always(_: Who) -> u16 {
    200
}

fn account(who: Who, other_citizen: u16) -> u16 {
    match who {
        Who::Citizen => 200,
        Who::OtherCitizen => other_citizen,
        Who::Anyone => 401,
        _ => 403,
    }
}

/// Cases over a restricted register in which one record, entry 0, concerns the citizen.
fn cases(world: &World, record: &str) -> Vec<Case> {
    let base = "/v1/registers/notices";
    let get = |template, url: String, status, private| Case {
        method: "GET",
        template,
        url,
        body: None,
        status,
        private,
    };
    let hidden = |who| if concerned(who) { 200 } else { 404 };
    let numbers = |who| if whole(who) { 200 } else { 404 };
    vec![
        Case {
            method: "POST",
            template: "/v1/registers/{register}/entries",
            url: format!("{base}/entries"),
            body: Some(
                json!({ "type": "amended", "record": record, "body": { "valid_until": "2037-01-01" } }),
            ),
            status: |who| match who {
                Who::System => 201,
                Who::Anyone => 401,
                _ => 403,
            },
            private: None,
        },
        get(
            "/v1/registers/{register}/entries",
            format!("{base}/entries"),
            always,
            Some(("/items/0/body", concerned)),
        ),
        get(
            "/v1/registers/{register}/entries/{index}",
            format!("{base}/entries/0"),
            always,
            Some(("/body", concerned)),
        ),
        get(
            "/v1/registers/{register}/entries/{index}/receipt",
            format!("{base}/entries/0/receipt"),
            always,
            Some(("/body", concerned)),
        ),
        get(
            "/v1/registers/{register}/records",
            format!("{base}/records"),
            |who| {
                if whole(who) {
                    200
                } else if who == Who::Anyone {
                    401
                } else {
                    403
                }
            },
            Some(("/items/0/number", whole)),
        ),
        get(
            "/v1/registers/{register}/records/{record}",
            format!("{base}/records/{record}"),
            hidden,
            Some(("/content", concerned)),
        ),
        get(
            "/v1/registers/{register}/records/{record}/history",
            format!("{base}/records/{record}/history"),
            hidden,
            None,
        ),
        get(
            "/v1/registers/{register}/numbers/{number}",
            format!("{base}/numbers/A001"),
            numbers,
            Some(("/record", whole)),
        ),
        Case {
            method: "POST",
            template: "/v1/registers/{register}/lookup",
            url: format!("{base}/lookup"),
            body: Some(json!({ "number": "A001" })),
            status: numbers,
            private: Some(("/record", whole)),
        },
        get(
            "/v1/account",
            "/v1/account".to_owned(),
            |who| account(who, 200),
            Some(("/items/0/number", |who| who == Who::Citizen)),
        ),
        get(
            "/v1/account/records",
            "/v1/account/records".to_owned(),
            |who| account(who, 200),
            Some(("/items/0/number", |who| who == Who::Citizen)),
        ),
        get(
            "/v1/account/records/{record}",
            format!("/v1/account/records/{record}"),
            |who| account(who, 404),
            None,
        ),
        get(
            "/v1/account/records/{record}/history",
            format!("/v1/account/records/{record}/history"),
            |who| account(who, 404),
            None,
        ),
    ]
    .into_iter()
    .inspect(|_| assert_ne!(world.citizen, world.other_citizen))
    .collect()
}

#[tokio::test]
async fn everyone_gets_what_is_theirs_and_no_more() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let record = entry["record"].as_str().expect("a record").to_owned();
        let wait = entry["position"].to_string();
        for case in cases(&world, &record) {
            for who in Who::ALL {
                let headers = [("wait-for", wait.as_str())];
                let answer = world.send(who, case.method, &case.url, &headers, case.body.clone()).await;
                let words = format!("{who:?} {} {}: {}", case.method, case.url, answer.text());
                assert_eq!(answer.status, (case.status)(who), "{words}");
                if let Some((pointer, sees)) = case.private {
                    let shown = answer.json().pointer(pointer).is_some_and(|value| !value.is_null());
                    assert_eq!(shown, sees(who), "{words}");
                }
            }
        }
        world.end().await;
    }
}

#[tokio::test]
async fn what_may_not_be_seen_looks_like_what_is_not_there() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let (record, wait) = (entry["record"].as_str().expect("a record"), entry["position"].to_string());
        let nothing = uuid::Uuid::from_u128(1);
        for (there, absent) in [
            (
                format!("/v1/registers/notices/records/{record}"),
                format!("/v1/registers/notices/records/{nothing}"),
            ),
            (
                format!("/v1/registers/notices/records/{record}/history"),
                format!("/v1/registers/notices/records/{nothing}/history"),
            ),
            (
                "/v1/registers/notices/numbers/A001".to_owned(),
                "/v1/registers/notices/numbers/A002".to_owned(),
            ),
            (format!("/v1/account/records/{record}"), format!("/v1/account/records/{nothing}")),
            (
                format!("/v1/account/records/{record}/history"),
                format!("/v1/account/records/{nothing}/history"),
            ),
        ] {
            let headers = [("wait-for", wait.as_str())];
            let hidden = world.send(Who::OtherCitizen, "GET", &there, &headers, None).await;
            let missing = world.send(Who::OtherCitizen, "GET", &absent, &headers, None).await;
            assert_eq!(hidden.status, 404, "{there}");
            assert_eq!((hidden.status, hidden.bytes), (missing.status, missing.bytes), "{there}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn every_endpoint_has_a_case() {
    let [world, other] = World::both().await;
    let cased: BTreeSet<(String, String)> =
        cases(&world, "").iter().map(|case| (case.method.to_owned(), case.template.to_owned())).collect();
    let public: BTreeSet<(String, String)> = PUBLIC
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let document = api::openapi::document();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let known: BTreeSet<_> = cased.union(&public).cloned().collect();
    assert!(cased.is_disjoint(&public), "an endpoint is both public and has a case");
    assert_eq!(
        described, known,
        "left: described by OpenAPI; right: with a case, or in public-endpoints.txt"
    );
    for (method, path) in &public {
        let operation = &document["paths"][path][method.to_lowercase()];
        assert!(operation["security"].is_null(), "{method} {path} is public and says that it takes a token");
    }
    world.end().await;
    other.end().await;
}
