//! After orders, every projection holds what a rebuild from the remaining entries gives, and its files nothing else.

use std::collections::BTreeMap;

use eventstore::{Store, args, sql::Col};
use projections::{
    Options, PageRequest, Runner, account, check, digest, history, projectors, search, statuses, view,
};
use proptest::{
    collection::vec,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    proactive,
    town::{self, Draft, definitions, draft, holder, id, person, slug, withhold},
};

/// Waits until every projection has passed `position`, and has made again what it had to.
async fn settled(store: &Store, runner: &Runner, position: u64) {
    let settled = async {
        for projector in projectors() {
            loop {
                let status = statuses(store).await.unwrap();
                let status = status.iter().find(|status| status.name == projector.name()).unwrap();
                let tidy =
                    store.scrubbed(projector.name()).await.unwrap() >= store.last_order().await.unwrap();
                if status.position >= position && status.stale_since.is_none() && tidy {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE * 3, settled).await;
    let (states, found) = (runner.handle().states(), statuses(store).await.unwrap());
    assert!(in_time.is_ok(), "not settled: {states:?} {found:?}");
}

/// Random lives in all registers, and then orders for what each record said first and last.
#[test]
fn every_projection_is_what_a_rebuild_gives() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 3, failure_persistence: None, ..Config::default() };
    let run =
        TestRunner::new(config).run(&(vec(proactive::op(), 20..50), 1..9_u32), |(ops, batch_entries)| {
            runtime.block_on(async {
                let mut digests = Vec::new();
                for database in Database::both().await {
                    let store = database.open(&clock()).await;
                    digests.push(case(&store, &proactive::drafts(&ops), batch_entries).await);
                    store.close().await;
                }
                assert_eq!(digests[0], digests[1], "both stores hold the same rows");
            });
            Ok(())
        });
    run.unwrap();
}

async fn case(store: &Store, drafts: &[Draft], batch_entries: u32) -> Vec<String> {
    let mut position = proactive::found(store).await;
    let runner = Runner::start(store, Options { batch_entries, ..Options::default() });
    for some in drafts.chunks(7) {
        position = town::append(store, some).await;
    }
    for projector in projectors() {
        runner.handle().wait_for(projector.name(), position, PATIENCE).await.expect("caught up");
    }
    let mut versions = BTreeMap::<Uuid, (String, u64)>::new();
    for draft in drafts {
        versions.insert(draft.record, (draft.register.clone(), draft.version));
    }
    // The last body of some records, the first of others, and both of the rest; and their lives go on.
    let orders = versions.iter().enumerate().map(|(n, (record, (register, last)))| {
        let named = match n % 3 {
            0 => vec![*last],
            1 => vec![1],
            _ if *last == 1 => vec![1],
            _ => vec![1, *last],
        };
        withhold(register, *record, last + 1, &named)
    });
    let orders: Vec<Draft> = orders.collect();
    for some in orders.chunks(3) {
        position = town::append(store, some).await;
    }
    settled(store, &runner, position).await;
    let mut digests = Vec::new();
    for projector in projectors() {
        let checked = check(store, projector.name(), |_| {}).await.unwrap();
        let equal = (checked.digest, checked.difference, checked.stale);
        assert_eq!(equal, (checked.live, None, false), "{}", projector.name());
        assert_eq!(checked.position, position);
        digests.push(digest(store, projector.name()).await.unwrap().1.hex());
    }
    runner.stop().await;
    digests
}

const NAME: &str = "Евфросинья";

/// A permit that says a name, and is amended; a person of that name, who lives somewhere.
async fn said(store: &Store) -> u64 {
    let permit = json!({"number": "P-1", "note": NAME, "subjects": [holder(person(1))]});
    let reason = json!({"reason": NAME, "basis": {"document": NAME}, "valid_until": "2030-01-01"});
    let profile = json!({"name": {"family": NAME}, "address": {"region": "Москва"}});
    town::append(
        store,
        &[
            draft("persons", person(1), 1, "opened", profile),
            draft("permits", id(2, 1), 1, "issued", permit),
            draft("permits", id(2, 1), 2, "amended", reason),
            draft("permits", id(2, 2), 1, "issued", json!({"subjects": [holder(person(1))]})),
        ],
    )
    .await
}

/// Tables and their rows of any build in which a text stands.
async fn tables_with(store: &Store, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for table in projectors().iter().flat_map(|projector| projector.tables()) {
        // What is not text would end the text for SQLite.
        let texts = table.columns.iter().filter(|(_, column)| *column == Col::Text);
        let columns: Vec<String> = texts.map(|(name, _)| format!("COALESCE({name}, '')")).collect();
        if columns.is_empty() {
            continue;
        }
        let sql = format!("SELECT 1 AS n FROM {} WHERE {} LIKE $1", table.name, columns.join(" || "));
        let rows = store.db().fetch_all(&sql, args![format!("%{text}%")]).await.unwrap();
        found.extend(rows.iter().map(|_| table.name.to_owned()));
    }
    found
}

#[tokio::test]
async fn nothing_is_said_any_more_that_was_withheld() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = said(&store).await;
        let runner = Runner::start(&store, Options::default());
        settled(&store, &runner, position).await;
        let lower = NAME.to_lowercase();
        assert!(!tables_with(&store, NAME).await.is_empty() && !tables_with(&store, &lower).await.is_empty());
        town::append(&store, &[withhold("permits", id(2, 1), 3, &[1, 2])]).await;
        let position = town::append(&store, &[withhold("persons", person(1), 2, &[1])]).await;
        settled(&store, &runner, position).await;
        let (db, definitions, page) = (store.db(), definitions(&store).await, PageRequest::first(9));
        let everything = account::Filter { with_former: true, ..account::Filter::default() };
        let mine = account::list(db, &definitions, person(1), &everything, &page).await.unwrap().items;
        assert_eq!(mine.iter().map(|record| record.record).collect::<Vec<_>>(), [id(2, 2)]);
        let profile = account::profile(db, person(1)).await.unwrap().expect("the account stays");
        assert_eq!((profile.status.as_str(), profile.content), ("active", json!({})));
        assert!(view::by_number(db, &definitions, &slug("permits"), "P-1").await.unwrap().is_none());
        let steps = history::steps(db, &definitions, id(2, 1), &page).await.unwrap().items;
        let kinds: Vec<_> =
            steps.iter().map(|step| (step.entry_type.to_string(), step.reason.clone())).collect();
        assert_eq!(kinds.len(), 3);
        assert!(kinds.iter().all(|(_, reason)| reason.is_none()), "{kinds:?}");
        for text in [NAME, &lower] {
            assert_eq!(tables_with(&store, text).await, Vec::<String>::new());
        }
        for status in statuses(&store).await.unwrap() {
            assert_eq!((status.withheld, status.stale_since), (3, None), "{}", status.name);
        }
        // Where the person lived is not known any more, so that nothing of the register counts there.
        let regions = "SELECT DISTINCT region FROM statistics_cell WHERE build = (SELECT build FROM projection WHERE name = 'statistics' AND live = 1)";
        let regions: Vec<String> = db
            .fetch_all(regions, args![])
            .await
            .unwrap()
            .iter()
            .map(|row| row.text("region").unwrap())
            .collect();
        assert_eq!(regions, [""]);
        runner.stop().await;
        store.close().await;
        if let Database::Sqlite(directory) = &database {
            for text in [NAME, &lower] {
                assert_eq!(holds(directory.path(), text), Vec::<String>::new(), "{text}");
            }
        }
    }
}

