//! Random histories, on both stores, against the naive recomputation; and replayed.

use std::{collections::BTreeMap, sync::Arc};

use eventstore::{Store, testing::ManualClock};
use projections::{Options, PageRequest, Runner, account, digest, history, rebuild, view};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    naive::{self, Fact, Seen},
    town::{self, Draft, definitions, draft, heir, holder, id, person, slug},
};

const PERSONS: u64 = 3;

/// What random histories make; statistics, which take nothing back, have a test of their own.
const PROJECTIONS: [&str; 6] = ["account", "history", "view", "organisations", "dates", "search"];

/// A thing that happens; numbers choose among what is possible then.
#[derive(Clone, Debug)]
pub enum Op {
    Issue { subjects: Vec<(u64, bool)>, numbered: bool },
    Step { record: usize, kind: usize, subjects: Option<Vec<(u64, bool)>>, number: u8 },
    Redefine,
    Person(u64),
    Withhold { record: usize, which: u64 },
}

pub fn op() -> impl Strategy<Value = Op> {
    let subjects = || vec((0..PERSONS, any::<bool>()), 0..3);
    prop_oneof![
        3 => (subjects(), any::<bool>()).prop_map(|(subjects, numbered)| Op::Issue { subjects, numbered }),
        8 => (any::<usize>(), any::<usize>(), proptest::option::of(subjects()), 0..4_u8)
            .prop_map(|(record, kind, subjects, number)| Op::Step { record, kind, subjects, number }),
        1 => Just(Op::Redefine),
        1 => (0..PERSONS).prop_map(Op::Person),
        2 => (any::<usize>(), any::<u64>()).prop_map(|(record, which)| Op::Withhold { record, which }),
    ]
}

struct Permit {
    record: Uuid,
    version: u64,
    status: &'static str,
    /// Versions that an order may name: whose bodies are there, and that are no orders.
    told: Vec<u64>,
}

/// The entries that a sequence of operations makes.
pub fn drafts(ops: &[Op]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut permits: Vec<Permit> = Vec::new();
    let mut versions = [0_u64; 3];
    let mut redefined = 1;
    for (n, op) in (0_u64..).zip(ops) {
        match op {
            Op::Issue { subjects, numbered } => {
                let record = id(2, permits.len() as u64);
                let mut body = json!({"subjects": subject_list(subjects), "valid_from": "2026-01-01"});
                if *numbered {
                    body["number"] = json!(format!("N-{n}"));
                }
                drafts.push(draft("permits", record, 1, "issued", body));
                permits.push(Permit { record, version: 1, status: "valid", told: vec![1] });
            }
            Op::Step { record, kind, subjects, number } => {
                let mut alive: Vec<_> = permits.iter_mut().filter(|p| p.status != "revoked").collect();
                let count = alive.len();
                if let Some(permit) = (count > 0).then(|| alive.swap_remove(record % count)) {
                    drafts.push(permit.step(n, *kind, subjects.as_deref(), *number));
                }
            }
            Op::Redefine => {
                redefined += 1;
                drafts.push(town::redefine(redefined, redefined % 2 == 1));
            }
            Op::Withhold { record, which } => {
                let count = permits.len();
                if let Some(permit) = (count > 0).then(|| &mut permits[record % count]) {
                    drafts.extend(permit.withhold(*which));
                }
            }
            Op::Person(p) => {
                let version = &mut versions[usize::try_from(*p).unwrap()];
                *version += 1;
                let kind = if *version == 1 { "opened" } else { "amended" };
                drafts.push(draft("persons", person(*p), *version, kind, json!({"phone": format!("+7{n}")})));
            }
        }
    }
    drafts
}

impl Permit {
    /// An order that names some of the bodies that are left, from any status.
    fn withhold(&mut self, which: u64) -> Option<Draft> {
        let (named, kept): (Vec<u64>, Vec<u64>) =
            self.told.iter().partition(|n| (which >> (*n % 64)) & 1 == 1);
        if named.is_empty() {
            return None;
        }
        (self.version, self.told) = (self.version + 1, kept);
        Some(town::withhold("permits", self.record, self.version, &named))
    }

    fn step(&mut self, n: u64, kind: usize, subjects: Option<&[(u64, bool)]>, number: u8) -> Draft {
        let kinds: &[(&str, &str)] = match self.status {
            "valid" => &[
                ("suspended", "suspended"),
                ("amended", "valid"),
                ("corrected", "valid"),
                ("replaced", "valid"),
                ("revoked", "revoked"),
            ],
            _ => &[
                ("reinstated", "valid"),
                ("amended", "suspended"),
                ("replaced", "valid"),
                ("revoked", "revoked"),
            ],
        };
        let (kind, status) = kinds[kind % kinds.len()];
        self.version += 1;
        self.told.push(self.version);
        self.status = status;
        let mut body = json!({"reason": format!("because of {n}")});
        if ["amended", "corrected", "replaced"].contains(&kind) {
            if let Some(subjects) = subjects {
                body["subjects"] = subject_list(subjects);
            }
            match number {
                0 => body["number"] = Value::Null,
                1 => body["number"] = json!(format!("N-{n}")),
                2 => body["valid_until"] = json!(format!("20{}-12-31", 26 + n % 10)),
                _ => {}
            }
        }
        if kind == "corrected" {
            body["corrects"] = json!(1);
        }
        draft("permits", self.record, self.version, kind, body)
    }
}

