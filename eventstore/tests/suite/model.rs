//! Random submissions, conflicts, retries and restarts, against a model that is a few maps in memory.

use std::collections::HashMap;

use eventstore::{AppendError, Appended, Guard, Store, Submission};
use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use crate::fixture::{Fixture, Kind, SHARDS, keyed, list, slug};

/// The third has no log.
const REGISTERS: [&str; 3] = ["licences", "permits", "unknown"];

/// An entry of a submission: where, of which record, how far from the next version, and the number it claims.
#[derive(Debug, Clone)]
struct Wanted {
    register: usize,
    record: u128,
    off: u64,
    number: Option<u8>,
}

#[derive(Debug, Clone)]
struct Request {
    wanted: Vec<Wanted>,
    /// Record, and how far from its version.
    guard: Option<(u128, u64)>,
    /// Key, content.
    key: Option<(u8, u8)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Requests that arrive together.
    Together(Vec<Request>),
    Reopen,
    Clock(i64),
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    register: usize,
    index: u64,
    record: u128,
    version: u64,
}

#[derive(Debug, PartialEq)]
enum Answer {
    /// First position and how many; whether it was there already.
    Taken(u64, usize, bool),
    Refused(&'static str),
}

#[derive(Default)]
struct Model {
    journal: Vec<Entry>,
    records: HashMap<u128, (usize, u64)>,
    numbers: HashMap<(usize, u8), u128>,
    keys: HashMap<u8, (u8, u64, usize)>,
}

impl Model {
    fn version(&self, record: u128) -> u64 {
        self.records.get(&record).map_or(0, |(_, version)| *version)
    }

    /// The versions that a request's entries will name, given what the model holds before it.
    fn versions(&self, request: &Request) -> Vec<u64> {
        let mut next: HashMap<u128, u64> = HashMap::new();
        let version = |wanted: &Wanted| {
            let next = next.entry(wanted.record).or_insert_with(|| self.version(wanted.record));
            *next += 1;
            *next + wanted.off
        };
        request.wanted.iter().map(version).collect()
    }

    fn submit(&mut self, request: &Request, versions: &[u64], guard: Option<(u128, u64)>) -> Answer {
        if let Some((content, first, count)) = request.key.and_then(|(key, _)| self.keys.get(&key)) {
            let same = request.key.is_some_and(|(_, now)| now == *content);
            return if same { Answer::Taken(*first, *count, true) } else { Answer::Refused("idempotency") };
        }
        if guard.is_some_and(|(record, version)| self.version(record) != version) {
            return Answer::Refused("stale");
        }
        let (mut records, mut numbers) = (self.records.clone(), self.numbers.clone());
        for (wanted, version) in request.wanted.iter().zip(versions) {
            if wanted.register == 2 {
                return Answer::Refused("unknown log");
            }
            let (home, known) = records.get(&wanted.record).copied().unwrap_or((wanted.register, 0));
            if home != wanted.register {
                return Answer::Refused("register");
            }
            if *version != known + 1 {
                return Answer::Refused("version");
            }
            records.insert(wanted.record, (home, *version));
            if let Some(number) = wanted.number {
                let holder = *numbers.entry((home, number)).or_insert(wanted.record);
                if holder != wanted.record {
                    return Answer::Refused("number");
                }
            }
        }
        (self.records, self.numbers) = (records, numbers);
        let first = self.journal.len() as u64 + 1;
        for (wanted, version) in request.wanted.iter().zip(versions) {
            let register = wanted.register;
            let index = self.journal.iter().filter(|entry| entry.register == register).count() as u64;
            self.journal.push(Entry { register, index, record: wanted.record, version: *version });
        }
        if let Some((key, content)) = request.key {
            self.keys.insert(key, (content, first, versions.len()));
        }
        Answer::Taken(first, versions.len(), false)
    }
}

fn answer(real: &Result<Vec<Appended>, AppendError>) -> Answer {
    match real {
        Ok(appended) => {
            let positions: Vec<_> = appended.iter().map(|one| one.position).collect();
            let first = positions[0];
            assert_eq!(positions, (first..first + positions.len() as u64).collect::<Vec<_>>());
            Answer::Taken(first, appended.len(), appended[0].replayed)
        }
        Err(error) => Answer::Refused(match error {
            AppendError::Version { .. } => "version",
            AppendError::Register { .. } => "register",
            AppendError::Number { .. } => "number",
            AppendError::Idempotency => "idempotency",
            AppendError::Stale { .. } => "stale",
            AppendError::UnknownLog { .. } => "unknown log",
            other => panic!("{other}"),
        }),
    }
}

fn submission(
    fixture: &Fixture,
    request: &Request,
    versions: &[u64],
    guard: Option<(u128, u64)>,
) -> Submission {
    let entry = |(wanted, version): (&Wanted, &u64)| {
        let register = REGISTERS[wanted.register];
        match wanted.number {
            Some(number) => fixture.numbered(register, wanted.record, *version, &format!("77 {number}")),
            None => fixture.entry(register, wanted.record, *version),
        }
    };
    let entries = list(request.wanted.iter().zip(versions).map(entry).collect());
    let guards = guard.map(|(record, version)| Guard { record: Uuid::from_u128(record), version });
    let submission = Submission { guards: guards.into_iter().collect(), ..entries };
    match request.key {
        Some((key, content)) => keyed(submission, &key.to_string(), content),
        None => submission,
    }
}

async fn run(fixture: &Fixture, steps: Vec<Step>) {
    let mut store = fixture.with_logs(&REGISTERS[..2]).await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Clock(millis) => fixture.clock.advance(millis),
            Step::Reopen => {
                store.close().await;
                store = fixture.open().await;
            }
            Step::Together(requests) => {
                // They are queued in this order; what each names was read before any of them was taken.
                let named: Vec<_> = requests
                    .iter()
                    .map(|request| {
                        let guard = request.guard.map(|(record, off)| (record, model.version(record) + off));
                        (request, model.versions(request), guard)
                    })
                    .collect();
                let submissions = named
                    .iter()
                    .map(|(request, versions, guard)| submission(fixture, request, versions, *guard));
                // Where each shard has a task, only one at a time come in this order.
                let real = if fixture.in_order() {
                    join_all(submissions.map(|submission| store.submit(submission))).await
                } else {
                    let mut real = Vec::new();
                    for submission in submissions {
                        real.push(store.submit(submission).await);
                    }
                    real
                };
                for ((request, versions, guard), real) in named.iter().zip(&real) {
                    assert_eq!(answer(real), model.submit(request, versions, *guard), "{request:?}");
                }
            }
        }
    }
    compare(&store, &model).await;
    store.close().await;
}