/// The files in which a text stands.
fn holds(directory: &std::path::Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let holding = files.filter(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    });
    holding.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// What a check or a replay left half-made, and a projector of another version, keep nothing either.
#[tokio::test]
async fn builds_that_nobody_ends_go_with_an_order() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = said(&store).await;
        let runner = Runner::start(&store, Options::default());
        settled(&store, &runner, position).await;
        let mut tx = store.db().begin().await.unwrap();
        for sql in [
            "INSERT INTO projection (name, build, version, position, live, updated_at) SELECT name, 7, version, position, 0, updated_at FROM projection WHERE name = 'history'",
            "INSERT INTO history_step SELECT 7, record, version, register, position, leaf_index, type, status_before, status_after, recorded_at, effective_at, issuer, corrects, basis, reason FROM history_step",
        ] {
            tx.execute(sql, args![]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let position = town::append(&store, &[withhold("permits", id(2, 1), 3, &[2])]).await;
        settled(&store, &runner, position).await;
        let sql = "SELECT build FROM projection WHERE name = 'history'";
        let rows = store.db().fetch_all(sql, args![]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.int("build").unwrap()).collect::<Vec<_>>(), [1]);
        assert!(!tables_with(&store, NAME).await.contains(&"history_step".to_owned()));
        runner.stop().await;
        store.close().await;
    }
}

