//! Who looked, and what is unusual in it, against a naive recomputation over all entries, on both stores; and replayed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::Timelike as _;
use eventstore::{Store, testing::ManualClock};
use projections::{
    Options, PageRequest, Runner,
    accesses::{self, Many, Pattern, Thresholds},
    digest, rebuild,
};
use proofs::time::Timestamp;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, Draft, body_of, draft, holder, id, person},
};

const PERSONS: u64 = 4;
/// Which department owns which register of permits.
const OWNERS: [(&str, &str); 2] = [("permits", "town"), ("felling", "woods")];
const DAY: i64 = 86_400_000;
const THRESHOLDS: Thresholds = Thresholds {
    many: Many { persons: 2, minutes: 90 },
    same_purpose_persons: 2,
    recent_days: 2,
    utc_offset_minutes: 180,
};

#[derive(Clone, Debug)]
enum Op {
    Permit { felling: bool, person: u64 },
    Step { record: usize, kind: usize, person: u64 },
    Request { woods: bool, person: u64 },
    Look { woods: bool, official: u64, person: u64, purpose: u8, system: bool },
    Ask { look: usize },
    Later { minutes: i64 },
}

fn op() -> impl Strategy<Value = Op> {
    let someone = || 0..PERSONS;
    prop_oneof![
        2 => (any::<bool>(), someone()).prop_map(|(felling, person)| Op::Permit { felling, person }),
        3 => (any::<usize>(), any::<usize>(), someone())
            .prop_map(|(record, kind, person)| Op::Step { record, kind, person }),
        1 => (any::<bool>(), someone()).prop_map(|(woods, person)| Op::Request { woods, person }),
        6 => (any::<bool>(), 0..2_u64, someone(), 0..2_u8, proptest::bool::weighted(0.1)).prop_map(
            |(woods, official, person, purpose, system)| Op::Look { woods, official, person, purpose, system }
        ),
        1 => any::<usize>().prop_map(|look| Op::Ask { look }),
        3 => (1..4_000_i64).prop_map(|minutes| Op::Later { minutes }),
    ]
}

struct Made {
    register: &'static str,
    record: Uuid,
    version: u64,
    status: &'static str,
}

fn next(register: &str, status: &str) -> &'static [(&'static str, &'static str)] {
    match (register, status) {
        ("permits" | "felling", "valid") => {
            &[("suspended", "suspended"), ("amended", "valid"), ("revoked", "revoked")]
        }
        ("permits" | "felling", "suspended") => &[("reinstated", "valid"), ("revoked", "revoked")],
        ("requests", "submitted") => &[("taken", "in-work"), ("refused", "refused")],
        ("requests", "in-work") => &[("granted", "granted")],
        ("accesses", "questioned") => &[("answered", "answered")],
        _ => &[],
    }
}

fn department(woods: bool) -> &'static str {
    if woods { "woods" } else { "town" }
}

/// Entries in their order, with the minutes that pass before each.
fn drafts(ops: &[Op]) -> Vec<(i64, Draft)> {
    let (mut drafts, mut made, mut later) = (Vec::new(), Vec::<Made>::new(), 0);
    for (n, op) in (0_u64..).zip(ops) {
        let mut open = |register: &'static str, kind: &str, status, body| {
            let record = id(7, n);
            drafts.push((std::mem::take(&mut later), draft(register, record, 1, kind, body)));
            made.push(Made { register, record, version: 1, status });
        };
        match op {
            Op::Permit { felling, person: of } => {
                let register = if *felling { "felling" } else { "permits" };
                open(register, "issued", "valid", json!({ "subjects": [holder(person(*of))] }));
            }
            Op::Request { woods, person: of } => {
                let body = json!({ "subjects": [{ "role": "applicant", "person": person(*of) }],
                    "department": department(*woods) });
                open("requests", "submitted", "submitted", body);
            }
            Op::Look { woods, official, person: at, purpose, system } => {
                let department = department(*woods);
                let words = if *purpose == 0 { "A check" } else { "a  check" };
                let by = if *system {
                    json!({ "role": "department", "department": department, "client": "a system" })
                } else {
                    json!({ "role": "official", "department": department, "person": person(*official) })
                };
                let body = json!({ "subjects": [{ "role": "person", "person": person(*at) }], "by": by,
                    "department": department, "on_behalf_of": { "department": department }, "endpoint": "record",
                    "purpose": words, "legal_basis": "1-FZ" });
                open("accesses", "recorded", "recorded", body);
            }
            Op::Later { minutes } => later += minutes,
            Op::Ask { look } => {
                let looks: Vec<_> = made.iter_mut().filter(|made| made.status == "recorded").collect();
                let count = looks.len();
                if let Some(asked) = looks.into_iter().nth(look % count.max(1)) {
                    (asked.version, asked.status) = (2, "questioned");
                    let body = json!({ "question": "Why?", "asked_by": person(0) });
                    let entry = draft("accesses", asked.record, 2, "questioned", body);
                    drafts.push((std::mem::take(&mut later), entry));
                }
            }
            Op::Step { record, kind, person: to } => {
                let open: Vec<_> =
                    made.iter_mut().filter(|made| !next(made.register, made.status).is_empty()).collect();
                let count = open.len();
                if let Some(made) = open.into_iter().nth(record % count.max(1)) {
                    let steps = next(made.register, made.status);
                    let (kind, status) = steps[kind % steps.len()];
                    (made.version, made.status) = (made.version + 1, status);
                    let body = match kind {
                        "amended" => json!({ "subjects": [holder(person(*to))] }),
                        "answered" => json!({ "answer": "A check.", "answered_by": { "role": "official" } }),
                        _ => json!({}),
                    };
                    let entry = draft(made.register, made.record, made.version, kind, body);
                    drafts.push((std::mem::take(&mut later), entry));
                }
            }
        }
    }
    drafts
}

