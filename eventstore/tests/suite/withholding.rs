//! A body that an order withholds is gone: with the order or not at all, from the table, and from the files.

use std::path::Path;

use eventstore::sql::Target;
use eventstore::{AppendError, Guard, NewEntry, Store, Submission, Withheld, Withhold};
use uuid::Uuid;

use crate::fixture::{Fixture, keyed, list, on_both_stores, slug};

on_both_stores!(
    an_order_takes_bodies_away,
    an_order_that_is_refused_takes_nothing_away,
    order_and_removal_are_one_transaction,
    the_database_refuses_what_no_order_says,
    what_came_back_is_found_and_removed_again,
    a_retry_learns_nothing_of_what_was_withheld,
    nothing_is_left_in_the_table,
    many_orders_are_read_whole,
);

/// An entry of the record that withholds versions of it.
fn order(fixture: &Fixture, record: u128, by: u64, versions: &[u64]) -> Submission {
    let withhold = Withhold { record: Uuid::from_u128(record), by, versions: versions.to_vec() };
    Submission { withholds: vec![withhold], ..fixture.one("licences", record, by) }
}

/// Whether each body of the register is there.
async fn bodies(store: &Store) -> Vec<bool> {
    let entries = store.read_register(&slug("licences"), 0, 1_000).await.unwrap();
    assert!(entries.iter().all(|entry| entry.body.is_some() == entry.salt.is_some()));
    entries.iter().map(|entry| entry.body.is_some()).collect()
}

async fn execute(store: &Store, statement: &str) -> Result<u64, String> {
    let mut tx = store.db().begin().await.unwrap();
    let changed = tx.execute(statement, vec![]).await.map_err(|error| error.to_string())?;
    tx.commit().await.unwrap();
    Ok(changed)
}

async fn an_order_takes_bodies_away(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 3)).await.unwrap();
    store.submit(fixture.one("licences", 2, 2)).await.unwrap();
    let before = store.read_register(&slug("licences"), 0, 10).await.unwrap();
    store.submit(order(fixture, 2, 3, &[1, 2])).await.unwrap();
    assert_eq!(bodies(&store).await, [true, false, true, false, true]);
    let after = store.read_register(&slug("licences"), 0, 10).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.statement, before.recorded_at), (&after.statement, after.recorded_at));
        assert_eq!(after.withheld_by, after.body.is_none().then_some(4));
    }
    let withheld = store.withheld_after(0).await.unwrap();
    let row = |position, index| Withheld {
        position,
        register: slug("licences"),
        index,
        by_position: 5,
        by_index: 4,
    };
    assert_eq!(withheld, [row(2, 1), row(4, 3)]);
    assert_eq!(store.withheld_after(5).await.unwrap(), []);
    assert_eq!(
        (store.last_order().await.unwrap(), store.served_though_withheld().await.unwrap()),
        (5, vec![])
    );
    assert_eq!(store.withheld_until(4).await.unwrap(), []);
    assert_eq!(store.withheld_until(5).await.unwrap(), [(slug("licences"), 2)]);
    // The tree is what it was, and the receipt proves all but the body.
    let receipt = store.receipt(&slug("licences"), 1).await.unwrap().unwrap();
    let key = store.log(&slug("licences")).await.unwrap().unwrap().key;
    assert!(!receipt.verify(&key, |_, _, _| Some(fixture.key.public())).unwrap().body_shown);
    // What is made and withheld at once is gone at once; and the record goes on.
    let made = vec![
        fixture.entry("licences", 9, 1),
        fixture.entry("licences", 9, 2),
        fixture.entry("licences", 9, 3),
    ];
    let withholds = vec![Withhold { record: Uuid::from_u128(9), by: 2, versions: vec![1] }];
    store.submit(Submission { withholds, ..list(made) }).await.unwrap();
    store.submit(fixture.one("licences", 2, 4)).await.unwrap();
    assert_eq!(bodies(&store).await[5..], [false, true, true, true]);
    store.close().await;
    // The store opens again: its tree is checked then.
    fixture.open().await.close().await;
}