/// Statistics cannot take back what they added up. Until they are made again they say so, and a check says why it differs.
#[tokio::test]
async fn statistics_say_that_they_count_what_was_withheld() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = said(&store).await;
        let runner = Runner::start(&store, Options::default());
        settled(&store, &runner, position).await;
        runner.stop().await;
        let order = town::append(&store, &[withhold("persons", person(1), 2, &[1])]).await;
        let stale = |statuses: Vec<projections::Status>| {
            statuses
                .into_iter()
                .filter_map(|status| Some((status.name, status.stale_since?)))
                .collect::<Vec<_>>()
        };
        assert_eq!(stale(statuses(&store).await.unwrap()), [("statistics", order)]);
        let checked = check(&store, "statistics", |_| {}).await.unwrap();
        assert!(checked.stale && checked.difference.is_some());
        let checked = check(&store, "view", |_| {}).await.unwrap();
        assert!(!checked.stale && checked.difference.is_none());
        // The next runner makes them again, as a replay would.
        let runner = Runner::start(&store, Options::default());
        settled(&store, &runner, order).await;
        assert_eq!(stale(statuses(&store).await.unwrap()), []);
        assert_eq!(check(&store, "statistics", |_| {}).await.unwrap().difference, None);
        runner.stop().await;
        let order = town::append(&store, &[withhold("permits", id(2, 2), 2, &[1])]).await;
        let rebuilt = projections::rebuild(&store, "statistics", |_| {}).await.unwrap();
        assert!(rebuilt.stale && !rebuilt.equal());
        assert_eq!((rebuilt.position, stale(statuses(&store).await.unwrap())), (order, vec![]));
        store.close().await;
    }
}

/// Searching for what was withheld finds nothing, by words of the body or by the name of a person.
#[tokio::test]
async fn search_does_not_find_it() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = said(&store).await;
        let runner = Runner::start(&store, Options::default());
        settled(&store, &runner, position).await;
        let definitions = definitions(&store).await;
        let found = async || {
            let query = search::Query::parse(NAME).unwrap();
            let scope = search::Scope { registers: vec![slug("permits")], status: None };
            let page = PageRequest::first(9);
            search::records(store.db(), &definitions, &query, &scope, &page).await.unwrap().items.len()
        };
        assert_eq!(found().await, 2);
        let position = town::append(&store, &[withhold("permits", id(2, 1), 3, &[1])]).await;
        settled(&store, &runner, position).await;
        assert_eq!(found().await, 1, "the other is found by its holder's name");
        let position = town::append(&store, &[withhold("persons", person(1), 2, &[1])]).await;
        settled(&store, &runner, position).await;
        assert_eq!(found().await, 0);
        runner.stop().await;
        store.close().await;
    }
}