async fn found(store: &Store) {
    town::found(store).await;
    let names = ["felling", "requests", "accesses"];
    town::open(store, &names).await;
    let mut felling = town::permits(true);
    (felling["slug"], felling["owner"]) = (json!("felling"), json!("woods"));
    felling.as_object_mut().expect("an object").remove("number");
    let fixture = |name: &str| -> Value {
        let path = format!("{}/../fixtures/registers/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
    };
    let definitions = [felling, fixture("requests"), fixture("accesses")];
    let defined = definitions.iter().zip(4..).map(|(definition, n)| town::define(store, n, definition));
    town::append(store, &defined.collect::<Vec<_>>()).await;
}

#[test]
fn random_looks_read_and_are_judged_as_recomputed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 10, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(vec(op(), 1..70), 1..9_u32), |(ops, batch_entries)| {
        runtime.block_on(async {
            let mut digests = Vec::new();
            for database in Database::both().await {
                let clock = clock();
                let store = database.open(&clock).await;
                digests.push(case(&store, &clock, &drafts(&ops), batch_entries).await);
                store.close().await;
            }
            assert_eq!(digests[0], digests[1], "both stores hold the same rows");
        });
        Ok(())
    });
    run.unwrap();
}

async fn case(
    store: &Store,
    clock: &Arc<ManualClock>,
    drafts: &[(i64, Draft)],
    batch_entries: u32,
) -> String {
    found(store).await;
    let runner = Runner::start(store, Options { batch_entries, ..Options::default() });
    for (minutes, draft) in drafts {
        clock.advance(minutes * 60_000);
        town::append(store, std::slice::from_ref(draft)).await;
    }
    let position = store.position().await.unwrap();
    for projection in ["accesses", "account"] {
        runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
    }
    runner.stop().await;
    let facts = facts(store).await;
    check_lists(store, &facts).await;
    check_report(store, &facts, (Timestamp::MIN, Timestamp::MAX)).await;
    // A part of the time tells of that part, and of the past before it.
    let middle = facts[facts.len() / 2].at;
    check_report(store, &facts, (middle, Timestamp::MAX)).await;
    check_report(store, &facts, (Timestamp::MIN, middle)).await;
    let live = digest(store, "accesses").await.unwrap();
    let rebuilt = rebuild(store, "accesses", |_| {}).await.unwrap();
    assert!(rebuilt.equal(), "{rebuilt:?}");
    live.1.hex()
}

/// An entry, plainly.
struct Fact {
    position: u64,
    at: Timestamp,
    register: String,
    record: Uuid,
    kind: String,
    body: Value,
}

async fn facts(store: &Store) -> Vec<Fact> {
    let entries = store.read_after(0, 5_000).await.unwrap();
    let fact = |entry: &eventstore::StoredEntry| Fact {
        position: entry.position,
        at: entry.recorded_at,
        register: entry.register.to_string(),
        record: entry.record(),
        kind: entry.statement.statement().entry_type.to_string(),
        body: body_of(entry),
    };
    entries.iter().map(fact).collect()
}

/// Status and content of a record as of its entries before a position.
fn then(facts: &[Fact], record: Uuid, before: u64) -> (String, Map<String, Value>) {
    let (mut status, mut content) = (String::new(), Map::new());
    for fact in facts.iter().filter(|fact| fact.record == record && fact.position < before) {
        status = match fact.kind.as_str() {
            "issued" | "reinstated" => "valid".to_owned(),
            "taken" => "in-work".to_owned(),
            "amended" => status,
            other => other.to_owned(),
        };
        content.extend(fact.body.as_object().cloned().unwrap_or_default());
    }
    (status, content)
}

fn names(content: &Map<String, Value>, person: &Value) -> bool {
    let subjects = content.get("subjects").and_then(Value::as_array);
    subjects.into_iter().flatten().any(|subject| subject["person"] == *person)
}

