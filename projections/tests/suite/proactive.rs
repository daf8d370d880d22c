//! Offers, dates and tasks against a naive recomputation, on both stores, over random lives; and replayed.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use eventstore::{Store, args};
use projections::{Options, PageRequest, Runner, dates, digest, offers, rebuild, tasks};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    naive::{self, Fact},
    town::{self, Draft, draft, holder, id, person, slug},
};

const PROJECTIONS: [&str; 3] = ["offers", "dates", "tasks"];

/// Opens the platform's registers with their real definitions, each owned by it.
pub async fn found(store: &Store) -> u64 {
    town::found(store).await;
    let names = ["offers", "requests", "accesses"];
    town::open(store, &names).await;
    let defined = names.iter().zip(4..).map(|(name, n)| town::define(store, n, &fixture(name)));
    town::append(store, &defined.collect::<Vec<_>>()).await
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/../fixtures/registers/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}

#[derive(Clone, Debug)]
pub enum Op {
    Propose { person: u64, cause: u64, expires: Option<u8> },
    Request { department: bool },
    Look,
    Step { record: usize, kind: usize },
    Permit { until: u8, inner: Option<u8> },
    Amend { record: usize, until: Option<u8> },
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..3_u64, 0..3_u64, proptest::option::of(1..28_u8))
            .prop_map(|(person, cause, expires)| Op::Propose { person, cause, expires }),
        any::<bool>().prop_map(|department| Op::Request { department }),
        Just(Op::Look),
        (any::<usize>(), any::<usize>()).prop_map(|(record, kind)| Op::Step { record, kind }),
        (1..28_u8, proptest::option::of(1..28_u8)).prop_map(|(until, inner)| Op::Permit { until, inner }),
        (any::<usize>(), proptest::option::of(1..28_u8))
            .prop_map(|(record, until)| Op::Amend { record, until }),
    ]
}

/// What may follow each status, of each register.
fn next(register: &str, status: &str) -> &'static [(&'static str, &'static str)] {
    match (register, status) {
        ("offers", "proposed") => &[
            ("seen", "seen"),
            ("accepted", "accepted"),
            ("declined", "declined"),
            ("expired", "expired"),
            ("provided", "provided"),
            ("withdrawn", "withdrawn"),
        ],
        ("offers", "seen" | "accepted") => {
            &[("provided", "provided"), ("referred", "referred"), ("withdrawn", "withdrawn")]
        }
        ("offers", "provided") => &[("referred", "referred")],
        ("offers", "referred") => &[("decided", "decided")],
        ("requests", "submitted") => &[("taken", "in-work"), ("granted", "granted"), ("refused", "refused")],
        ("requests", "in-work") => &[("granted", "granted"), ("withdrawn", "withdrawn")],
        ("accesses", "recorded") => &[("questioned", "questioned")],
        ("accesses", "questioned") => &[("answered", "answered")],
        _ => &[],
    }
}

struct Made {
    register: &'static str,
    record: Uuid,
    version: u64,
    status: &'static str,
}

pub fn drafts(ops: &[Op]) -> Vec<Draft> {
    let (mut drafts, mut made) = (Vec::new(), Vec::<Made>::new());
    for (n, op) in (0_u64..).zip(ops) {
        let mut open = |register: &'static str, kind: &str, status, body| {
            let record = id(7, n);
            drafts.push(draft(register, record, 1, kind, body));
            made.push(Made { register, record, version: 1, status });
        };
        match op {
            Op::Propose { person: to, cause, expires } => {
                open("offers", "proposed", "proposed", proposal(n, *to, *cause, *expires));
            }
            Op::Request { department } => {
                let department = if *department { "roads" } else { "woods" };
                let body = json!({ "subjects": [{ "role": "applicant", "person": person(n % 3) }], "service": "a-service",
                    "title": { "ru": "у", "en": "s" }, "department": department, "values": {}, "by": person(0) });
                open("requests", "submitted", "submitted", body);
            }
            Op::Look => {
                let body = json!({ "by": { "role": "auditor" }, "department": "woods", "endpoint": "record",
                    "subjects": [{ "role": "person", "person": person(1) }] });
                open("accesses", "recorded", "recorded", body);
            }
            Op::Permit { until, inner } => {
                let mut body = json!({ "valid_from": "2026-01-01", "valid_until": day(*until), "note": "2026-13-01",
                    "subjects": [holder(person(0))] });
                if let Some(inner) = inner {
                    body["exam"] = json!({ "passed_on": day(*inner), "by": ["2026-01-01"] });
                }
                open("permits", "issued", "valid", body);
            }
            Op::Amend { record, until } => {
                let mut permits: Vec<_> = made.iter_mut().filter(|made| made.register == "permits").collect();
                let count = permits.len();
                if count > 0 {
                    let permit = permits.swap_remove(record % count);
                    permit.version += 1;
                    let body = json!({ "valid_until": until.map(day), "exam": { "seen": true } });
                    drafts.push(draft("permits", permit.record, permit.version, "amended", body));
                }
            }
            Op::Step { record, kind } => {
                let mut alive: Vec<_> =
                    made.iter_mut().filter(|made| !next(made.register, made.status).is_empty()).collect();
                let count = alive.len();
                if count > 0 {
                    drafts.push(alive.swap_remove(record % count).step(*kind));
                }
            }
        }
    }
    drafts
}

