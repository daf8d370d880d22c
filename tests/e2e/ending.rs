//! A server that is told to stop: who was accepted is answered, and what was acknowledged is there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::server::{Server, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use tokio::sync::Notify;

use crate::crash::all_there_once;
use crate::shared::{append, audit, demo, entry};

/// Callers that append at once.
const CALLERS: u64 = 32;
/// Entries acknowledged before the server is told to stop.
const BEFORE: usize = 100;
/// Attempts of one caller at most, so that a test always ends.
const ATTEMPTS: u64 = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_stop_answers_whom_it_accepted() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let (enough, count, stopping) = (Notify::new(), AtomicUsize::new(0), AtomicBool::new(false));
        let callers = FuturesUnordered::new();
        for caller in 0..CALLERS {
            let (enough, count, server, store, stopping) = (&enough, &count, &server, &store, &stopping);
            let token = &tokens["department"];
            callers.push(async move {
                let mut acknowledged = BTreeMap::new();
                for attempt in 0..ATTEMPTS {
                    // Whoever has asked by then is answered.
                    if stopping.load(Ordering::SeqCst) {
                        return acknowledged;
                    }
                    let serial = caller * ATTEMPTS + attempt;
                    let key = format!("ending-{serial}");
                    match append(server, token, &key, &entry(store, serial)).await {
                        Ok((201, answer)) => {
                            let record = answer["record"].as_str().unwrap().to_owned();
                            acknowledged.insert(key, (answer["index"].as_u64().unwrap(), record));
                            if count.fetch_add(1, Ordering::SeqCst) + 1 == BEFORE {
                                enough.notify_one();
                            }
                        }
                        Ok((status, answer)) => panic!("{status}: {answer}"),
                        Err(error) => panic!("{kind:?}: accepted and not answered: {error:?}"),
                    }
                }
                panic!("the server went on");
            });
        }
        let stop = async {
            enough.notified().await;
            stopping.store(true, Ordering::SeqCst);
            server.terminate().await;
        };
        let (acknowledged, ()) = tokio::join!(callers.collect::<Vec<_>>(), stop);
        let acknowledged: BTreeMap<_, _> = acknowledged.into_iter().flatten().collect();
        assert!(acknowledged.len() >= BEFORE);
        assert_eq!(server.ended().await, Some(0));
        let server = Server::start("serve", &store.args()).await;
        all_there_once(&server, &tokens["department"], &acknowledged).await;
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!(code, 0, "{report}");
        println!(
            "{kind:?}: 1 stop, {} acknowledged, lost: 0, accepted and not answered: 0",
            acknowledged.len()
        );
        server.stop().await;
    }
}

/// Behind something that asks whether it is ready, a server says for a while that it is not, and serves; told again, it ends at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_stop_says_so_first_and_told_twice_ends_at_once() {
    let store = Store::fresh(Kind::Sqlite).await;
    let settings = [("REESTR_DRAIN_SECONDS", "3600")];
    let server = Server::start_with("serve", &store.args(), &settings).await;
    let status = async |path: &str| {
        let answer = server.request(reqwest::Method::GET, path).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(status("/health/ready").await, 200);
    server.terminate().await;
    while status("/health/ready").await != 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!((status("/health/live").await, status("/v1/registers").await), (200, 200));
    server.terminate().await;
    assert_eq!(server.ended().await, Some(3));
    let server = Server::start("serve", &store.args()).await;
    assert_eq!(audit(&server.url, &[]).await.0, 0);
    server.stop().await;
}
