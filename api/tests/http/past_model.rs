//! Random lives, with random times of effect, asked for at random times, against a recomputation that goes over all entries
//! for every question.

use std::cell::Cell;
use std::collections::BTreeMap;

use eventstore::StoredEntry;
use proofs::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::world::{NOON, Who, World};

const REGISTER: &str = "open-permits";

/// Something that happens to the `record`-th permit of a case, with effect on a day of 2026, some minutes after what was before.
#[derive(Debug, Clone)]
struct Op {
    record: usize,
    kind: usize,
    day: u32,
    minutes: u8,
    value: u8,
}

fn op() -> impl Strategy<Value = Op> {
    (0..3_usize, 0..5_usize, 1..28_u32, 0..2_u8, 0..4_u8).prop_map(|(record, kind, day, minutes, value)| Op {
        record,
        kind,
        day,
        minutes,
        value,
    })
}

/// Appends what a case does; answers with the last position.
async fn play(world: &World, case: u32, ops: &[Op]) -> String {
    let mut permits: BTreeMap<usize, (Value, &str)> = BTreeMap::new();
    let mut position = json!(0);
    let path = format!("/v1/registers/{REGISTER}/entries");
    for op in ops {
        let effective = format!("2026-{:02}-{:02}T00:00:00Z", 1 + op.day % 12, op.day);
        let holder = |person| json!([{ "role": "holder", "person": person }]);
        let person = if op.value % 2 == 0 { world.citizen } else { world.other_citizen };
        let entry = match permits.get_mut(&op.record) {
            None => {
                let mut body = world.body(&format!("{}{case:03}", ["A", "B", "C"][op.record]));
                body["subjects"] = holder(person);
                json!({ "type": "issued", "body": body })
            }
            Some((_, "revoked")) => continue,
            Some((record, status)) => {
                let reason = json!({ "reason": "a check" });
                let (kind, body, next) = match (op.kind, *status) {
                    (0, "valid") => {
                        ("amended", json!({ "valid_until": format!("2037-01-{:02}", op.day) }), "valid")
                    }
                    (1, "valid") => ("amended", json!({ "subjects": holder(person) }), "valid"),
                    (2 | 3, "valid") => ("suspended", reason, "suspended"),
                    (4, _) => ("revoked", reason, "revoked"),
                    _ => continue,
                };
                *status = next;
                json!({ "type": kind, "record": record, "body": body })
            }
        };
        let mut entry = entry;
        entry["effective_at"] = json!(effective);
        let made = world.post(Who::System, &path, entry).await.expect(201);
        permits.entry(op.record).or_insert((made["record"].clone(), "valid"));
        position = made["position"].clone();
        world.clock.advance(i64::from(op.minutes) * 1_000);
    }
    position.to_string()
}

/// A permit as it was, worked out the slow way.
#[derive(Debug, Clone, PartialEq)]
struct Was {
    record: String,
    opened: u64,
    version: u64,
    status: String,
    content: Value,
    /// May the person see it in their account?
    holders: Vec<String>,
}

fn body(entry: &StoredEntry) -> Map<String, Value> {
    serde_json::from_slice(entry.body.as_ref().expect("a body")).expect("an object")
}

fn holder(entry: &StoredEntry) -> Option<String> {
    body(entry).get("subjects").and_then(|subjects| subjects[0]["person"].as_str()).map(str::to_owned)
}

/// All permits as of two times, the last opened first.
fn naive(entries: &[StoredEntry], recorded: Timestamp, effective: Timestamp) -> Vec<Was> {
    let mut all = Vec::new();
    for first in entries.iter().filter(|entry| entry.version() == 1).rev() {
        let life: Vec<&StoredEntry> =
            entries.iter().filter(|entry| entry.record() == first.record()).collect();
        let counts = |entry: &&&StoredEntry| {
            entry.recorded_at <= recorded && entry.statement.statement().effective_at <= effective
        };
        let left: Vec<&&StoredEntry> = life.iter().filter(counts).collect();
        let Some(last) = left.last().filter(|_| left[0].version() == 1) else { continue };
        let kind = |entry: &StoredEntry| entry.statement.statement().entry_type.to_string();
        let status = left.iter().rev().find_map(|entry| match kind(entry).as_str() {
            "issued" => Some("valid"),
            "suspended" => Some("suspended"),
            "revoked" => Some("revoked"),
            _ => None,
        });
        let mut content = body(left[0]);
        for entry in left.iter().filter(|entry| kind(entry) == "amended") {
            content.extend(body(entry));
        }
        let then = left.iter().rev().find_map(|entry| holder(entry));
        let still = life
            .iter()
            .filter(|entry| entry.version() <= last.version())
            .rev()
            .find_map(|entry| holder(entry));
        all.push(Was {
            record: first.record().to_string(),
            opened: first.position,
            version: last.version(),
            status: status.expect("the first led somewhere").to_owned(),
            content: Value::Object(content),
            holders: then.filter(|then| Some(then) == still.as_ref()).into_iter().collect(),
        });
    }
    all
}

