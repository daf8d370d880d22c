//! The audit finds what was tampered with, names it, and raises no false alarm.

use std::path::Path;

use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection};

use crate::shared::{REGISTER, WHY, append, audit, demo, entry, rules};

/// Lets an intruder at the file past the triggers that refuse changes, as one with the file in hand would be.
async fn intruder(data: &Path) -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new()
        .filename(data.join("reestr.db"))
        .connect()
        .await
        .expect("the store's file");
    let triggers: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert!(!triggers.is_empty(), "the store guards its entries");
    let refused = connection.execute("DELETE FROM entry WHERE position = 1").await;
    assert!(refused.is_err(), "the database itself refuses to delete an entry");
    for (name,) in triggers {
        connection.execute(AssertSqlSafe(format!("DROP TRIGGER {name}"))).await.unwrap();
    }
    connection
}

/// One way to tamper, and the rules of which the audit must name at least one.
struct Drill {
    what: &'static str,
    sql: &'static str,
    /// The entry that is tampered with.
    index: u64,
    found_by: &'static [&'static str],
}

const DRILLS: &[Drill] = &[
    Drill {
        what: "a body is changed",
        sql: "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'number', 'nomber') AS BLOB) WHERE register = 'driving-licences' AND leaf_index = 5",
        index: 5,
        found_by: &["listing", "digest"],
    },
    Drill {
        what: "a salt is changed",
        sql: "UPDATE entry SET salt = randomblob(16) WHERE register = 'driving-licences' AND leaf_index = 6",
        index: 6,
        found_by: &["listing", "digest"],
    },
    Drill {
        what: "two bodies are swapped",
        sql: "UPDATE entry SET body = (SELECT b.body FROM entry b WHERE b.register = 'driving-licences' AND b.leaf_index = 8), salt = (SELECT b.salt FROM entry b WHERE b.register = 'driving-licences' AND b.leaf_index = 8) WHERE register = 'driving-licences' AND leaf_index = 7",
        index: 7,
        found_by: &["listing", "digest"],
    },
    Drill {
        what: "an entry is back-dated",
        sql: "UPDATE entry SET recorded_at = recorded_at - 86400000 WHERE register = 'driving-licences' AND leaf_index = 9",
        index: 9,
        found_by: &["root", "recorded-order", "tile", "bundle"],
    },
    Drill {
        what: "a leaf hash is changed",
        sql: "UPDATE entry SET leaf_hash = randomblob(32) WHERE register = 'driving-licences' AND leaf_index = 3",
        index: 3,
        found_by: &["tile", "root", "bundle"],
    },
    Drill {
        what: "a statement is replaced by that of another record",
        sql: "UPDATE entry SET statement = (SELECT b.statement FROM entry b WHERE b.register = 'driving-licences' AND b.leaf_index = 1) WHERE register = 'driving-licences' AND leaf_index = 2",
        index: 2,
        found_by: &["root", "version-without-gaps", "bundle"],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_is_found_and_an_honest_copy_is_not() {
    let honest = Store::fresh(Kind::Sqlite).await;
    let server = demo(&honest).await;
    let token = honest.data().join("auditor.token");
    std::fs::write(&token, &tokens(honest.data())["auditor"]).unwrap();
    let token = token.to_str().unwrap().to_owned();
    let (code, report) = audit(&server.url, &[&["--token-file", &token][..], &WHY].concat()).await;
    assert_eq!(code, 0, "{report}");
    let bodies = report["registers"].as_array().unwrap().iter().find(|r| r["register"] == REGISTER).unwrap();
    assert_eq!(bodies["bodies"], bodies["entries"], "an auditor with scope has every body checked");
    server.stop().await;

    for drill in DRILLS {
        let copy = honest.copy().await;
        let mut intruder = intruder(copy.data()).await;
        let changed = intruder.execute(drill.sql).await.unwrap().rows_affected();
        assert_eq!(changed, 1, "{}", drill.what);
        drop(intruder);
        let server = Server::start("serve", &copy.args()).await;
        let (code, report) =
            audit(&server.url, &[&["--register", REGISTER, "--token-file", &token][..], &WHY].concat()).await;
        assert_eq!(code, 1, "{}: not found: {report}", drill.what);
        let faults =
            report["registers"].as_array().unwrap().iter().flat_map(|r| r["faults"].as_array().unwrap());
        let located = faults.filter(|fault| fault["index"] == drill.index).count();
        assert!(located > 0, "{}: entry {} is not named: {report}", drill.what, drill.index);
        let rules = rules(&report);
        assert!(
            drill.found_by.iter().any(|rule| rules.iter().any(|found| found == rule)),
            "{}: {rules:?}",
            drill.what
        );
        println!("{}: {}", drill.what, rules.join(", "));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_and_a_forked_register_are_found() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let tokens = tokens(store.data());
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    server.stop().await;
    let last_week = store.data().join("last-week.db");
    std::fs::copy(store.data().join("reestr.db"), &last_week).unwrap();

    let server = Server::start("serve", &store.args()).await;
    let (status, answer) =
        append(&server, &tokens["department"], "fork-1", &entry(&store, 111_111)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    let (code, report) = audit(&server.url, &["--state", state]).await;
    assert_eq!(code, 0, "{report}");
    server.stop().await;

    for name in ["reestr.db-wal", "reestr.db-shm"] {
        let _ = std::fs::remove_file(store.data().join(name));
    }
    std::fs::copy(&last_week, store.data().join("reestr.db")).unwrap();
    let server = Server::start("serve", &store.args()).await;
    let (code, report) = audit(&server.url, &["--state", state]).await;
    assert_eq!((code, rules(&report)), (1, vec!["consistency".to_owned()]), "rolled back: {report}");

    let (status, _) =
        append(&server, &tokens["department"], "fork-2", &entry(&store, 222_222)).await.unwrap();
    assert_eq!(status, 201);
    for _ in 0..2 {
        // The kept state is not overwritten by a faulty register: the fault is found again.
        let (code, report) = audit(&server.url, &["--state", state]).await;
        assert_eq!((code, rules(&report)), (1, vec!["consistency".to_owned()]), "forked: {report}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_is_not_called_wrong() {
    let (code, _) = audit("http://127.0.0.1:1", &[]).await;
    assert_eq!(code, 2);
    let store = Store::fresh(Kind::Sqlite).await;
    let server = Server::start("serve", &store.args()).await;
    let (code, _) = audit(&server.url, &["--register", "no-such-register"]).await;
    assert_eq!(code, 2);
    let (code, report) = audit(&server.url, &[]).await;
    assert_eq!(code, 0, "a store with nothing but its own registers: {report}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_projection_shows_the_same() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let paths = [
            ("/v1/account/records?limit=100", Some("citizen")),
            ("/v1/registers/driving-licences/statistics", Some("department")),
            ("/v1/registers/driving-licences/records?limit=100", Some("department")),
        ];
        let mut before = Vec::new();
        for (path, role) in paths {
            before.push(server.get(path, role.map(|role| tokens[role].as_str())).await);
        }
        server.stop().await;
        for projection in ["account", "history", "view"] {
            let mut args = vec!["replay".to_owned(), "--projection".to_owned(), projection.to_owned()];
            args.extend(store.args());
            server::succeed(&args).await;
        }
        let server = Server::start("serve", &store.args()).await;
        for ((path, role), before) in paths.into_iter().zip(before) {
            assert_eq!(server.get(path, role.map(|role| tokens[role].as_str())).await, before, "{path}");
        }
        server.stop().await;
    }
}
