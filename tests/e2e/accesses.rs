//! Who looked: what was shown is in the register, though the server is killed; an audit verifies it, and a report reads it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Store};
use serde_json::Value;
use tokio::sync::Notify;

use crate::crash::kill;
use crate::shared::{REGISTER, WHY, audit, demo};

/// Officials' screens that read at once.
const READERS: u64 = 8;
/// Answers that were read before the server is killed.
const BEFORE: usize = 60;
/// Attempts of one reader at most, so that a test always ends.
const ATTEMPTS: u64 = 3_000;

/// Reads bodies, each for a purpose of its own, until the server goes away; gives the purposes of those that arrived.
async fn read(server: &Server, token: &str, enough: &Notify) -> BTreeSet<String> {
    let count = AtomicUsize::new(0);
    let readers = FuturesUnordered::new();
    for reader in 0..READERS {
        let count = &count;
        readers.push(async move {
            let mut shown = BTreeSet::new();
            for attempt in 0..ATTEMPTS {
                let purpose = format!("case {reader} of {attempt}");
                let path = format!("/v1/registers/{REGISTER}/entries/{}", attempt % 20);
                let request = server.request(reqwest::Method::GET, &path).bearer_auth(token);
                let request = request.header("purpose", &purpose).header("legal-basis", "196-FZ");
                let Ok(response) = request.send().await else { break };
                let Ok(text) = response.text().await else { break };
                let Ok(answer) = serde_json::from_str::<Value>(&text) else { break };
                if answer["body"].is_object() {
                    shown.insert(purpose);
                    if count.fetch_add(1, Ordering::SeqCst) + 1 == BEFORE {
                        enough.notify_one();
                    }
                }
            }
            shown
        });
    }
    readers.collect::<Vec<_>>().await.into_iter().flatten().collect()
}

/// The purposes that the register has.
async fn recorded(server: &Server, auditor: &str) -> BTreeSet<String> {
    let (mut purposes, mut path) = (BTreeSet::new(), "/v1/registers/accesses/entries?limit=256".to_owned());
    loop {
        let page = server.get(&path, Some(auditor)).await;
        for item in page["items"].as_array().unwrap() {
            purposes.extend(item["body"]["purpose"].as_str().map(str::to_owned));
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/registers/accesses/entries?limit=256&after={next}"),
            None => return purposes,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_is_recorded_though_the_server_is_killed() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let enough = Notify::new();
        let killing = async {
            enough.notified().await;
            kill(server.id()).await;
        };
        let (shown, ()) = tokio::join!(read(&server, &tokens["official"], &enough), killing);
        assert!(shown.len() >= BEFORE, "{kind:?}");
        drop(server);
        let server = Server::start("serve", &store.args()).await;
        let recorded = recorded(&server, &tokens["auditor"]).await;
        let lost: Vec<_> = shown.difference(&recorded).collect();
        assert!(lost.is_empty(), "{kind:?}: shown, and not recorded: {lost:?}");

        let token = store.data().join("auditor.token");
        std::fs::write(&token, &tokens["auditor"]).unwrap();
        let token = token.to_str().unwrap();
        let only = ["--register", "accesses", "--token-file", token];
        let (code, report) = audit(&server.url, &[&only[..], &WHY].concat()).await;
        assert_eq!(code, 0, "{kind:?}: {report}");
        let registers = report["registers"].as_array().unwrap();
        let accesses = registers.iter().find(|of| of["register"] == "accesses").unwrap();
        assert!(accesses["bodies"].as_u64() >= Some(BEFORE as u64), "{accesses}");
        assert_eq!(accesses["bodies"], accesses["entries"], "{kind:?}");

        reported(&store, server, token).await;
    }
}

/// The report is the same over HTTP and from the store.
async fn reported(store: &Store, server: Server, token: &str) {
    let period =
        ["report", "accesses", "--json", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
    let strict = [&period[..], &["--persons", "2", "--purpose-persons", "1"], &WHY].concat();
    let over_http = [&strict[..], &["--url", &server.url, "--token-file", token]].concat();
    let over_http: Value = serde_json::from_str(&server::succeed(&over_http).await).unwrap();
    assert!(over_http["looks"].as_u64() >= Some(BEFORE as u64), "{over_http}");
    assert_eq!(over_http["officials"], 1);
    assert_eq!(over_http["many_persons"].as_array().map(Vec::len), Some(1), "{over_http}");
    let silent = server::run(&["audit", "--url", &server.url, "--token-file", token]).await;
    assert!(!silent.status.success());
    let said = String::from_utf8_lossy(&silent.stderr);
    assert!(said.contains("--purpose") && said.contains("--legal-basis"), "{said}");
    server.stop().await;
    let here = local(&strict, store);
    let found: Value = serde_json::from_str(&server::succeed(&here).await).unwrap();
    assert_eq!(found, over_http);
    let words: Vec<String> = here.into_iter().filter(|arg| arg != "--json").collect();
    let told = server::succeed(&words).await;
    assert!(told.contains("many persons in a short time: 1"), "{told}");
}

/// The same arguments, with the store's.
fn local(args: &[&str], store: &Store) -> Vec<String> {
    let mut all: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    all.extend(store.args());
    all
}