fn subject_list(subjects: &[(u64, bool)]) -> Value {
    subjects.iter().map(|(n, holds)| if *holds { holder(person(*n)) } else { heir(person(*n)) }).collect()
}

#[test]
fn random_histories_read_as_recomputed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 10, failure_persistence: None, ..Config::default() };
    let cases = (vec(op(), 1..60), 1..9_u32);
    let run = TestRunner::new(config).run(&cases, |(ops, batch_entries)| {
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

async fn case(store: &Store, clock: &Arc<ManualClock>, drafts: &[Draft], batch_entries: u32) -> Vec<String> {
    town::found(store).await;
    let runner = Runner::start(store, Options { batch_entries, ..Options::default() });
    let mut position = 3;
    for some in drafts.chunks(7) {
        clock.advance(1_000);
        position = town::append(store, some).await;
    }
    for projection in PROJECTIONS {
        runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
    }
    runner.stop().await;
    let facts = naive::facts(store).await;
    assert_eq!(facts.len() as u64, position);
    check(store, &facts).await;
    let mut digests = Vec::new();
    for projection in PROJECTIONS {
        let live = digest(store, projection).await.unwrap();
        let rebuilt = rebuild(store, projection, |_| {}).await.unwrap();
        assert!(rebuilt.equal() && rebuilt.replaced.is_some(), "{projection}: {rebuilt:?}");
        assert_eq!((rebuilt.position, rebuilt.entries), (position, position));
        assert_eq!(digest(store, projection).await.unwrap(), live);
        digests.push(live.1.hex());
    }
    digests
}

async fn check(store: &Store, facts: &[Fact]) {
    let (db, definitions) = (store.db(), definitions(store).await);
    for n in 0..PERSONS {
        let expected = naive::account(facts, person(n));
        assert_eq!(walk(store, person(n), None, true).await, expected, "person {n}");
        let now: Vec<_> = expected.into_iter().filter(|seen| seen.former.is_none()).collect();
        assert_eq!(walk(store, person(n), None, false).await, now);
        for in_force in [true, false] {
            let current = definitions.current(&slug("permits")).unwrap();
            let of = |seen: &&Seen| current.definition.in_force(&seen.status) == in_force;
            let expected: Vec<_> = now.iter().filter(of).cloned().collect();
            assert_eq!(walk(store, person(n), Some(in_force), false).await, expected);
        }
    }
    let permits = slug("permits");
    let (all, page) = (view::Filter::default(), PageRequest::first(200));
    let listed = view::list(db, &definitions, &permits, &all, &page);
    let listed: Vec<_> = listed.await.unwrap().items.iter().map(seen_in_register).collect();
    assert_eq!(listed, naive::view(facts));
    for record in
        ["permits", "persons", "registers"].iter().flat_map(|register| naive::records(facts, register))
    {
        let steps = history::steps(db, &definitions, record, &page).await.unwrap().items;
        let steps: Vec<_> = steps
            .into_iter()
            .map(|step| (step.version, step.entry_type.to_string(), step.status_before, step.status_after))
            .collect();
        assert_eq!(steps, naive::history(facts, record));
    }
    for (number, (record, current)) in naive::numbers(facts) {
        let hit =
            view::by_number(db, &definitions, &permits, &number).await.unwrap().expect("a number it had");
        assert_eq!((hit.record.record, hit.current), (record, current), "{number}");
    }
    let counts = view::counts(db, &permits).await.unwrap();
    let map = |counts: Vec<view::Count>| -> BTreeMap<_, _> {
        counts.into_iter().map(|count| (count.code, count.n)).collect()
    };
    assert_eq!([map(counts.by_status), map(counts.by_type)], naive::counts(facts));
}

/// All of a person's records, in pages of three.
async fn walk(store: &Store, person: Uuid, in_force: Option<bool>, with_former: bool) -> Vec<Seen> {
    let definitions = definitions(store).await;
    let filter = account::Filter { in_force, with_former, ..account::Filter::default() };
    let mut page = PageRequest::first(3);
    let mut all = Vec::new();
    loop {
        let got = account::list(store.db(), &definitions, person, &filter, &page).await.unwrap();
        all.extend(got.items.iter().map(|item| Seen {
            record: item.record,
            version: item.version,
            status: item.status.clone(),
            number: item.number.clone(),
            until: item.validity.until.map(|day| day.to_string()),
            roles: item.roles.clone(),
            former: item.former.map(|former| former.version),
            opened: item.opened.position,
            changed: item.changed.position,
        }));
        match got.next {
            Some(next) => page = PageRequest::after(next, 3),
            None => return all,
        }
    }
}

fn seen_in_register(item: &view::ViewRecord) -> Seen {
    Seen {
        record: item.record,
        version: item.version,
        status: item.status.clone(),
        number: item.number.clone(),
        until: item.validity.until.map(|day| day.to_string()),
        roles: Vec::new(),
        former: None,
        opened: item.opened.position,
        changed: item.changed.position,
    }
}
