//! An organisation that is a subject wherever a person is has the same account.

use std::collections::BTreeSet;

use eventstore::Store;
use projections::{Options, PageRequest, Runner, account, account::Holder, digest, rebuild};
use proptest::{
    collection::vec,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    database::{Database, PATIENCE, clock},
    model::{drafts, op},
    town::{self, Draft, definitions, person, slug},
};

/// Beside each person, an organisation in the same role, whose number is the person's identifier.
fn twinned(mut draft: Draft) -> Draft {
    if let Some(subjects) = draft.body.get_mut("subjects").and_then(Value::as_array_mut) {
        let twin = |subject: &Value| json!({"role": subject["role"], "organisation": {"name": "Twin", "ogrn": subject["person"]}});
        let twins: Vec<Value> = subjects.iter().map(twin).collect();
        subjects.extend(twins);
    }
    draft
}

#[test]
fn an_organisation_has_an_account_as_a_person_has() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 6, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&(vec(op(), 1..40), 1..9_u32), |(ops, batch_entries)| {
        let drafts: Vec<Draft> = drafts(&ops).into_iter().map(twinned).collect();
        runtime.block_on(async {
            let mut digests = BTreeSet::new();
            for database in Database::both().await {
                let store = database.open(&clock()).await;
                digests.insert(case(&store, &drafts, batch_entries).await);
                store.close().await;
            }
            assert_eq!(digests.len(), 1, "both stores hold the same rows");
        });
        Ok(())
    });
    run.unwrap();
}

async fn case(store: &Store, drafts: &[Draft], batch_entries: u32) -> String {
    town::found(store).await;
    let runner = Runner::start(store, Options { batch_entries, ..Options::default() });
    let mut position = 3;
    for some in drafts.chunks(7) {
        position = town::append(store, some).await;
    }
    for projection in ["account", "organisations"] {
        runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
    }
    runner.stop().await;
    for n in 0..3 {
        same(store, n).await;
    }
    let live = digest(store, "organisations").await.unwrap().1.hex();
    assert!(rebuild(store, "organisations", |_| {}).await.unwrap().equal());
    assert_eq!(digest(store, "organisations").await.unwrap().1.hex(), live);
    live
}

async fn same(store: &Store, n: u64) {
    let (db, definitions, page) = (store.db(), definitions(store).await, PageRequest::first(200));
    let organisation = || Holder::Organisation(person(n).to_string());
    let of_person = account::overview(db, &definitions, person(n)).await.unwrap();
    assert_eq!(account::overview(db, &definitions, organisation()).await.unwrap(), of_person);
    let within = |registers: &[&str]| Some(registers.iter().map(|name| slug(name)).collect::<BTreeSet<_>>());
    for within in [None, within(&["permits"]), within(&["persons"]), within(&[])] {
        let hidden = within.as_ref().is_some_and(|registers| !registers.contains(&slug("permits")));
        let filter = account::Filter { within, with_former: true, ..account::Filter::default() };
        let of_person = account::list(db, &definitions, person(n), &filter, &page).await.unwrap();
        let found = account::list(db, &definitions, organisation(), &filter, &page).await.unwrap();
        assert_eq!(found, of_person);
        assert!(!hidden || found.items.is_empty(), "only what the filter lets through");
        for item in found.items {
            let again = account::record(db, &definitions, organisation(), item.record).await.unwrap();
            assert_eq!(again, Some(item));
        }
    }
}
