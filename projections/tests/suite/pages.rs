//! Walks through lists that grow meanwhile: nothing twice, nothing left out.

use std::collections::BTreeSet;

use projections::{Options, Page, PageRequest, ProjectionError, Runner, account, history, view};
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, definitions, draft, holder, id, person, slug},
};

#[test]
fn a_walk_meets_each_row_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (databases, stores, runners) = runtime.block_on(async {
        let databases = Database::both().await;
        let (mut stores, mut runners) = (Vec::new(), Vec::new());
        for database in &databases {
            let store = database.open(&clock()).await;
            town::found(&store).await;
            runners.push(Runner::start(&store, Options::default()));
            stores.push(store);
        }
        (databases, stores, runners)
    });
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let mut case = 0_u64;
    let sizes = (0..40_u64, 1..9_u32, 0..3_u64);
    for (store, runner) in stores.iter().zip(&runners) {
        let cases = std::cell::Cell::new(case);
        TestRunner::new(config.clone())
            .run(&sizes, |(rows, limit, growth)| {
                cases.set(cases.get() + 1);
                runtime.block_on(walks(store, runner, cases.get(), (rows, limit, growth)));
                Ok(())
            })
            .unwrap();
        case = cases.get();
    }
    runtime.block_on(async {
        for (runner, store) in runners.into_iter().zip(stores) {
            runner.stop().await;
            store.close().await;
        }
    });
    drop(databases);
}

async fn walks(
    store: &eventstore::Store,
    runner: &Runner,
    case: u64,
    (rows, limit, growth): (u64, u32, u64),
) {
    let who = person(case);
    let record = |n: u64| id(2, case * 1_000 + n);
    let grow = |from: u64, to: u64| async move {
        if from == to {
            return;
        }
        let issue = |n| draft("permits", record(n), 1, "issued", json!({"subjects": [holder(who)]}));
        let drafts: Vec<_> = (from..to).map(issue).collect();
        let position = town::append(store, &drafts).await;
        for projection in ["account", "view"] {
            runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
        }
    };
    grow(0, rows).await;
    let definitions = definitions(store).await;
    let (db, filter) = (store.db(), account::Filter::default());
    let mut page = PageRequest::first(limit);
    let mut walked: Vec<Uuid> = Vec::new();
    let mut grown = rows;
    loop {
        let got: Page<_> = account::list(db, &definitions, who, &filter, &page).await.unwrap();
        assert!(got.items.len() <= limit as usize);
        walked.extend(got.items.iter().map(|item| item.record));
        // New ones come, which must not move the walk.
        grow(grown, grown + growth).await;
        grown += growth;
        match got.next {
            Some(next) => page = PageRequest::after(next, limit),
            None => break,
        }
    }
    let newest_first: Vec<Uuid> = (0..rows).rev().map(record).collect();
    assert_eq!(walked, newest_first);
    check_register(store, limit).await;
}

/// The register as a whole, page by page, has each record once.
async fn check_register(store: &eventstore::Store, limit: u32) {
    let definitions = definitions(store).await;
    let (permits, filter) = (slug("permits"), view::Filter::default());
    let expected: u64 = view::counts(store.db(), &permits).await.unwrap().by_status.iter().map(|c| c.n).sum();
    let mut page = PageRequest::first(limit * 10);
    let mut walked = Vec::new();
    loop {
        let got = view::list(store.db(), &definitions, &permits, &filter, &page).await.unwrap();
        walked.extend(got.items.iter().map(|item| item.record));
        match got.next {
            Some(next) => page = PageRequest::after(next, limit * 10),
            None => break,
        }
    }
    assert_eq!(walked.len() as u64, expected);
    assert_eq!(walked.into_iter().collect::<BTreeSet<_>>().len() as u64, expected);
}

#[tokio::test]
async fn a_cursor_of_another_list_and_an_empty_page_are_refused() {
    let database = Database::sqlite();
    let store = database.open(&clock()).await;
    town::found(&store).await;
    let runner = Runner::start(&store, Options::default());
    let permit = id(2, 1);
    let mut drafts = vec![draft("permits", permit, 1, "issued", json!({}))];
    drafts.extend((2..5).map(|version| draft("permits", permit, version, "amended", json!({}))));
    let position = town::append(&store, &drafts).await;
    runner.handle().wait_for("history", position, PATIENCE).await.expect("caught up");

    let definitions = definitions(&store).await;
    let steps = |page: PageRequest| {
        let (db, definitions) = (store.db(), &definitions);
        async move { history::steps(db, definitions, permit, &page).await }
    };
    let first = steps(PageRequest::first(3)).await.unwrap();
    let cursor = first.next.expect("a step more");
    let rest = steps(PageRequest::after(cursor.clone(), 3)).await.unwrap();
    let versions: Vec<_> = first.items.iter().chain(&rest.items).map(|step| step.version).collect();
    assert_eq!((versions, rest.next), (vec![1, 2, 3, 4], None));

    let (permits, all) = (slug("permits"), view::Filter::default());
    let foreign = PageRequest::after(cursor, 3);
    let refused = view::list(store.db(), &definitions, &permits, &all, &foreign).await;
    assert!(matches!(refused, Err(ProjectionError::Cursor)), "{refused:?}");
    let refused = steps(PageRequest::first(201)).await;
    assert!(matches!(refused, Err(ProjectionError::Limit { asked: 201 })), "{refused:?}");
    runner.stop().await;
    store.close().await;
}

#[tokio::test]
async fn filters_narrow_to_what_they_say() {
    let database = Database::sqlite();
    let store = database.open(&clock()).await;
    town::found(&store).await;
    let (ann, bob) = (person(1), person(2));
    let drafts = [
        draft("permits", id(2, 1), 1, "issued", json!({"subjects": [holder(ann)]})),
        draft("permits", id(2, 2), 1, "issued", json!({"subjects": [holder(bob), town::heir(ann)]})),
        draft("permits", id(2, 2), 2, "suspended", json!({})),
    ];
    let position = town::append(&store, &drafts).await;
    let runner = Runner::start(&store, Options::default());
    runner.handle().wait_for("account", position, PATIENCE).await.expect("caught up");
    let definitions = definitions(&store).await;
    let found = |filter: account::Filter| {
        let (db, definitions) = (store.db(), &definitions);
        async move {
            let page = account::list(db, definitions, ann, &filter, &PageRequest::first(9)).await.unwrap();
            page.items.iter().map(|item| item.record).collect::<Vec<_>>()
        }
    };
    let filter = account::Filter::default;
    let (one, two, none) = (vec![id(2, 1)], vec![id(2, 2)], Vec::<Uuid>::new());
    assert_eq!(found(account::Filter { role: Some("holder".into()), ..filter() }).await, one);
    assert_eq!(found(account::Filter { role: Some("heir".into()), ..filter() }).await, two);
    assert_eq!(found(account::Filter { role: Some("h%".into()), ..filter() }).await, none);
    assert_eq!(found(account::Filter { status: Some("suspended".into()), ..filter() }).await, two);
    assert_eq!(found(account::Filter { in_force: Some(true), ..filter() }).await, one);
    assert_eq!(found(account::Filter { register: Some(slug("persons")), ..filter() }).await, none);
    let group = |name: &str| Some(name.parse().unwrap());
    assert_eq!(found(account::Filter { group: group("business"), ..filter() }).await.len(), 2);
    assert_eq!(found(account::Filter { group: group("family"), ..filter() }).await, none);
    runner.stop().await;
    store.close().await;
}
