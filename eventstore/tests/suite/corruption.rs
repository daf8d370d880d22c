//! Stored data that contradicts itself is named, never served. The triggers stand in the way, so the tests take them down first,
//! as one who owns the database's files can.

use eventstore::{AppendError, Store, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, on_both_stores, slug};

on_both_stores!(
    a_changed_entry_is_named,
    a_missing_entry_is_named,
    a_changed_hash_gives_no_receipt,
    a_changed_head_is_not_opened,
    a_changed_key_is_not_used,
);

async fn tampered(fixture: &Fixture, statements: &[&str]) -> Store {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 300)).await.unwrap();
    tamper(fixture, &store, statements).await;
    store
}

async fn tamper(fixture: &Fixture, store: &Store, statements: &[&str]) {
    let mut tx = store.db().begin().await.unwrap();
    let guards = [("entry", "update"), ("entry", "delete"), ("tile", "delete"), ("log", "update")];
    for (table, event) in guards {
        let on = if fixture.is_postgres() { format!("ON {table}") } else { String::new() };
        tx.execute(&format!("DROP TRIGGER {table}_{event} {on}"), vec![]).await.unwrap();
    }
    for statement in statements {
        assert!(tx.execute(statement, vec![]).await.unwrap() > 0, "{statement}");
    }
    tx.commit().await.unwrap();
}

#[track_caller]
fn names<T: std::fmt::Debug>(result: Result<T, StoreError>, at: &str) {
    match result {
        Err(StoreError::Corrupt { table, column, key, .. }) => {
            assert_eq!(format!("{table}.{column} {key}").trim(), at);
        }
        other => panic!("{at} was not found out: {other:?}"),
    }
}

async fn a_changed_entry_is_named(fixture: &Fixture) {
    let store = tampered(
        fixture,
        &[
            "UPDATE entry SET body = leaf_hash WHERE position = 1",
            "UPDATE entry SET version = 2 WHERE position = 2",
            "UPDATE entry SET statement = leaf_hash WHERE position = 3",
            "UPDATE entry SET statement = (SELECT statement FROM entry WHERE position = 5) WHERE position = 4",
        ],
    )
    .await;
    names(store.read_after(0, 1).await, "entry.body 1");
    names(store.read_after(1, 1).await, "entry.version 2");
    names(store.read_record(Uuid::from_u128(3)).await, "entry.statement 3");
    names(store.entry(&slug("licences"), 3).await, "entry.record 4");
    assert_eq!(store.read_after(4, 10).await.unwrap().len(), 10);
    store.close().await;
}

async fn a_missing_entry_is_named(fixture: &Fixture) {
    let store = tampered(
        fixture,
        &["DELETE FROM entry WHERE position = 7", "DELETE FROM entry WHERE position = 290"],
    )
    .await;
    names(store.read_after(0, 100).await, "entry.position 7");
    names(store.read_register(&slug("licences"), 5, 100).await, "entry.leaf_index licences/6");
    // What follows the last full tile needs the leaf's hash, and does not make up another.
    names(store.tile(&slug("licences"), 0, 1, 44).await, "entry.shard licences/0/1");
    store.close().await;
}

async fn a_changed_hash_gives_no_receipt(fixture: &Fixture) {
    let flip =
        "UPDATE entry SET leaf_hash = (SELECT leaf_hash FROM entry WHERE position = 1) WHERE position = 300";
    let store = tampered(fixture, &[flip]).await;
    names(store.receipt(&slug("licences"), 298).await, "entry.leaf_hash licences/298");
    store.receipt(&slug("licences"), 0).await.expect_err("the path of every leaf goes by the changed one");
    store.close().await;
}

async fn a_changed_head_is_not_opened(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    store.submit(fixture.many("licences", 1, 3)).await.unwrap();
    let old = store.log(&slug("licences")).await.unwrap().unwrap().checkpoint;
    store.submit(fixture.many("licences", 10, 3)).await.unwrap();
    let forked = format!("UPDATE log SET checkpoint = '{old}' WHERE register = 'licences'");
    tamper(fixture, &store, &[&forked]).await;
    store.close().await;
    names(fixture.try_open().await.map(|_| ()), "log.checkpoint licences");
}

async fn a_changed_key_is_not_used(fixture: &Fixture) {
    let store = tampered(fixture, &["UPDATE signing_key SET sealed = (SELECT wrapped FROM seal)"]).await;
    let kid = store.log(&slug("licences")).await.unwrap().unwrap().key.key().kid();
    names(store.key("licences", eventstore::CHECKPOINT).await, &format!("signing_key.sealed {kid}"));
    // An appender that does not know the key yet does not sign with it either.
    let other = fixture.open().await;
    let answer = other.submit(fixture.one("licences", 1, 2)).await;
    assert!(matches!(answer, Err(AppendError::Store(StoreError::Corrupt { .. }))), "{answer:?}");
    other.close().await;
    store.close().await;
}
