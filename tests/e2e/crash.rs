//! Nothing acknowledged is lost: the server killed, and the database shut down at once, while entries arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::postgres::{Cluster, Database};
use reestr_tests::server::{Server, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use serde_json::Value;
use tokio::sync::Notify;

use crate::shared::{REGISTER, append, audit, demo, entry};

/// Callers that append at once.
const CALLERS: u64 = 16;
/// Entries acknowledged before the fault.
const BEFORE: usize = 150;
/// Attempts of one caller at most, so that a test always ends.
const ATTEMPTS: u64 = 3_000;

/// What was acknowledged: idempotency key to (index, record, version).
pub type Acknowledged = BTreeMap<String, (u64, String)>;

/// Appends from many callers until the server goes away; signals when enough was acknowledged.
async fn load(server: &Server, store: &Store, token: &str, round: u64, enough: Arc<Notify>) -> Acknowledged {
    let callers = FuturesUnordered::new();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for caller in 0..CALLERS {
        let (enough, count) = (Arc::clone(&enough), Arc::clone(&count));
        callers.push(async move {
            let mut acknowledged = Acknowledged::new();
            for attempt in 0..ATTEMPTS {
                let serial = (round * CALLERS + caller) * ATTEMPTS + attempt;
                let key = format!("crash-{serial}");
                match append(server, token, &key, &entry(store, serial)).await {
                    Ok((201, answer)) => {
                        let place = (
                            answer["index"].as_u64().unwrap(),
                            answer["record"].as_str().unwrap().to_owned(),
                        );
                        acknowledged.insert(key, place);
                        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == BEFORE {
                            enough.notify_one();
                        }
                    }
                    // The outcome is not known: nothing may be concluded from it.
                    _ => break,
                }
            }
            acknowledged
        });
    }
    callers.collect::<Vec<_>>().await.into_iter().flatten().collect()
}

/// Each acknowledged entry is in the register once, where it was said to be.
pub async fn all_there_once(server: &Server, token: &str, acknowledged: &Acknowledged) {
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut path = format!("/v1/registers/{REGISTER}/entries?limit=200");
    loop {
        let page: Value = server.get(&path, Some(token)).await;
        for item in page["items"].as_array().unwrap() {
            let statement = item["statement"].as_str().unwrap();
            let parsed = proofs::statement::SignedStatement::parse(statement).unwrap();
            // An order is a second entry of a record that was acknowledged.
            if parsed.statement().entry_type.as_str() == "withheld" {
                continue;
            }
            let record = parsed.statement().record.to_string();
            seen.entry(record).or_default().push(item["index"].as_u64().unwrap());
        }
        match &page["next"] {
            Value::Null => break,
            next => {
                let after = next.as_str().map_or_else(|| next.to_string(), str::to_owned);
                path = format!("/v1/registers/{REGISTER}/entries?limit=200&after={after}");
            }
        }
    }
    for (key, (index, record)) in acknowledged {
        assert_eq!(seen.get(record).map(Vec::as_slice), Some(&[*index][..]), "{key} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing() {
    for kind in BOTH {
        killed_and_audited(Store::fresh(kind).await, kind).await;
    }
}

/// The same with four shards. What the callers append is in one register; the accesses, offers and definitions of the demo's engine
/// are in another shard.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_of_several_shards_loses_nothing() {
    killed_and_audited(Store::sharded(Kind::Postgres, 4).await, Kind::Postgres).await;
}

/// Kills the server twice under load, and audits what is left.
async fn killed_and_audited(store: Store, kind: Kind) {
    let mut server = demo(&store).await;
    let tokens = tokens(store.data());
    let state = store.data().join("audit-state");
    let (code, report) = audit(&server.url, &["--state", state.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{report}");
    let mut acknowledged = Acknowledged::new();
    for round in 0..2 {
        let enough = Arc::new(Notify::new());
        let running = Arc::new(server);
        let loading = {
            let (running, enough) = (Arc::clone(&running), Arc::clone(&enough));
            let token = tokens["department"].clone();
            let store = &store;
            async move { load(&running, store, &token, round, enough).await }
        };
        let id = running.id();
        let killing = async {
            enough.notified().await;
            kill(id).await;
        };
        let (more, ()) = tokio::join!(loading, killing);
        assert!(more.len() >= BEFORE);
        acknowledged.extend(more);
        drop(running);
        server = Server::start("serve", &store.args()).await;
    }
    all_there_once(&server, &tokens["department"], &acknowledged).await;
    repeat_gives_the_same(&server, &store, &tokens["department"], &acknowledged).await;
    let (code, report) = audit(&server.url, &["--state", state.to_str().unwrap()]).await;
    assert_eq!(code, 0, "{kind:?}: the tree does not extend the last checkpoint: {report}");
    println!("{kind:?}: 2 kills, {} acknowledged, lost: 0", acknowledged.len());
    server.stop().await;
}

/// Whoever repeats a request after the crash gets the entry that was made.
async fn repeat_gives_the_same(server: &Server, store: &Store, token: &str, acknowledged: &Acknowledged) {
    for (key, (index, record)) in acknowledged.iter().take(20) {
        let serial = key.trim_start_matches("crash-").parse().unwrap();
        let (status, answer) = append(server, token, key, &entry(store, serial)).await.unwrap();
        assert_eq!((status, answer["index"].as_u64()), (201, Some(*index)), "{answer}");
        assert_eq!(answer["record"].as_str(), Some(record.as_str()));
    }
}

pub async fn kill(id: u32) {
    let killed = tokio::process::Command::new("kill").args(["-KILL", &id.to_string()]).status().await;
    assert!(killed.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_shut_down_at_once_loses_nothing() {
    let cluster = tokio::task::block_in_place(Cluster::start);
    {
        let database = Database::create_on(&cluster.url()).await;
        let store = Store::over(database);
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let state = store.data().join("audit-state");
        let (code, report) = audit(&server.url, &["--state", state.to_str().unwrap()]).await;
        assert_eq!(code, 0, "{report}");

        let enough = Arc::new(Notify::new());
        let loading = load(&server, &store, &tokens["department"], 0, Arc::clone(&enough));
        let stopping = async {
            enough.notified().await;
            tokio::task::block_in_place(|| cluster.stop_immediately());
        };
        let (acknowledged, ()) = tokio::join!(loading, stopping);
        assert!(acknowledged.len() >= BEFORE);
        tokio::task::block_in_place(|| cluster.resume());

        // The same server goes on by itself: the next append that it takes is proof.
        let mut back = false;
        for attempt in 0..200 {
            let serial = 900_000 + attempt;
            let answer =
                append(&server, &tokens["department"], &format!("back-{attempt}"), &entry(&store, serial))
                    .await;
            if matches!(answer, Ok((201, _))) {
                back = true;
                break;
            }
        }
        assert!(back, "the server did not come back by itself");
        all_there_once(&server, &tokens["department"], &acknowledged).await;
        let (code, report) = audit(&server.url, &["--state", state.to_str().unwrap()]).await;
        assert_eq!(code, 0, "{report}");
        println!("PostgreSQL: 1 immediate shutdown, {} acknowledged, lost: 0", acknowledged.len());
        server.stop().await;
    }
}