struct Asked<'a> {
    world: &'a World,
    wait: String,
    times: String,
}

impl Asked<'_> {
    async fn get(&self, who: Who, path: &str) -> crate::world::Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let url = format!("{path}{mark}{}", self.times);
        self.world.send(who, "GET", &url, &[("wait-for", &self.wait)], None).await
    }

    /// All pages of a list.
    async fn walk(&self, who: Who, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(who, &format!("{path}?limit=3{cursor}")).await.expect(200);
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

async fn check(world: &World, wait: String, ago_seconds: i64, effective: (u32, u32)) {
    let register = REGISTER.parse().expect("a slug");
    let entries = world.store.read_register(&register, 0, 5_000).await.expect("the entries");
    let recorded = world.store.clock().now().plus_millis(-ago_seconds * 1_000);
    let day = format!("2026-{:02}-{:02}", effective.0, effective.1);
    let end: Timestamp = format!("{day}T23:59:59.999Z").parse().expect("a time");
    let was = naive(&entries, recorded, end);
    let asked = Asked { world, wait, times: format!("recorded_at={recorded}&effective_at={day}") };

    let told = |item: &Value| (item["record"].clone(), item["version"].clone(), item["status"].clone());
    let expected: Vec<_> =
        was.iter().map(|was| (json!(was.record), json!(was.version), json!(was.status))).collect();
    let path = format!("/v1/registers/{REGISTER}/records");
    let listed: Vec<_> = asked.walk(Who::Anyone, &path).await.iter().map(told).collect();
    assert_eq!(listed, expected, "{}", asked.times);
    for (who, person) in [(Who::Citizen, world.citizen), (Who::OtherCitizen, world.other_citizen)] {
        let person = person.to_string();
        let mine = was.iter().filter(|was| was.holders.contains(&person));
        let mine: Vec<_> =
            mine.map(|was| (json!(was.record), json!(was.version), json!(was.status))).collect();
        let listed: Vec<_> = asked.walk(who, "/v1/account/records").await.iter().map(told).collect();
        assert_eq!(listed, mine, "{who:?} {}", asked.times);
    }
    for first in entries.iter().filter(|entry| entry.version() == 1).rev().take(3) {
        let record = first.record().to_string();
        let answer = asked.get(Who::Anyone, &format!("{path}/{record}")).await;
        match was.iter().find(|was| was.record == record) {
            None => assert_eq!(answer.status, 404, "{record} {}", asked.times),
            Some(was) => assert_eq!(answer.expect(200)["content"], was.content, "{}", asked.times),
        }
    }
    // The register itself is recorded when the world is made: before that there is none.
    let statistics = asked.get(Who::Anyone, &format!("/v1/registers/{REGISTER}/statistics")).await;
    if recorded >= NOON {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for was in &was {
            *counts.entry(was.status.clone()).or_default() += 1;
        }
        let document = statistics.expect(200);
        let found = document["by_status"].as_array().expect("counts").iter();
        let found =
            found.map(|count| (count["code"].as_str().unwrap().to_owned(), count["count"].as_u64().unwrap()));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), counts, "{}", asked.times);
    } else {
        assert_eq!(statistics.status, 404);
    }
}

/// Cases share the worlds, whose registers grow: what is compared goes over all of them.
#[test]
fn the_past_is_as_recomputed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let worlds = runtime.block_on(World::both());
    let case = Cell::new(0);
    let strategy = (vec(op(), 1..14), vec((0..40_i64, (1..13_u32, 1..28_u32)), 1..4));
    let config = Config { cases: 12, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |(ops, questions)| {
        case.set(case.get() + 1);
        runtime.block_on(async {
            for world in &worlds {
                let wait = play(world, case.get(), &ops).await;
                for (ago, effective) in &questions {
                    check(world, wait.clone(), *ago, *effective).await;
                }
            }
        });
        Ok(())
    });
    result.unwrap();
    runtime.block_on(async {
        for world in worlds {
            world.end().await;
        }
    });
}
