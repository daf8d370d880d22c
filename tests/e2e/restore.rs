//! The restore drill: the blocks of `docs/operators/backup.md`, run as they stand there but for addresses, directories and the
//! moment, and what the audit says of a store that was restored.

use std::path::Path;

use reestr_tests::archived::{Archived, postgres_shell};
use reestr_tests::postgres::Database;
use reestr_tests::server::{self, Server, binary, root, tokens};
use reestr_tests::store::{Kind, Store, copy_files};
use sqlx::{Connection, PgConnection};

use crate::shared::{append, audit, demo, entry, rules};
use crate::withholding;

/// Entries between two moments.
const SOME: u64 = 25;

/// The blocks of the page that are marked so.
fn blocks(mark: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs/operators/backup.md")).unwrap();
    let fence = format!("```{mark}\n");
    let blocks: Vec<String> =
        text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "{mark}");
    blocks
}

/// With each of these replaced, where it is there.
fn placed(text: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

async fn shell(script: &str) {
    let path = format!("{}:/usr/bin:/bin", binary().parent().unwrap().display());
    let mut command = tokio::process::Command::new("bash");
    let output = command.args(["-euo", "pipefail", "-c", script]).env("PATH", path).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}\nprinted\n{said}");
}

async fn some(server: &Server, store: &Store, from: u64) {
    let token = tokens(store.data())["department"].clone();
    for serial in from..from + SOME {
        let (status, answer) =
            append(server, &token, &format!("restore-{serial}"), &entry(store, serial)).await.unwrap();
        assert_eq!(status, 201, "{answer}");
    }
}

