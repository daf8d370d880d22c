//! The database itself refuses to change or lose what was recorded, whoever asks.

use crate::fixture::{Fixture, on_both_stores};

on_both_stores!(the_log_is_insert_only, heads_never_go_back);

/// Runs each statement in a transaction of its own; each must be refused with the words that the trigger says.
async fn refused(fixture: &Fixture, statements: &[(&str, &str)]) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 300)).await.unwrap();
    let before = store.read_after(0, 1_000).await.unwrap();
    for (statement, words) in statements {
        let mut tx = store.db().begin().await.unwrap();
        let error = tx.execute(statement, vec![]).await.expect_err(statement).to_string();
        assert!(error.contains(words), "{statement}: {error}");
        tx.rollback().await.unwrap();
    }
    assert_eq!(store.read_after(0, 1_000).await.unwrap(), before);
    store.close().await;
}

async fn the_log_is_insert_only(fixture: &Fixture) {
    const CHANGED: &str = "entries are never changed";
    let mut statements = vec![
        ("UPDATE entry SET body = salt WHERE position = 1", CHANGED),
        ("UPDATE entry SET body = NULL WHERE position = 1", CHANGED),
        ("UPDATE entry SET body = NULL, salt = NULL, version = 2 WHERE position = 1", CHANGED),
        ("UPDATE entry SET body = NULL, salt = NULL, statement = leaf_hash WHERE position = 1", CHANGED),
        ("UPDATE entry SET recorded_at = 0 WHERE position = 1", CHANGED),
        ("UPDATE entry SET position = 1000 WHERE position = 1", CHANGED),
        ("DELETE FROM entry WHERE position = 300", "entries are never deleted"),
        ("UPDATE tile SET root = root", "tiles are never changed"),
        ("DELETE FROM tile", "tiles are never deleted"),
    ];
    if fixture.is_postgres() {
        statements.push(("TRUNCATE entry", "entries are never deleted"));
        statements.push(("TRUNCATE tile", "tiles are never deleted"));
        statements.push(("TRUNCATE log", "logs are never deleted"));
        statements.push(("TRUNCATE shard CASCADE", "never deleted"));
        statements.push(("TRUNCATE journal", "never deleted"));
    }
    refused(fixture, &statements).await;
}

async fn heads_never_go_back(fixture: &Fixture) {
    let statements = [
        ("UPDATE journal SET position = 299", "never goes back"),
        ("UPDATE journal SET recorded_at = 0", "never goes back"),
        ("UPDATE journal SET shards = 0", "never goes back"),
        ("DELETE FROM journal", "never deleted"),
        ("UPDATE shard SET position = 301", "the head is kept in journal"),
        ("DELETE FROM shard", "shards are never deleted"),
        ("UPDATE log SET size = 299", "never shrinks"),
        ("UPDATE log SET register = 'other'", "never shrinks"),
        ("DELETE FROM log", "logs are never deleted"),
    ];
    refused(fixture, &statements).await;
}