impl Made {
    fn step(&mut self, kind: usize) -> Draft {
        let steps = next(self.register, self.status);
        let (kind, status) = steps[kind % steps.len()];
        self.version += 1;
        self.status = status;
        // Who refers an offer may name another department than its rule did.
        let body = match kind {
            "referred" => json!({ "reason": "the cause fell away", "department": "woods" }),
            _ => json!({ "reason": "because" }),
        };
        draft(self.register, self.record, self.version, kind, body)
    }
}

fn proposal(n: u64, to: u64, cause: u64, expires: Option<u8>) -> Value {
    let mut body = json!({
        "key": format!("{n:043}"), "subjects": [{ "role": "addressee", "person": person(to) }],
        "rule": { "record": id(8, 1), "slug": "a-rule", "version": 2 },
        "cause": { "kind": "entry", "register": "births", "record": id(2, cause), "version": 1, "type": "recorded", "position": 1 },
        "evaluated": { "position": 1, "today": "2026-06-01" }, "values": {}, "effect": { "kind": "inform" },
        "title": { "ru": "Т", "en": "T" }, "kind": "family", "department": "roads", "legal_basis": [],
    });
    if let Some(expires) = expires {
        body["expires_on"] = json!(day(expires));
    }
    body
}

fn day(n: u8) -> String {
    format!("2027-02-{n:02}")
}

#[test]
fn random_lives_read_as_recomputed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 8, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(vec(op(), 1..60), 1..9_u32), |(ops, batch_entries)| {
        runtime.block_on(async {
            let mut digests = Vec::new();
            for database in Database::both().await {
                let store = database.open(&clock()).await;
                digests.push(case(&store, &drafts(&ops), batch_entries).await);
                store.close().await;
            }
            assert_eq!(digests[0], digests[1], "both stores hold the same rows");
        });
        Ok(())
    });
    run.unwrap();
}

async fn case(store: &Store, drafts: &[Draft], batch_entries: u32) -> Vec<String> {
    let mut position = found(store).await;
    let runner = Runner::start(store, Options { batch_entries, ..Options::default() });
    for some in drafts.chunks(7) {
        position = town::append(store, some).await;
    }
    for projection in PROJECTIONS {
        runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
    }
    runner.stop().await;
    check(store, &naive::facts(store).await).await;
    let mut digests = Vec::new();
    for projection in PROJECTIONS {
        let live = digest(store, projection).await.unwrap();
        let rebuilt = rebuild(store, projection, |_| {}).await.unwrap();
        assert!(rebuilt.equal() && rebuilt.replaced.is_some(), "{projection}: {rebuilt:?}");
        assert_eq!(digest(store, projection).await.unwrap(), live);
        digests.push(live.1.hex());
    }
    digests
}

/// The status of a record of the platform's, the slow way.
fn status(life: &[&Fact]) -> String {
    let kind = life[life.len() - 1].kind.as_str();
    if kind == "taken" { "in-work" } else { kind }.to_owned()
}