/// An audit that keeps its state there; the state as it was before stays in the other directory.
async fn seen(server: &Server, state: &Path) {
    let (code, report) = audit(&server.url, &["--state", state.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{report}");
}

fn kept(state: &Path, at: &Path) -> String {
    std::fs::create_dir(at).unwrap();
    copy_files(state, at);
    at.to_str().unwrap().to_owned()
}

/// What is served now is what was seen before the copy, and not what was seen after it.
async fn restored(server: &Server, before: &str, after: &str) {
    let (code, report) = audit(&server.url, &["--state", before]).await;
    assert_eq!(code, 0, "{report}");
    let (code, report) = audit(&server.url, &["--state", after]).await;
    assert_eq!((code, rules(&report)), (1, vec!["consistency".to_owned()]), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_served_store_is_restored() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let scratch = tempfile::tempdir().unwrap();
    let state = scratch.path().join("state");
    std::fs::create_dir(scratch.path().join("backups")).unwrap();
    let changes = [
        ("/var/backups/reestr", scratch.path().join("backups").display().to_string()),
        ("/var/lib/reestr", store.data().display().to_string()),
    ];
    let blocks = blocks("sh sqlite");
    let [backup, restore] = blocks.as_slice() else { panic!("two blocks") };
    some(&server, &store, 0).await;
    seen(&server, &state).await;
    let before = kept(&state, &scratch.path().join("before"));
    // Entries arrive while it is copied.
    let backup = placed(backup, &changes);
    tokio::join!(shell(&backup), some(&server, &store, 100));
    seen(&server, &state).await;
    some(&server, &store, 200).await;
    seen(&server, &state).await;
    let copy = scratch.path().join("backups/reestr.db");
    assert!(copy.exists() && !scratch.path().join("backups/reestr.db.part").exists());
    // It takes the place of nothing.
    let again = ["backup", "--to", copy.to_str().unwrap(), "--data", store.data().to_str().unwrap()];
    assert_eq!(server::run(&again).await.status.code(), Some(1));
    server.stop().await;

    shell(&placed(restore, &changes)).await;
    let server = Server::start("serve", &store.args()).await;
    restored(&server, &before, state.to_str().unwrap()).await;
    some(&server, &store, 300).await;
    assert_eq!(audit(&server.url, &[]).await.0, 0, "it goes on");
    server.stop().await;
}

/// A copy is refused whose tree is not that of its checkpoint, though SQLite finds the file whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_lacks_an_entry_gets_no_name() {
    let store = Store::fresh(Kind::Sqlite).await;
    demo(&store).await.stop().await;
    let mut hand = withholding::hand(store.data()).await;
    let lose = "DELETE FROM entry WHERE register = 'driving-licences' AND leaf_index = 1";
    assert_eq!(sqlx::query(lose).execute(&mut hand).await.unwrap().rows_affected(), 1);
    hand.close().await.unwrap();
    let to = store.data().join("copy.db");
    let args = ["backup", "--to", to.to_str().unwrap(), "--data", store.data().to_str().unwrap()];
    let output = server::run(&args).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("entry.leaf_index") && said.contains("driving-licences"), "{said}");
    assert!(!to.exists());
}

/// The time by the database's clock.
async fn moment(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT clock_timestamp()::text").fetch_one(&mut connection).await.unwrap()
}

/// Fills a segment and waits until it is in the archive.
async fn archived(url: &str, archive: &Path) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let switch = "SELECT pg_walfile_name(pg_switch_wal())";
    let segment: String = sqlx::query_scalar(switch).fetch_one(&mut connection).await.unwrap();
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..1_200 {
        if archive.join(&segment).exists() {
            return;
        }
        pace.tick().await;
    }
    panic!("{segment} was not archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_restored_to_a_point_in_time() {
    let mut cluster = tokio::task::block_in_place(|| Archived::start(&blocks("ini")[0]));
    let database = Database::create_on(&cluster.url()).await;
    let url = database.url().to_owned();
    let store = Store::over(database);
    let server = demo(&store).await;
    let scratch = tempfile::tempdir().unwrap();
    let state = scratch.path().join("state");
    let changes = cluster.changes();
    postgres_shell(&placed(&blocks("sh base")[0], &changes));

    some(&server, &store, 0).await;
    let (record, index) = withholding::licence(&server, &store).await;
    let earlier = moment(&url).await;
    server::succeed(&withholding::command(&store, &record)).await;
    seen(&server, &state).await;
    let before = kept(&state, &scratch.path().join("before"));
    let later = moment(&url).await;
    some(&server, &store, 100).await;
    seen(&server, &state).await;
    archived(&url, &cluster.archive()).await;
    server.stop().await;

    // To after the order: all of it, and exactly as it was seen. To before it: the order is carried out again, or nothing opens.
    for (moment, orders) in [(later, 0), (earlier, 1)] {
        let mut changes = changes.clone();
        changes.push(("2026-03-01 12:00:00.000+00", moment));
        changes.extend(cluster.restored(&url));
        changes.push(("/var/lib/reestr", store.data().display().to_string()));
        postgres_shell(&placed(&blocks("sh restore")[0], &changes));
        let place = placed("postgres://postgres@127.0.0.1:5433/reestr", &changes);
        let args = ["--data", store.data().to_str().unwrap(), "--database", &place];
        let serve = [&["projection", "status"][..], &args].concat();
        let opened = server::run(&serve).await;
        let said = String::from_utf8_lossy(&opened.stderr).into_owned();
        assert_eq!(opened.status.success(), orders == 0, "{said}");
        assert!(orders == 0 || said.contains("lacks 1 orders"), "{said}");
        shell(&placed(&blocks("sh after")[0], &changes)).await;
        let server = Server::start("serve", &args).await;
        if orders == 0 {
            restored(&server, &before, state.to_str().unwrap()).await;
        } else {
            assert_eq!(audit(&server.url, &[]).await.0, 0);
            let (code, report) = audit(&server.url, &["--state", &before]).await;
            assert_eq!((code, rules(&report)), (1, vec!["consistency".to_owned()]), "{report}");
        }
        let token = tokens(store.data())["department"].clone();
        withholding::withheld(&server, &token, index).await;
        server.stop().await;
        cluster.discard();
    }
}
