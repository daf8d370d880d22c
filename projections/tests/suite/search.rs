//! Search against a naive one that goes over all entries again, on both stores: what is found, and in which order; and
//! the index of SQLite after rebuilds.

use std::{collections::BTreeMap, sync::Arc};

use eventstore::{Store, args, sql::Dialect, testing::ManualClock};
use projections::{
    Options, PageRequest, Runner,
    account::Holder,
    digest, rebuild,
    search::{self, Query, Scope},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    naive::{self, Fact},
    town::{self, Draft, definitions, draft, holder, id, person, slug},
};

/// Words, and which of them are forms of one.
const WORDS: [(&str, u8); 12] = [
    ("лицензия", 0),
    ("лицензии", 0),
    ("Лицензией", 0),
    ("дом", 1),
    ("ДОМА", 1),
    ("house", 2),
    ("houses", 2),
    ("Permit", 3),
    ("ёлка", 4),
    ("елки", 4),
    ("Мария", 5),
    ("Марии", 5),
];
const PERSONS: u64 = 3;
/// What the register `permits` is called.
const TITLES: [&str; 2] = ["permits (ru)", "permits"];

#[derive(Clone, Debug)]
enum Op {
    Issue { note: Vec<usize>, more: Vec<usize>, subjects: Vec<u64> },
    Amend { record: usize, note: Option<Vec<usize>>, subjects: Option<Vec<u64>> },
    Suspend(usize),
    Name { person: u64, words: Vec<usize> },
}

fn op() -> impl Strategy<Value = Op> {
    let words = || vec(0..WORDS.len(), 0..4);
    let subjects = || vec(0..PERSONS, 0..3);
    prop_oneof![
        3 => (words(), words(), subjects()).prop_map(|(note, more, subjects)| Op::Issue { note, more, subjects }),
        3 => (any::<usize>(), proptest::option::of(words()), proptest::option::of(subjects()))
            .prop_map(|(record, note, subjects)| Op::Amend { record, note, subjects }),
        1 => any::<usize>().prop_map(Op::Suspend),
        2 => (0..PERSONS, words()).prop_map(|(person, words)| Op::Name { person, words }),
    ]
}

#[derive(Clone, Debug)]
enum Ask {
    Word(usize),
    Beginning(usize),
    Phrase(usize, usize),
    Number(usize),
}

fn asks() -> impl Strategy<Value = Vec<(Ask, bool)>> {
    let word = || 0..WORDS.len();
    let ask = prop_oneof![
        4 => word().prop_map(Ask::Word),
        1 => word().prop_map(Ask::Beginning),
        1 => (word(), word()).prop_map(|(one, next)| Ask::Phrase(one, next)),
        1 => (0..6_usize).prop_map(Ask::Number),
    ];
    let rest = vec((ask.clone(), any::<bool>()), 0..3);
    (ask, rest).prop_map(|(first, rest)| [(first, false)].into_iter().chain(rest).collect())
}

fn spelled(word: &str) -> String {
    word.to_lowercase().replace('ё', "е")
}

fn class(word: &str) -> Option<u8> {
    let found = WORDS.iter().find(|(form, _)| spelled(form) == word).map(|(_, class)| *class);
    found.or((word == "permits").then_some(3))
}

fn text(words: &[usize]) -> String {
    words.iter().map(|at| WORDS[*at].0).collect::<Vec<_>>().join(", ")
}

fn drafts(ops: &[Op]) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut versions: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut suspended: Vec<usize> = Vec::new();
    let mut issued = 0_usize;
    let holders = |subjects: &[u64]| subjects.iter().map(|n| holder(person(*n))).collect::<Value>();
    let record = |n: usize| id(2, n as u64);
    for op in ops {
        let (register, record, kind, body) = match op {
            Op::Issue { note, more, subjects } => {
                let lines = json!({"deep": [text(more), 7, null, true]});
                let body = json!({"number": format!("N-{issued}"), "note": text(note), "more": lines,
                    "subjects": holders(subjects)});
                issued += 1;
                ("permits", record(issued - 1), "issued", body)
            }
            Op::Amend { record: n, note, subjects } if issued > 0 => {
                let mut body = Map::new();
                body.extend(note.as_ref().map(|note| ("note".to_owned(), json!(text(note)))));
                body.extend(subjects.as_ref().map(|subjects| ("subjects".to_owned(), holders(subjects))));
                ("permits", record(n % issued), "amended", Value::Object(body))
            }
            Op::Suspend(n) if issued > 0 && !suspended.contains(&(n % issued)) => {
                suspended.push(n % issued);
                ("permits", record(n % issued), "suspended", json!({"reason": "дом лицензия"}))
            }
            Op::Name { person: n, words } => {
                let part = |at: usize| words.get(at).map(|word| WORDS[*word].0);
                let name = json!({"family": part(0), "given": part(1), "patronymic": part(2)});
                let first = !versions.contains_key(&person(*n));
                ("persons", person(*n), if first { "opened" } else { "amended" }, json!({"name": name}))
            }
            _ => continue,
        };
        let version = versions.entry(record).or_default();
        *version += 1;
        drafts.push(draft(register, record, *version, kind, body));
    }
    drafts
}