/// Had the department to do with the person? Every record there is, is gone through.
fn is_case(facts: &[Fact], look: &Fact) -> bool {
    let department = look.body["department"].as_str().unwrap();
    let person = &look.body["subjects"][0]["person"];
    facts.iter().filter(|fact| fact.position < look.position).any(|fact| {
        let (status, content) = then(facts, fact.record, look.position);
        if OWNERS.contains(&(fact.register.as_str(), department)) {
            // In force now; or this very entry is of these days, and concerned the person when it was made.
            let (_, by_then) = then(facts, fact.record, fact.position + 1);
            let recent = look.at.millis() - fact.at.millis() <= i64::from(THRESHOLDS.recent_days) * DAY;
            return status == "valid" && names(&content, person) || recent && names(&by_then, person);
        }
        let waits = match fact.register.as_str() {
            "requests" => ["submitted", "in-work"].contains(&status.as_str()),
            "accesses" => status == "questioned",
            _ => false,
        };
        waits && names(&content, person) && content.get("department") == Some(&json!(department))
    })
}

async fn check_lists(store: &Store, facts: &[Fact]) {
    for n in 0..PERSONS {
        let opened = facts.iter().rev().filter(|fact| fact.kind == "recorded");
        let mine = opened.filter(|fact| fact.body["subjects"][0]["person"] == person(n).to_string());
        let expected: Vec<_> = mine
            .map(|fact| {
                let (status, content) = then(facts, fact.record, u64::MAX);
                (fact.record, fact.at, status, Value::Object(content))
            })
            .collect();
        let mut found = Vec::new();
        let mut page = PageRequest::first(3);
        loop {
            let got = accesses::list(store.db(), person(n), &page).await.unwrap();
            found.extend(got.items.into_iter().map(|one| (one.record, one.at, one.status, one.content)));
            match got.next {
                Some(next) => page = PageRequest::after(next, 3),
                None => break,
            }
        }
        assert_eq!(found, expected, "person {n}");
        for (record, ..) in &expected {
            assert!(accesses::record(store.db(), person(n), *record).await.unwrap().is_some());
            assert!(accesses::record(store.db(), person(n + 1), *record).await.unwrap().is_none());
        }
    }
}

async fn check_report(store: &Store, facts: &[Fact], (from, to): (Timestamp, Timestamp)) {
    let definitions = town::definitions(store).await;
    let report = accesses::report(store, &definitions, (from, to), &THRESHOLDS).await.unwrap().unwrap();
    let looks: Vec<&Fact> = facts
        .iter()
        .filter(|fact| fact.kind == "recorded" && fact.body["by"]["role"] == "official")
        .filter(|fact| from <= fact.at && fact.at < to)
        .collect();
    assert_eq!(report.looks, looks.len());
    let expected = |is: &dyn Fn(&Fact) -> bool| grouped(looks.iter().copied().filter(|look| is(look)));
    assert_eq!(told(&report.outside_cases), expected(&|look| !is_case(facts, look)));
    let own = |look: &Fact| look.body["by"]["person"] == look.body["subjects"][0]["person"];
    assert_eq!(told(&report.own_records), expected(&own));
    let night = |look: &Fact| {
        let utc = chrono::DateTime::from_timestamp_millis(look.at.millis()).unwrap();
        let moscow = utc.with_timezone(&chrono::FixedOffset::east_opt(3 * 3600).unwrap());
        moscow.hour() >= 22 || moscow.hour() < 6
    };
    assert_eq!(told(&report.night), expected(&night));
    let same: Vec<Pattern> = report.same_purpose.into_iter().map(|same| same.pattern).collect();
    let mut many = expected(&|_| true);
    many.retain(|_, (persons, _)| *persons >= THRESHOLDS.same_purpose_persons);
    assert_eq!(told(&same), many);
}

/// By department and official: how many persons the looks concern, and which they are.
type Grouped = BTreeMap<(String, Uuid), (usize, Vec<Uuid>)>;

fn grouped<'a>(looks: impl Iterator<Item = &'a Fact>) -> Grouped {
    let mut persons: BTreeMap<(String, Uuid), BTreeSet<String>> = BTreeMap::new();
    let mut grouped = Grouped::new();
    for look in looks {
        let text = |pointer: &str| look.body.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let by = (text("/department"), text("/by/person").parse().unwrap());
        let of = grouped.entry(by.clone()).or_default();
        let concerned = persons.entry(by).or_default();
        concerned.insert(text("/subjects/0/person"));
        of.0 = concerned.len();
        of.1.push(look.record);
    }
    grouped
}

fn told(patterns: &[Pattern]) -> Grouped {
    let of = |pattern: &Pattern| {
        let by = (pattern.department.to_string(), pattern.official);
        (by, (pattern.persons, pattern.accesses.clone()))
    };
    let told: Grouped = patterns.iter().map(of).collect();
    assert_eq!(told.len(), patterns.len(), "each official once");
    told
}