/// The journal holds what the model holds, and its trees are those of the leaves.
async fn compare(store: &Store, model: &Model) {
    let entries = store.read_after(0, 5_000).await.unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| Entry {
            register: REGISTERS.iter().position(|register| entry.register == *register).unwrap(),
            index: entry.index,
            record: entry.record().as_u128(),
            version: entry.version(),
        })
        .collect();
    assert_eq!(seen, model.journal);
    assert!(entries.is_sorted_by_key(|entry| entry.recorded_at));
    assert_eq!(store.position().await.unwrap(), model.journal.len() as u64);
    for ((register, number), record) in &model.numbers {
        let found = store.number(&slug(REGISTERS[*register]), &format!("77 {number}")).await.unwrap();
        assert_eq!(found, Some(Uuid::from_u128(*record)));
    }
    for log in store.logs().await.unwrap() {
        let leaves = entries.iter().filter(|entry| entry.register == log.register);
        let hashes: Vec<_> = leaves.map(|entry| entry.leaf().hash()).collect();
        assert_eq!((log.size, log.root), (hashes.len() as u64, proofs::merkle::root(&hashes)));
        let signed = proofs::checkpoint::open(&log.checkpoint, &log.key).unwrap();
        assert_eq!((signed.size, signed.root), (log.size, log.root));
    }
}

fn step() -> impl Strategy<Value = Step> {
    let off = prop_oneof![9 => Just(0_u64), 1 => Just(1)];
    let register = prop_oneof![8 => Just(0_usize), 4 => Just(1), 1 => Just(2)];
    // A record mostly keeps to its register.
    let wanted = (register, 1..=8_u128, off.clone(), proptest::option::weighted(0.3, 0..6_u8)).prop_map(
        |(register, record, off, number)| Wanted {
            register,
            record: record * 2 + u128::from(register == 1),
            off,
            number,
        },
    );
    let foreign = (0..2_usize, 1..=17_u128).prop_map(|(register, record)| Wanted {
        register,
        record,
        off: 0,
        number: None,
    });
    let wanted = prop_oneof![12 => wanted, 1 => foreign];
    let guard = proptest::option::weighted(0.3, (1..=17_u128, off));
    let key = proptest::option::weighted(0.4, (0..8_u8, prop_oneof![5 => Just(0_u8), 1 => Just(1)]));
    let request =
        (vec(wanted, 1..4), guard, key).prop_map(|(wanted, guard, key)| Request { wanted, guard, key });
    prop_oneof![
        12 => vec(request, 1..8).prop_map(Step::Together),
        1 => Just(Step::Reopen),
        2 => (-5_000..50_000_i64).prop_map(Step::Clock),
    ]
}

fn check(kind: Kind, shards: u32, cases: u32) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new(config)
        .run(&vec(step(), 1..25), |steps| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut fixture = Fixture::new(kind).await;
                fixture.shards = shards;
                run(&fixture, steps).await;
                fixture.drop_store().await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn sqlite_does_as_the_model_does() {
    check(Kind::Sqlite, 1, 40);
    check(Kind::Sqlite, SHARDS, 40);
}

#[test]
fn postgres_does_as_the_model_does() {
    check(Kind::Postgres, 1, 12);
    check(Kind::Postgres, SHARDS, 8);
}
