//! Statistics against a naive count over all entries, on both stores; and an attacker who has every table.

use std::collections::{BTreeMap, BTreeSet};

use eventstore::{Store, testing::ManualClock};
use projections::{
    Options, Runner, digest, rebuild,
    statistics::{self, By, Count, Region},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    naive,
    town::{self, Draft, draft, holder, id, person, slug},
};

const PERSONS: u64 = 4;
const REGIONS: [&str; 3] = ["Москва", "Тверская область", "Алтай"];
/// More than half a month.
const STEP_MILLIS: i64 = 17 * 24 * 3_600_000;

#[derive(Clone, Debug)]
enum Op {
    /// A permit of a person, with a region of its own or none.
    Issue(u64, usize),
    Amend(usize, usize),
    /// A person lives there from now on.
    Move(u64, usize),
    /// Time passes.
    Wait,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..PERSONS, 0..5_usize).prop_map(|(person, region)| Op::Issue(person, region)),
        2 => (any::<usize>(), 0..5_usize).prop_map(|(record, region)| Op::Amend(record, region)),
        2 => (0..PERSONS, 0..5_usize).prop_map(|(person, region)| Op::Move(person, region)),
        1 => Just(Op::Wait),
    ]
}

fn region(n: usize) -> Option<&'static str> {
    REGIONS.get(n).copied()
}

#[derive(Default)]
struct Writer {
    issued: u64,
    versions: BTreeMap<Uuid, u64>,
}

impl Writer {
    fn draft(&mut self, op: &Op) -> Option<Draft> {
        let address = |n: usize| region(n).map_or(Value::Null, |region| json!({ "region": region }));
        let (register, record, kind, body) = match op {
            Op::Issue(who, at) => {
                self.issued += 1;
                let body = json!({"subjects": [holder(person(*who))], "address": address(*at)});
                ("permits", id(2, self.issued), "issued", body)
            }
            Op::Amend(n, at) if self.issued > 0 => {
                let record = id(2, 1 + *n as u64 % self.issued);
                ("permits", record, "amended", json!({"address": address(*at)}))
            }
            Op::Move(who, at) => {
                let first = !self.versions.contains_key(&person(*who));
                let kind = if first { "opened" } else { "amended" };
                ("persons", person(*who), kind, json!({"address": address(*at)}))
            }
            _ => return None,
        };
        let version = self.versions.entry(record).or_default();
        *version += 1;
        Some(draft(register, record, *version, kind, body))
    }
}

async fn write(store: &Store, clock: &ManualClock, ops: &[Op]) -> u64 {
    let mut writer = Writer::default();
    let mut waiting: Vec<Draft> = Vec::new();
    let mut position = 3;
    for op in ops.iter().chain(&[Op::Wait]) {
        if let Op::Wait = op {
            if !waiting.is_empty() {
                position = town::append(store, &std::mem::take(&mut waiting)).await;
            }
            clock.advance(STEP_MILLIS);
        }
        waiting.extend(writer.draft(op));
    }
    position
}

/// A cell of the finest table: type, month and region of permits.
type Cell = (String, String, String);

/// Entries and people of each, by looking at every entry again.
async fn naive(store: &Store) -> BTreeMap<Cell, (u64, u64)> {
    let facts = naive::facts(store).await;
    let recorded: BTreeMap<u64, String> = store
        .read_after(0, 5_000)
        .await
        .unwrap()
        .iter()
        .map(|entry| (entry.position, entry.recorded_at.to_string()[..7].to_owned()))
        .collect();
    let content = |record: Uuid, before: u64| {
        let life: Vec<_> =
            facts.iter().filter(|fact| fact.record == record && fact.position < before).collect();
        naive::content(&life, u64::MAX)
    };
    let own = |record: Uuid, before: u64| {
        let content = content(record, before);
        content.get("address").and_then(|address| address["region"].as_str()).map(str::to_owned)
    };
    let mut cells: BTreeMap<Cell, (u64, u64)> = BTreeMap::new();
    let mut people = BTreeSet::new();
    for fact in facts.iter().filter(|fact| fact.register == "permits") {
        let subjects = &content(fact.record, fact.position + 1)["subjects"];
        let person: Uuid = subjects[0]["person"].as_str().unwrap().parse().unwrap();
        let region = own(fact.record, fact.position + 1).or_else(|| own(person, fact.position));
        let month = recorded[&fact.position].clone();
        let new = people.insert((fact.kind.clone(), month.clone(), person));
        let cell = cells.entry((fact.kind.clone(), month, region.unwrap_or_default())).or_default();
        cell.0 += 1;
        cell.1 += u64::from(new);
    }
    cells
}