async fn an_order_that_is_refused_takes_nothing_away(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 2)).await.unwrap();
    let record = Uuid::from_u128(1);
    for (by, versions) in [(2, vec![2]), (2, vec![0]), (2, vec![1, 1]), (3, vec![1])] {
        let withholds = vec![Withhold { record, by, versions }];
        let refused =
            store.submit(Submission { withholds, ..fixture.one("licences", 1, 2) }).await.unwrap_err();
        assert!(matches!(refused, AppendError::Invalid(_)), "{refused}");
    }
    let refused = store.submit(order(fixture, 1, 3, &[1])).await.unwrap_err();
    assert!(matches!(refused, AppendError::Version { .. }), "{refused}");
    let guards = vec![Guard { record: Uuid::from_u128(2), version: 7 }];
    let refused = store.submit(Submission { guards, ..order(fixture, 1, 2, &[1]) }).await.unwrap_err();
    assert!(matches!(refused, AppendError::Stale { .. }), "{refused}");
    assert_eq!(bodies(&store).await, [true, true]);
    store.close().await;
}

/// The database fails between the order and the removal: neither is there. Then it does not: both are.
async fn order_and_removal_are_one_transaction(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 2)).await.unwrap();
    let (broken, mended): (&[&str], &str) = if fixture.is_postgres() {
        (
            &[
                "CREATE TRIGGER broken BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION reestr_refuse('the disk is gone')",
            ],
            "DROP TRIGGER broken ON entry",
        )
    } else {
        (
            &[
                "CREATE TRIGGER broken BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END",
            ],
            "DROP TRIGGER broken",
        )
    };
    for statement in broken {
        execute(&store, statement).await.unwrap();
    }
    let failed = store.submit(order(fixture, 1, 2, &[1])).await.unwrap_err();
    assert!(failed.to_string().contains("the disk is gone"), "{failed}");
    assert_eq!(bodies(&store).await, [true, true]);
    assert_eq!(store.withheld_after(0).await.unwrap(), []);
    execute(&store, mended).await.unwrap();
    store.submit(order(fixture, 1, 2, &[1])).await.unwrap();
    assert_eq!(bodies(&store).await, [false, true, true]);
    store.close().await;
}

async fn the_database_refuses_what_no_order_says(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 2)).await.unwrap();
    store.submit(order(fixture, 1, 2, &[1])).await.unwrap();
    let mut statements = vec![
        ("UPDATE entry SET body = NULL, salt = NULL WHERE position = 2", "entries are never changed"),
        (
            "UPDATE entry SET body = leaf_hash, salt = substr(leaf_hash, 1, 16) WHERE position = 1",
            "entries are never changed",
        ),
        ("UPDATE withheld SET by_index = 7", "stays withheld"),
        ("DELETE FROM withheld", "stays withheld"),
    ];
    if fixture.is_postgres() {
        statements.push(("TRUNCATE withheld", "stays withheld"));
    }
    for (statement, words) in statements {
        let error = execute(&store, statement).await.expect_err(statement);
        assert!(error.contains(words), "{statement}: {error}");
    }
    assert_eq!(bodies(&store).await, [false, true, true]);
    store.close().await;
}

/// A hand in the table, which also took the trigger away.
async fn what_came_back_is_found_and_removed_again(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 2)).await.unwrap();
    let before = store.entry(&slug("licences"), 0).await.unwrap().unwrap();
    store.submit(order(fixture, 1, 2, &[1])).await.unwrap();
    let on = if fixture.is_postgres() { " ON entry" } else { "" };
    execute(&store, &format!("DROP TRIGGER entry_update{on}")).await.unwrap();
    let mut tx = store.db().begin().await.unwrap();
    let back = "UPDATE entry SET body = $1, salt = $2 WHERE position = 1";
    let salt = before.salt.unwrap().0.to_vec();
    assert_eq!(tx.execute(back, vec![before.body.clone().unwrap().into(), salt.into()]).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let found = store.served_though_withheld().await.unwrap();
    assert_eq!(found.iter().map(|one| (one.index, one.by_index)).collect::<Vec<_>>(), [(0, 2)]);
    assert_eq!(store.remove_again(&found).await.unwrap(), 1);
    assert_eq!(bodies(&store).await, [false, true, true]);
    assert_eq!(store.served_though_withheld().await.unwrap(), []);
    store.close().await;
}

