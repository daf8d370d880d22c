//! Several servers on one PostgreSQL, while readers follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::server::{Server, tokens};
use reestr_tests::store::{Kind, Store};
use serde_json::Value;

use crate::shared::{REGISTER, append, audit, demo, entry};

/// Entries that each of eight callers appends.
const EACH: u64 = 40;

/// Follows the register on one server, page by page: indexes come in order, none is missing, none comes twice.
async fn follow(server: &Server, token: &str, from: u64, until: u64, done: &AtomicBool) -> Vec<u64> {
    let mut next = from;
    let mut positions = Vec::new();
    while next < until {
        // Asked before the page: what was committed by then must be on it.
        let finished = done.load(Ordering::SeqCst);
        let path = format!("/v1/registers/{REGISTER}/entries?limit=200&after={}", next - 1);
        let page: Value = server.get(&path, Some(token)).await;
        for item in page["items"].as_array().unwrap() {
            assert_eq!(
                item["index"].as_u64(),
                Some(next),
                "an entry appeared behind one that was already read"
            );
            positions.push(item["position"].as_u64().unwrap());
            next += 1;
        }
        let empty = page["items"].as_array().unwrap().is_empty();
        assert!(!(finished && empty && next < until), "entries from {next} to {until} are missing");
    }
    positions
}

/// The positions of the entries of all registers after one and up to another, as the feed gives them.
async fn positions(server: &Server, mut after: u64, until: u64) -> Vec<u64> {
    let mut positions = Vec::new();
    while after < until {
        let path = format!("/v1/entries?after={after}&limit=256");
        let page = server.request(reqwest::Method::GET, &path).send().await.unwrap().text().await.unwrap();
        let lines: Vec<Value> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (end, entries) = lines.split_last().unwrap();
        assert!(!entries.is_empty(), "entries after {after} are missing");
        positions.extend(entries.iter().map(|entry| entry["position"].as_u64().unwrap()));
        after = end["next"].as_u64().unwrap();
    }
    positions
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_append_to_one_database() {
    let store = Store::fresh(Kind::Postgres).await;
    let one = demo(&store).await;
    let two = Server::start("serve", &store.args()).await;
    let tokens = tokens(store.data());
    let token = &tokens["department"];
    let registers = one.get("/v1/registers", None).await;
    let size = registers["items"].as_array().unwrap().iter().find(|r| r["slug"] == REGISTER).unwrap()["size"]
        .as_u64()
        .unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let appending = async {
        let callers = FuturesUnordered::new();
        for caller in 0..8 {
            let server = if caller % 2 == 0 { &one } else { &two };
            let store = &store;
            callers.push(async move {
                for nth in 0..EACH {
                    let serial = 500_000 + caller * EACH + nth;
                    let (status, answer) =
                        append(server, token, &format!("two-{serial}"), &entry(store, serial)).await.unwrap();
                    assert_eq!(status, 201, "{answer}");
                }
            });
        }
        callers.collect::<Vec<_>>().await;
        done.store(true, Ordering::SeqCst);
    };
    let until = size + 8 * EACH;
    let (first, second, ()) = tokio::join!(
        follow(&one, token, size, until, &done),
        follow(&two, token, size, until, &done),
        appending
    );
    assert_eq!(first, second, "both servers show the same order");
    // Reading with bodies appends accesses in between, so that only all registers together have no gap.
    let all = positions(&one, first[0] - 1, first[first.len() - 1]).await;
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "positions have no gap: {all:?}");
    assert!(
        first.windows(2).all(|pair| pair[0] < pair[1]) && first.iter().all(|position| all.contains(position))
    );

    // The same number through both servers at once: one gets it.
    let (a, b) = (entry(&store, 777_777), entry(&store, 777_777));
    let (a, b) = tokio::join!(append(&one, token, "race-a", &a), append(&two, token, "race-b", &b));
    let mut statuses = [a.unwrap().0, b.unwrap().0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);

    for server in [&one, &two] {
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!(code, 0, "{report}");
    }
    two.stop().await;
    one.stop().await;
}