const FINEST: By = By { register: false, entry_type: true, month: true, region: true };

async fn told(store: &Store, by: By, threshold: u64) -> Vec<Count> {
    statistics::table(store, Some(&slug("permits")), by, threshold).await.unwrap().rows
}

#[test]
fn random_entries_are_counted_as_a_naive_count_has_them_and_no_group_is_given_away() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let cases = (vec(op(), 1..80), 1..9_u32, 0..4_u64);
    let run = TestRunner::new(config).run(&cases, |(ops, batch_entries, threshold)| {
        runtime.block_on(async {
            let mut digests = Vec::new();
            for database in Database::both().await {
                let clock = clock();
                let store = database.open(&clock).await;
                town::found(&store).await;
                let runner = Runner::start(&store, Options { batch_entries, ..Options::default() });
                let position = write(&store, &clock, &ops).await;
                runner.handle().wait_for("statistics", position, PATIENCE).await.expect("caught up");
                let cells = naive(&store).await;
                counted(&store, &cells).await;
                attacked(&store, &cells, threshold).await;
                later(&store, &runner, &clock, threshold).await;
                runner.stop().await;
                let live = digest(&store, "statistics").await.unwrap();
                let rebuilt = rebuild(&store, "statistics", |_| {}).await.unwrap();
                assert!(rebuilt.equal() && rebuilt.replaced.is_some(), "{rebuilt:?}");
                digests.push(live.1);
                store.close().await;
            }
            assert_eq!(digests[0], digests[1], "both stores hold the same rows");
        });
        Ok(())
    });
    run.unwrap();
}

async fn counted(store: &Store, cells: &BTreeMap<Cell, (u64, u64)>) {
    let mut exact: BTreeMap<(String, String), u64> = BTreeMap::new();
    for ((kind, month, _), (entries, _)) in cells {
        *exact.entry((kind.clone(), month.clone())).or_default() += entries;
    }
    let by = By { region: false, ..FINEST };
    let found = told(store, by, 10).await.into_iter();
    let found: BTreeMap<_, _> =
        found.map(|row| ((row.entry_type.unwrap(), row.month.unwrap()), row.entries)).collect();
    assert_eq!(found, exact);
    // With no threshold to speak of, every region of a month that is over is told as it is.
    let until = statistics::closed_month(store).await.unwrap().expect("a month");
    let over = cells
        .iter()
        .filter(|((_, month, region), (_, units))| *month <= until && !region.is_empty() && *units > 0);
    let all: BTreeMap<Cell, u64> = over.map(|(cell, (entries, _))| (cell.clone(), *entries)).collect();
    let named = told(store, FINEST, 1).await.into_iter().filter_map(|row| match row.region? {
        Region::Named(region) => Some(((row.entry_type?, row.month?, region), row.entries)),
        Region::Other => None,
    });
    for (cell, entries) in named {
        assert_eq!(all.get(&cell), Some(&entries), "{cell:?}");
    }
}

/// All tables of one moment, and what can be computed of them.
async fn attacked(store: &Store, cells: &BTreeMap<Cell, (u64, u64)>, threshold: u64) {
    let until = statistics::closed_month(store).await.unwrap().expect("a month");
    let cells: BTreeMap<_, _> = cells.iter().filter(|((_, month, _), _)| *month <= until).collect();
    let finest = told(store, FINEST, threshold).await;
    let shown = |kind: &str, month: &str, region: &str| {
        finest.iter().any(|row| {
            row.entry_type.as_deref() == Some(kind)
                && row.month.as_deref() == Some(month)
                && row.region == Some(Region::Named(region.to_owned()))
        })
    };
    // Each number as the set of cells that it sums, as an attacker knows it who knows which cells are not empty.
    let names: Vec<&Cell> = cells.keys().copied().collect();
    let index: BTreeMap<&Cell, usize> = names.iter().enumerate().map(|(at, cell)| (*cell, at)).collect();
    let sum = |member: &dyn Fn(&Cell) -> bool| -> Vec<i128> {
        names.iter().map(|cell| i128::from(member(cell))).collect()
    };
    let mut known: Vec<Vec<i128>> = Vec::new();
    for (kind, month) in [false, true].iter().flat_map(|a| [(*a, false), (*a, true)]) {
        // What everyone counts.
        let groups: BTreeSet<_> =
            names.iter().map(|cell| (kind.then_some(&cell.0), month.then_some(&cell.1))).collect();
        let is_in = |cell: &Cell, group: &(Option<&String>, Option<&String>)| {
            group.0.is_none_or(|kind| *kind == cell.0) && group.1.is_none_or(|month| *month == cell.1)
        };
        known.extend(groups.iter().map(|group| sum(&|cell| is_in(cell, group))));
        // What is told by region.
        for row in told(store, By { register: false, entry_type: kind, month, region: true }, threshold).await
        {
            let group = (row.entry_type.as_ref(), row.month.as_ref());
            let member = |cell: &Cell| {
                let is_shown = shown(&cell.0, &cell.1, &cell.2);
                is_in(cell, &group)
                    && match row.region.as_ref().expect("a region") {
                        Region::Named(region) => *region == cell.2 && is_shown,
                        Region::Other => !is_shown,
                    }
            };
            let total: u64 =
                cells.iter().filter(|(cell, _)| member(cell)).map(|(_, (entries, _))| entries).sum();
            assert_eq!(row.entries, total, "a coarser table is a sum of what the finest tells: {row:?}");
            known.push(sum(&member));
        }
    }
    let basis = reduced(known);
    for (cell, (_, units)) in &cells {
        if shown(&cell.0, &cell.1, &cell.2) {
            assert!(*units >= threshold && !cell.2.is_empty(), "{cell:?} is small");
            continue;
        }
        // What is the whole of its type and month is known to all, and no table could hide it.
        let alone = names.iter().filter(|other| (&other.0, &other.1) == (&cell.0, &cell.1)).count() == 1;
        let mut target = vec![0; names.len()];
        target[index[*cell]] = 1;
        assert!(alone || *units >= threshold || !spans(&basis, target), "{cell:?} can be computed");
    }
}