fn lives<'a>(facts: &'a [Fact], register: &str) -> BTreeMap<Uuid, Vec<&'a Fact>> {
    let mut lives = BTreeMap::<_, Vec<_>>::new();
    for fact in facts.iter().filter(|fact| fact.register == register) {
        lives.entry(fact.record).or_default().push(fact);
    }
    lives
}

async fn check(store: &Store, facts: &[Fact]) {
    let offers = lives(facts, "offers");
    check_offers(store, &offers).await;
    check_tasks(store, facts).await;
    check_dates(store, facts).await;
}

async fn check_offers(store: &Store, lives: &BTreeMap<Uuid, Vec<&Fact>>) {
    let db = store.db();
    let page = PageRequest::first(200);
    for n in 0..3 {
        let mine = |life: &&Vec<&Fact>| life[0].body["subjects"][0]["person"] == json!(person(n));
        let mut expected: Vec<_> =
            lives.values().filter(mine).map(|life| (life[0].position, status(life))).collect();
        expected.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
        let listed = offers::list(db, person(n), &offers::Filter::default(), &page).await.unwrap().items;
        let told: Vec<_> = listed.iter().map(|offer| (offer.opened.position, offer.status.clone())).collect();
        assert_eq!(told, expected, "person {n}");
        let filter = offers::Filter { status: Some("proposed".to_owned()) };
        let open = offers::list(db, person(n), &filter, &page).await.unwrap().items;
        assert_eq!(open.len(), expected.iter().filter(|(_, status)| status == "proposed").count());
    }
    for n in 0..3 {
        let caused = offers::caused_by(db, &[id(2, n)]).await.unwrap();
        let by = |life: &&Vec<&Fact>| life[0].body["cause"]["record"] == json!(id(2, n));
        assert_eq!(caused.len(), lives.values().filter(by).count());
        assert!(caused.iter().all(|offer| offer.rule_version == 2 && offer.cause.version == 1));
    }
    let today: NaiveDate = "2027-02-15".parse().unwrap();
    let expiring = offers::expiring(db, "proposed", today, None, 100).await.unwrap();
    let over = |life: &&Vec<&Fact>| {
        status(life) == "proposed"
            && life[0].body["expires_on"].as_str().is_some_and(|day| day < "2027-02-15")
    };
    assert_eq!(expiring.len(), lives.values().filter(over).count());
}

async fn check_tasks(store: &Store, facts: &[Fact]) {
    let waits = [
        ("requests", &["submitted", "in-work"][..]),
        ("offers", &["referred"]),
        ("accesses", &["questioned"]),
    ];
    let mut expected: BTreeMap<&str, Vec<(u64, Uuid, String)>> = BTreeMap::new();
    for (register, waiting) in waits {
        for (record, life) in lives(facts, register) {
            let now = status(&life);
            if !waiting.contains(&now.as_str()) {
                continue;
            }
            let department =
                if register == "offers" { "woods" } else { life[0].body["department"].as_str().unwrap() };
            // A request waits from its first entry, the others from their last.
            let since = if register == "requests" { life[0] } else { life[life.len() - 1] };
            expected.entry(department).or_default().push((since.position, record, now));
        }
    }
    for department in ["roads", "woods"] {
        let mut expected = expected.remove(department).unwrap_or_default();
        expected.sort();
        let page = PageRequest::first(200);
        let listed = tasks::list(store.db(), &slug(department), &tasks::Filter::default(), &page).await;
        let told: Vec<_> = listed
            .unwrap()
            .items
            .into_iter()
            .map(|task| (task.since_position, task.record, task.status))
            .collect();
        assert_eq!(told, expected, "{department}");
        for (_, record, status) in expected {
            let task = tasks::task(store.db(), record).await.unwrap().expect("it waits");
            assert_eq!((task.status, task.department.as_str()), (status, department));
        }
    }
}