/// A text that is searched: its words, value by value.
type Values = Vec<Vec<String>>;

struct Naive {
    record: Uuid,
    number: String,
    status: String,
    subjects: Vec<Uuid>,
    own: Values,
    names: Values,
    opened: u64,
}

fn value(text: &str) -> Vec<String> {
    text.split([',', ' ', '(', ')']).filter(|word| !word.is_empty()).map(spelled).collect()
}

fn naive(facts: &[Fact]) -> Vec<Naive> {
    let last = |record: Uuid| {
        let life: Vec<&Fact> = facts.iter().filter(|fact| fact.record == record).collect();
        let version = life.len() as u64;
        (naive::content(&life, version), naive::status(&life, version), life[0].position)
    };
    let name = |person: Uuid| {
        let known = facts.iter().any(|fact| fact.record == person);
        let content = if known { last(person).0 } else { Map::new() };
        let part = |part: &str| content.get("name")?.get(part)?.as_str().map(str::to_owned);
        value(&["family", "given", "patronymic"].into_iter().filter_map(part).collect::<Vec<_>>().join(" "))
    };
    let of = |record: Uuid| {
        let (content, status, opened) = last(record);
        let text = |pointer: &str| {
            let content = Value::Object(content.clone());
            content.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let persons = content["subjects"].as_array().expect("a list").iter();
        let mut subjects: Vec<Uuid> =
            persons.map(|subject| subject["person"].as_str().unwrap().parse().unwrap()).collect();
        subjects.sort_unstable();
        Naive {
            record,
            number: text("/number"),
            status,
            own: vec![value(&text("/note")), value(&text("/more/deep/0"))],
            names: subjects.iter().map(|person| name(*person)).collect(),
            subjects,
            opened,
        }
    };
    naive::records(facts, "permits").into_iter().map(of).collect()
}

impl Ask {
    fn text(&self) -> String {
        let word = |at: &usize| WORDS[*at].0;
        match self {
            Self::Word(at) => word(at).to_owned(),
            Self::Beginning(at) => format!("{}*", word(at).chars().take(3).collect::<String>()),
            Self::Phrase(one, next) => format!("\"{} {}\"", word(one), word(next)),
            Self::Number(n) => format!("N-{n}"),
        }
    }

    fn found(&self, values: &Values, number: Option<&str>, exact: bool) -> bool {
        let spelled = |at: &usize| spelled(WORDS[*at].0);
        let any = |test: &dyn Fn(&String) -> bool| values.iter().flatten().any(test);
        match self {
            Self::Word(at) if exact => any(&|word| *word == spelled(at)),
            Self::Word(at) => any(&|word| class(word) == Some(WORDS[*at].1)),
            Self::Beginning(at) => {
                let beginning: String = spelled(at).chars().take(3).collect();
                any(&|word| word.starts_with(&beginning))
            }
            Self::Phrase(one, next) => {
                let phrase = [spelled(one), spelled(next)];
                values.iter().any(|value| value.windows(2).any(|words| words == phrase))
            }
            Self::Number(n) => number == Some(format!("N-{n}").as_str()),
        }
    }
}

/// What a search should find: in which order, whoever asks.
fn expected(all: &[Naive], asks: &[(Ask, bool)], person: Option<Uuid>, status: Option<&str>) -> Vec<Uuid> {
    let title: Values = TITLES.iter().map(|title| value(title)).collect();
    let mut found: Vec<(u8, u64, Uuid)> = Vec::new();
    for one in all {
        let theirs = person.is_none_or(|person| one.subjects.contains(&person));
        if !theirs || status.is_some_and(|status| status != one.status) {
            continue;
        }
        let mut values = one.own.clone();
        if person.is_none() {
            values.extend(one.names.clone());
        }
        let has =
            |ask: &Ask, exact| ask.found(&title, None, false) || ask.found(&values, Some(&one.number), exact);
        if !asks.iter().all(|(ask, unwanted)| has(ask, false) != *unwanted) {
            continue;
        }
        let alone = matches!(asks, [(Ask::Number(_), false)]);
        let exact = asks.iter().filter(|(_, unwanted)| !unwanted).all(|(ask, _)| has(ask, true));
        found.push((if alone { 2 } else { u8::from(exact) }, one.opened, one.record));
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, _, record)| record).collect()
}