/// A month that was told of stays as it is, whatever is recorded after.
async fn later(store: &Store, runner: &Runner, clock: &ManualClock, threshold: u64) {
    let until = statistics::closed_month(store).await.unwrap().expect("a month");
    let before = told(store, FINEST, threshold).await;
    let mut position = 0;
    for n in 0..6 {
        clock.advance(STEP_MILLIS);
        let body = json!({"subjects": [holder(person(n % PERSONS))], "address": {"region": "Алтай"}});
        position = town::append(store, &[draft("permits", id(7, n), 1, "issued", body)]).await;
    }
    runner.handle().wait_for("statistics", position, PATIENCE).await.expect("caught up");
    let after = told(store, FINEST, threshold).await.into_iter();
    let same: Vec<Count> =
        after.filter(|row| row.month.as_ref().is_some_and(|month| *month <= until)).collect();
    assert_eq!(same, before);
}

const PRIME: i128 = 2_305_843_009_213_693_951;

fn inverse(value: i128) -> i128 {
    let (mut power, mut exponent, mut result) = (value, PRIME - 2, 1);
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = result * power % PRIME;
        }
        power = power * power % PRIME;
        exponent /= 2;
    }
    result
}

/// Takes from `row` all that the rows of `basis`, each with 1 at its own place, can.
fn remainder(basis: &BTreeMap<usize, Vec<i128>>, mut row: Vec<i128>) -> Vec<i128> {
    for (place, known) in basis {
        let factor = row[*place];
        if factor != 0 {
            for (value, known) in row.iter_mut().zip(known) {
                *value = (*value - factor * known).rem_euclid(PRIME);
            }
        }
    }
    row
}

/// A basis of what these rows span, modulo a prime that no small sum comes near.
fn reduced(rows: Vec<Vec<i128>>) -> BTreeMap<usize, Vec<i128>> {
    let mut basis: BTreeMap<usize, Vec<i128>> = BTreeMap::new();
    for row in rows {
        let mut row = remainder(&basis, row);
        let Some(place) = row.iter().position(|value| *value != 0) else { continue };
        let by = inverse(row[place]);
        for value in &mut row {
            *value = *value * by % PRIME;
        }
        for known in basis.values_mut() {
            let factor = known[place];
            for (value, new) in known.iter_mut().zip(&row) {
                *value = (*value - factor * new).rem_euclid(PRIME);
            }
        }
        basis.insert(place, row);
    }
    basis
}

fn spans(basis: &BTreeMap<usize, Vec<i128>>, target: Vec<i128>) -> bool {
    remainder(basis, target).iter().all(|value| *value == 0)
}

#[test]
fn the_attacker_can_subtract() {
    let basis = reduced(vec![vec![1, 1, 1], vec![1, 0, 0], vec![1, 1, 0]]);
    assert!(spans(&basis, vec![0, 1, 0]) && spans(&basis, vec![0, 0, 1]));
    let basis = reduced(vec![vec![1, 1, 1, 0], vec![1, 0, 0, 0], vec![0, 0, 1, 1]]);
    assert!(!spans(&basis, vec![0, 1, 0, 0]) && spans(&basis, vec![0, 1, 0, -1 + PRIME]));
}