async fn check_dates(store: &Store, facts: &[Fact]) {
    let mut expected = Vec::new();
    for (record, life) in lives(facts, "permits") {
        let version = life.len() as u64;
        let now = merged(&life, version);
        for path in ["valid_from", "valid_until", "exam.passed_on"] {
            let at = |version| value(&merged(&life, version), path);
            let Some(day) = value(&now, path) else { continue };
            let since = (1..=version).rev().take_while(|version| at(*version).as_ref() == Some(&day)).last();
            expected.push((record, path.to_owned(), day, since.unwrap()));
        }
    }
    let records: Vec<Uuid> = lives(facts, "permits").into_keys().collect();
    let mut told = Vec::new();
    for dated in dates::of_records(store.db(), &records).await.unwrap() {
        told.push((dated.record, dated.member, dated.day.to_string(), dated.since_version));
    }
    expected.sort();
    assert_eq!(told, expected);
    check_range(store, &expected).await;
}

/// The whole of one member, in pages of two.
async fn check_range(store: &Store, expected: &[(Uuid, String, String, u64)]) {
    let (from, to) = ("2027-02-05".parse().unwrap(), "2027-02-20".parse().unwrap());
    let permits = slug("permits");
    let mut range =
        dates::Range { register: &permits, member: "valid_until", from, to, after: None, limit: 2 };
    let mut told = Vec::new();
    loop {
        let page = dates::range(store.db(), &range).await.unwrap();
        told.extend(page.iter().map(|dated| (dated.day.to_string(), dated.record)));
        let Some(last) = page.last() else { break };
        range.after = Some((last.day, last.record));
    }
    let within = |day: &String| ("2027-02-05".."2027-02-21").contains(&day.as_str());
    let mut expected: Vec<_> = expected
        .iter()
        .filter(|(_, path, day, _)| path == "valid_until" && within(day))
        .map(|(record, _, day, _)| (day.clone(), *record))
        .collect();
    expected.sort();
    assert_eq!(told, expected);
}

/// The content of a permit, members of `exam` merged as RFC 7396 says.
fn merged(life: &[&Fact], version: u64) -> Value {
    let mut exam = serde_json::Map::new();
    for fact in life.iter().filter(|fact| fact.version <= version) {
        exam.extend(fact.body["exam"].as_object().cloned().unwrap_or_default());
    }
    let mut content = Value::Object(naive::content(life, version));
    content["exam"] = Value::Object(exam);
    content
}

fn value(content: &Value, path: &str) -> Option<String> {
    let value = path.split('.').fold(content, |value, step| &value[step]);
    value.as_str().map(str::to_owned)
}

/// A day's work is a range of the index: what the database plans to read does not grow with the records.
#[tokio::test]
async fn a_day_is_found_by_the_index() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        found(&store).await;
        let runner = Runner::start(&store, Options::default());
        let mut position = 0;
        for some in (0..3_000_u64).collect::<Vec<_>>().chunks(900) {
            let issue = |n: &u64| {
                let day = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap() + chrono::Days::new(*n);
                draft("permits", id(2, *n), 1, "issued", json!({ "valid_from": day, "subjects": [] }))
            };
            position = town::append(&store, &some.iter().map(issue).collect::<Vec<_>>()).await;
        }
        runner.handle().wait_for("dates", position, PATIENCE).await.expect("caught up");
        runner.stop().await;
        analyze(&store).await;
        let (permits, day) = (slug("permits"), "2024-02-29".parse().unwrap());
        let range = dates::Range {
            register: &permits,
            member: "valid_from",
            from: day,
            to: day,
            after: None,
            limit: 100,
        };
        assert_eq!(dates::range(store.db(), &range).await.unwrap().len(), 1);
        let (sql, arguments) = range.query();
        let plan = explain(&store, &sql, arguments).await;
        assert!(plan.contains("date_member_day"), "{plan}");
        assert!(!plan.contains("SCAN date_member") && !plan.contains("Seq Scan on date_member"), "{plan}");
        store.close().await;
    }
}

async fn analyze(store: &Store) {
    let mut tx = store.db().begin().await.unwrap();
    tx.execute("ANALYZE", args![]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn explain(store: &Store, sql: &str, arguments: Vec<eventstore::sql::Arg>) -> String {
    let (prefix, column) = match store.db().dialect() {
        eventstore::sql::Dialect::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
        eventstore::sql::Dialect::Postgres => ("EXPLAIN", "QUERY PLAN"),
    };
    let rows = store.db().fetch_all(&format!("{prefix} {sql}"), arguments).await.unwrap();
    rows.iter().map(|row| row.text(column).unwrap()).collect::<Vec<_>>().join("\n")
}