/// Everything that is found, in pages of two.
async fn walk(store: &Store, text: &str, person: Option<Uuid>, status: Option<&str>) -> Vec<Uuid> {
    let definitions = definitions(store).await;
    let query = Query::parse(text).expect("a question");
    let scope = Scope { registers: vec![slug("permits")], status: status.map(str::to_owned) };
    let (mut page, mut all) = (PageRequest::first(2), Vec::new());
    loop {
        let db = store.db();
        let (records, next): (Vec<Uuid>, _) = if let Some(person) = person {
            let holder = Holder::Person(person);
            let got =
                search::account_records(db, &definitions, &query, &holder, &scope, &page).await.unwrap();
            (got.items.iter().map(|item| item.record).collect(), got.next)
        } else {
            let got = search::records(db, &definitions, &query, &scope, &page).await.unwrap();
            (got.items.iter().map(|item| item.record).collect(), got.next)
        };
        all.extend(records);
        match next {
            Some(next) => page = PageRequest::after(next, 2),
            None => return all,
        }
    }
}

#[test]
fn random_records_are_found_as_a_naive_search_finds_them() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let cases = (vec(op(), 1..40), vec(asks(), 25), 1..9_u32);
    let run = TestRunner::new(config).run(&cases, |(ops, questions, batch_entries)| {
        runtime.block_on(async {
            let mut digests = Vec::new();
            for database in Database::both().await {
                let clock = clock();
                let store = database.open(&clock).await;
                digests.push(case(&store, &clock, &drafts(&ops), &questions, batch_entries).await);
                store.close().await;
            }
            assert_eq!(digests[0], digests[1], "both stores hold the same rows");
        });
        Ok(())
    });
    run.unwrap();
}

/// A part of what is asked may be a word of the title, and the number beside it the record's.
#[tokio::test]
async fn a_number_beside_a_word_of_the_title_is_found() {
    let ops = [Op::Issue { note: vec![0], more: vec![], subjects: vec![] }];
    let questions = [
        vec![(Ask::Number(0), false), (Ask::Beginning(7), false)],
        vec![(Ask::Word(1), false), (Ask::Number(0), false), (Ask::Beginning(7), false)],
        vec![(Ask::Number(1), false), (Ask::Beginning(7), false)],
        vec![(Ask::Beginning(7), false), (Ask::Number(0), false)],
        vec![(Ask::Number(0), false)],
    ];
    for database in Database::both().await {
        let clock = clock();
        let store = database.open(&clock).await;
        case(&store, &clock, &drafts(&ops), &questions, 3).await;
        store.close().await;
    }
}

async fn case(
    store: &Store,
    clock: &Arc<ManualClock>,
    drafts: &[Draft],
    questions: &[Vec<(Ask, bool)>],
    batch_entries: u32,
) -> String {
    town::found(store).await;
    let runner = Runner::start(store, Options { batch_entries, ..Options::default() });
    let mut position = 3;
    for some in drafts.chunks(5) {
        clock.advance(1_000);
        position = town::append(store, some).await;
    }
    for projection in ["search", "view", "account"] {
        runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
    }
    runner.stop().await;
    let all = naive(&naive::facts(store).await);
    check(store, &all, questions).await;
    let live = digest(store, "search").await.unwrap();
    let rebuilt = rebuild(store, "search", |_| {}).await.unwrap();
    assert!(rebuilt.equal() && rebuilt.replaced.is_some(), "{rebuilt:?}");
    assert_eq!(digest(store, "search").await.unwrap(), live);
    check(store, &all, &questions[..5]).await;
    indexed(store).await;
    live.1.hex()
}

async fn check(store: &Store, all: &[Naive], questions: &[Vec<(Ask, bool)>]) {
    for asks in questions {
        let text: Vec<String> = asks
            .iter()
            .map(|(ask, unwanted)| format!("{}{}", if *unwanted { "-" } else { "" }, ask.text()))
            .collect();
        let text = text.join(" ");
        for person in [None, Some(person(0)), Some(person(1))] {
            for status in [None, Some("suspended")] {
                let expected = expected(all, asks, person, status);
                let found = walk(store, &text, person, status).await;
                assert_eq!(found, expected, "{text} {person:?} {status:?}");
            }
        }
    }
}

/// The index has the rows of its table and no others: those of builds that were replaced are gone.
async fn indexed(store: &Store) {
    if store.db().dialect() == Dialect::Sqlite {
        let count = async |sql: &str| {
            store.db().fetch_optional(sql, args![]).await.unwrap().expect("a row").int("n").unwrap()
        };
        let rows = count("SELECT COUNT(*) AS n FROM search_record").await;
        assert_eq!(count("SELECT COUNT(*) AS n FROM search_index_docsize").await, rows);
        let builds = count("SELECT COUNT(DISTINCT build) AS n FROM search_record").await;
        assert!(builds <= 1, "{builds} builds");
    }
}
