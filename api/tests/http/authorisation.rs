//! Who may do what: every endpoint, every role. An endpoint with no case here fails the walk below.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::search;
use crate::world::{Who, World};

/// Endpoints that answer everyone alike, each reviewed: see the file.
const PUBLIC: &str = include_str!("public-endpoints.txt");

/// Who sees what is private in an answer.
pub type Sees = fn(Who) -> bool;

/// What is asked, and what each is answered.
pub struct Case {
    method: &'static str,
    template: &'static str,
    url: String,
    body: Option<Value>,
    /// The status for each.
    status: fn(Who) -> u16,
    /// Where what is private would be, and who sees it.
    private: Option<(&'static str, Sees)>,
}

impl Case {
    pub fn get(template: &'static str, url: String, status: fn(Who) -> u16) -> Self {
        Self { method: "GET", template, url, body: None, status, private: None }
    }

    pub fn post(template: &'static str, url: String, body: Value, status: fn(Who) -> u16) -> Self {
        Self { method: "POST", template, url, body: Some(body), status, private: None }
    }

    /// By any method.
    pub fn of(
        method: &'static str,
        template: &'static str,
        url: String,
        body: Option<Value>,
        status: fn(Who) -> u16,
    ) -> Self {
        Self { method, template, url, body, status, private: None }
    }

    pub fn showing(self, pointer: &'static str, sees: Sees) -> Self {
        Self { private: Some((pointer, sees)), ..self }
    }
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

fn hidden(who: Who) -> u16 {
    if concerned(who) { 200 } else { 404 }
}

fn unless_whole(who: Who) -> u16 {
    if whole(who) { 200 } else { 404 }
}

fn own(who: Who) -> u16 {
    match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    }
}

fn concerning(who: Who) -> u16 {
    if who == Who::OtherCitizen { 404 } else { own(who) }
}

/// Cases over a restricted register in which one record, entry 0, concerns the citizen.
fn cases(record: &str) -> Vec<Case> {
    let mut cases = appending(record);
    cases.extend(entries());
    cases.extend(records(record));
    cases.extend(accounts(record));
    cases.extend(crate::representation::cases());
    cases.extend(crate::consent::cases());
    cases.extend(crate::oauth::cases());
    cases.extend(crate::accesses::cases());
    cases.extend(search::cases());
    cases.extend(crate::feeds::cases());
    cases.extend(crate::proactive_http::cases());
    cases.extend(crate::webhook_owners::cases());
    cases.extend(crate::notifications::cases());
    cases.extend(crate::projections::cases());
    cases
}

fn appending(record: &str) -> Vec<Case> {
    let entry = json!({ "type": "amended", "record": record, "body": { "valid_until": "2037-01-01" } });
    let url = "/v1/registers/notices/entries".to_owned();
    vec![Case::post("/v1/registers/{register}/entries", url, entry, |who| match who {
        Who::System => 201,
        Who::Anyone => 401,
        _ => 403,
    })]
}

fn entries() -> Vec<Case> {
    let url = |end: &str| format!("/v1/registers/notices/entries{end}");
    vec![
        Case::get("/v1/registers/{register}/entries", url(""), always).showing("/items/0/body", concerned),
        Case::get("/v1/registers/{register}/entries/{index}", url("/0"), always).showing("/body", concerned),
        Case::get("/v1/registers/{register}/entries/{index}/receipt", url("/0/receipt"), always)
            .showing("/body", concerned),
    ]
}

fn records(record: &str) -> Vec<Case> {
    let url = |end: &str| format!("/v1/registers/notices/{end}");
    let listed = |who| match who {
        _ if whole(who) => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let number = json!({ "number": "A001" });
    let history = format!("records/{record}/history");
    vec![
        Case::get("/v1/registers/{register}/records", url("records"), listed)
            .showing("/items/0/number", whole),
        Case::get("/v1/registers/{register}/records/{record}", url(&format!("records/{record}")), hidden)
            .showing("/content", concerned),
        Case::get("/v1/registers/{register}/records/{record}/history", url(&history), hidden),
        Case::get("/v1/registers/{register}/numbers/{number}", url("numbers/A001"), unless_whole)
            .showing("/record", whole),
        Case::post("/v1/registers/{register}/lookup", url("lookup"), number, unless_whole)
            .showing("/record", whole),
    ]
}

fn accounts(record: &str) -> Vec<Case> {
    let citizen: Sees = |who| who == Who::Citizen;
    let one = format!("/v1/account/records/{record}");
    let history = format!("{one}/history");
    let receipt = format!("{one}/entries/1/receipt");
    vec![
        Case::get("/v1/account/records/{record}/entries/{version}/receipt", receipt, concerning)
            .showing("/body", citizen),
        Case::get("/v1/account", "/v1/account".to_owned(), own).showing("/items/0/number", citizen),
        Case::get("/v1/account/records", "/v1/account/records".to_owned(), own)
            .showing("/items/0/number", citizen),
        Case::get("/v1/account/records/{record}", one, concerning).showing("/content", citizen),
        Case::get("/v1/account/records/{record}/history", history, concerning),
    ]
}

#[tokio::test]
async fn everyone_gets_what_is_theirs_and_no_more() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let record = entry["record"].as_str().expect("a record").to_owned();
        let wait = entry["position"].to_string();
        // A stream would not end by itself.
        world.state.feeds().stop();
        for case in cases(&record) {
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

#[test]
fn every_endpoint_has_a_case() {
    let cased: BTreeSet<(String, String)> =
        cases("").iter().map(|case| (case.method.to_owned(), case.template.to_owned())).collect();
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
}
