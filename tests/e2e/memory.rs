//! Memory does not grow with the register: a small store and one with many more entries are exported, audited, imported and replayed,
//! and the most memory that each command had is compared.

use std::sync::Arc;

use eventstore::sql::Target;
use eventstore::testing::{ManualClock, SeededEntropy};
use eventstore::{NewEntry, Options, STATEMENT, Submission};
use proofs::body::{Salt, digest};
use proofs::signer::Signer;
use proofs::statement::Statement;
use proofs::time::Timestamp;
use reestr_tests::server::{self, Server};
use reestr_tests::store::{Kind, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::shared::master_key;

/// A register of the platform's, which anyone's store has, and whose key the store holds.
const REGISTER: &str = "accesses";

/// Entries of the small store: enough to fill whatever is bounded, read-ahead and caches.
const SMALL: u64 = 40_000;
/// Entries of the large one.
const LARGE: u64 = 80_000;
/// What a command may need more for 40,000 more entries: what the allocator leaves scattered, and 150 bytes an entry at most.
const MORE_MIB_MAX: u64 = 6;

/// Pages that SQLite keeps for each of eight readers, 2 MiB each: how many of them have read by the end is chance.
const SQLITE_CACHES_MIB: u64 = 16;

/// The allocator gives what is free back at once, and not when it comes to it, which is some MiB more or less on the same store:
/// this is for what a command needs.
const GIVES_BACK: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// Entries of one submission.
const LIST: u64 = 500;

/// Entry `number` of the register: of three, the third is a second version of the first.
fn entry(number: u64, signer: &dyn Signer, at: Timestamp) -> NewEntry {
    let (entry_type, record, version, body) = if number % 3 == 2 {
        let body =
            r#"{"asked_by":"00000000-0000-0000-0000-000000000001","question":"why was this looked at?"}"#;
        ("questioned", number - 2, 2, body.to_owned())
    } else {
        let body =
            format!(r#"{{"by":{{"service":"measuring"}},"department":"platform","endpoint":"n-{number}"}}"#);
        ("recorded", number, 1, body)
    };
    let (body, salt) = (body.into_bytes(), Salt([9; 16]));
    let statement = Statement {
        register: REGISTER.parse().unwrap(),
        record: Uuid::from_u128((u128::from(number_of(record)) << 64) | 0x8000_0000_0000_0000),
        version,
        entry_type: entry_type.parse().unwrap(),
        effective_at: at,
        issuer: "platform".parse().unwrap(),
        body: digest(&salt, &body),
    };
    NewEntry { statement: statement.sign_by(signer).unwrap(), body, salt, number: None }
}

/// Records come in no order.
fn number_of(record: u64) -> u64 {
    record.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A store whose register has so many entries, at rest.
async fn grown(kind: Kind, entries: u64) -> Store {
    let store = Store::fresh(kind).await;
    Server::start("serve", &store.args()).await.stop().await;
    let target = store.database().map_or_else(
        || Target::Sqlite(store.data().join("reestr.db")),
        |url| Target::Postgres(url.to_owned()),
    );
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let entropy = Arc::new(SeededEntropy::new(6));
    let options =
        Options::new(target, "reestr.localhost", clock.clone(), entropy, Arc::new(master_key(&store)));
    let journal = eventstore::Store::open(options).await.unwrap();
    let registers = journal.log(&"registers".parse().unwrap()).await.unwrap().unwrap();
    let at = registers.recorded_at.unwrap().plus_millis(1);
    clock.set(at);
    let signer = journal.key("platform", STATEMENT).await.unwrap().unwrap();
    let mut next = 0;
    while next < entries {
        let until = (next + LIST).min(entries);
        let entries = (next..until).map(|number| entry(number, &*signer, at)).collect();
        journal.submit(Submission { entries, ..Submission::default() }).await.unwrap();
        next = until;
    }
    journal.close().await;
    store
}

/// Runs a command that must succeed; gives the most memory that it had, in MiB.
async fn peak(args: &[&str], store: &[String]) -> u64 {
    let args: Vec<&str> = args.iter().copied().chain(store.iter().map(String::as_str)).collect();
    let output = server::run_with(&args, &[GIVES_BACK]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    let line = said.lines().find_map(|line| line.strip_prefix("peak memory: "));
    let mib = line.and_then(|line| line.strip_suffix(" MiB")?.parse().ok());
    mib.unwrap_or_else(|| panic!("{args:?} does not say what memory it had: {said}"))
}

/// The most memory that each command had on a store of so many entries.
async fn peaks(kind: Kind, entries: u64) -> Vec<(&'static str, u64)> {
    let (store, files) = (grown(kind, entries).await, tempfile::tempdir().unwrap());
    let at = |name: &str| files.path().join(name).display().to_string();
    let (tar, mirror) = (at("a.tar"), at("mirror"));
    let of = ["--register", REGISTER];
    let export = peak(&["export", "archive", of[0], of[1], "--output", &tar], &store.args()).await;
    let archive = peak(&["audit", "--archive", &tar], &[]).await;
    let import = peak(&["import", "archive", &tar, "--data", &mirror], &[]).await;
    let check = peak(&["replay", "--check", "--projection", "history"], &store.args()).await;
    let served = audited(&store, entries).await;
    vec![
        ("export archive", export),
        ("audit --archive", archive),
        ("import archive", import),
        ("replay --check", check),
        ("audit --url", served),
    ]
}

/// Audits a server; what it says of its memory is in the report.
async fn audited(store: &Store, entries: u64) -> u64 {
    let server = Server::start("serve", &store.args()).await;
    let output = server::run_with(&["audit", "--url", &server.url, "--json"], &[GIVES_BACK]).await;
    server.stop().await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = report["registers"].as_array().unwrap().iter().find(|row| row["register"] == REGISTER).unwrap();
    assert_eq!(row["entries"], entries, "{row}");
    assert_eq!(row["records"], entries - entries / 3, "{row}");
    assert_eq!(report["verified"], true, "{row}");
    report["peak_memory_bytes"].as_u64().unwrap() >> 20
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_register() {
    let mut grew = Vec::new();
    for (kind, caches) in [(Kind::Postgres, 0), (Kind::Sqlite, SQLITE_CACHES_MIB)] {
        let (small, large) = (peaks(kind, SMALL).await, peaks(kind, LARGE).await);
        for ((command, small), (_, large)) in small.into_iter().zip(large) {
            let said =
                format!("{kind:?}: {command}: {small} MiB for {SMALL} entries, {large} MiB for {LARGE}");
            println!("{said}");
            grew.extend((large > small + MORE_MIB_MAX + caches).then_some(said));
        }
    }
    assert!(grew.is_empty(), "memory grew with the register: {grew:#?}");
}