async fn a_retry_learns_nothing_of_what_was_withheld(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let first = list(vec![fixture.entry("licences", 1, 1), fixture.entry("licences", 2, 1)]);
    store.submit(keyed(first.clone(), "one", 1)).await.unwrap();
    let second = keyed(fixture.one("licences", 3, 1), "two", 2);
    store.submit(second.clone()).await.unwrap();
    store.submit(fixture.one("licences", 4, 1)).await.unwrap();
    // An entry without a key, right after one with a key: no key's digest is of it.
    store.submit(order(fixture, 4, 2, &[1])).await.unwrap();
    assert!(store.submit(second.clone()).await.unwrap()[0].replayed);
    let order = keyed(order(fixture, 1, 2, &[1]), "three", 3);
    store.submit(order.clone()).await.unwrap();
    // The digest of the first request was of a body without its salt: by it a guess could be proved right.
    for content in [1, 0, 7] {
        let again = store.submit(keyed(first.clone(), "one", content)).await;
        match content {
            // Nobody can make a content whose digest is nothing at all; whoever says so by hand only learns that it is there.
            0 => assert!(again.unwrap().iter().all(|one| one.replayed)),
            _ => assert!(matches!(again, Err(AppendError::Idempotency)), "{again:?}"),
        }
    }
    assert!(store.submit(second).await.unwrap()[0].replayed);
    // The order itself, sent again, is the order that was.
    let again = store.submit(order).await.unwrap();
    assert!(again[0].replayed && again[0].version == 2);
    assert_eq!(store.withheld_after(0).await.unwrap().len(), 2);
    store.close().await;
}

/// What the files of a database hold between them, once it has taken everything in.
fn holds(directory: &Path, marker: &[u8]) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let holding = files.filter(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(marker.len()).any(|window| window == marker)
    });
    holding.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

async fn nothing_is_left_in_the_table(fixture: &Fixture) {
    const MARKER: &str = "Марфа Игнатьевна Кабанова";
    let store = fixture.with_logs(&["licences"]).await;
    let marked = |record, bytes: usize| -> NewEntry {
        let body = format!(r#"{{"name":"{MARKER}","text":"{}"}}"#, "y".repeat(bytes));
        fixture.with_body("licences", record, 1, body.into_bytes())
    };
    // One that stands in its page, one that overflows into pages of its own, one between others of its kind.
    store
        .submit(list(vec![marked(1, 10), marked(2, 100_000), fixture.entry("licences", 3, 1)]))
        .await
        .unwrap();
    store.submit(fixture.many("licences", 10, 200)).await.unwrap();
    store.submit(list(vec![marked(4, 3_000)])).await.unwrap();
    if let Target::Sqlite(path) = &fixture.target {
        assert!(!holds(path.parent().unwrap(), MARKER.as_bytes()).is_empty(), "it is found where it is");
    }
    for record in [1, 2, 4] {
        store.submit(order(fixture, record, 2, &[1])).await.unwrap();
    }
    assert!(store.scrub_journal().await.unwrap());
    assert_eq!(store.scrubbed("journal").await.unwrap(), store.last_order().await.unwrap());
    match &fixture.target {
        Target::Sqlite(path) => {
            assert_eq!(holds(path.parent().unwrap(), MARKER.as_bytes()), Vec::<String>::new());
        }
        Target::Postgres(_) => {
            // Dead rows are gone, of the table and of what is kept beside it.
            let dead = "SELECT pg_stat_get_dead_tuples(c.oid) + COALESCE(pg_stat_get_dead_tuples(NULLIF(c.reltoastrelid, 0)), 0) AS dead
                 FROM pg_class c WHERE c.relname = 'entry'";
            let row = store.db().fetch_optional(dead, vec![]).await.unwrap().unwrap();
            assert_eq!(row.int("dead").unwrap(), 0);
        }
    }
    store.close().await;
}

async fn many_orders_are_read_whole(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let versions: Vec<NewEntry> = (1..=300).map(|version| fixture.entry("licences", 1, version)).collect();
    store.submit(list(versions)).await.unwrap();
    let all: Vec<u64> = (1..=300).collect();
    store.submit(order(fixture, 1, 301, &all)).await.unwrap();
    let (mut after, mut found) = (0, 0);
    loop {
        let page = store.withheld_after(after).await.unwrap();
        let Some(last) = page.last() else { break };
        (after, found) = (last.by_position, found + page.len());
    }
    assert_eq!((found, bodies(&store).await.iter().filter(|there| **there).count()), (300, 1));
    store.close().await;
}
