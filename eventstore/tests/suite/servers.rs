//! Several processes on one store: each `Store` here shares nothing with the others but the database.

use std::time::Duration;

use eventstore::{AppendError, Store};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::fixture::{Fixture, Kind, on_both_stores};

on_both_stores!(servers_append_while_a_reader_follows, servers_may_start_at_once);

const REGISTERS: [&str; 3] = ["licences", "permits", "notices"];
const ROUNDS: u128 = 25;
const CALLERS: u128 = 8;

/// Each caller appends its own records, and between them fights with all others for the versions of one.
async fn append(fixture: &Fixture, store: &Store, server: u128, caller: u128) -> (u64, u64) {
    let (mut own, mut won) = (0, 0);
    for round in 0..ROUNDS {
        let record = (server << 64) | (caller << 32) | (round + 1);
        let register = REGISTERS[usize::try_from((caller + round) % 3).unwrap()];
        let list = crate::fixture::list(vec![
            fixture.entry(register, record, 1),
            fixture.entry(register, record, 2),
        ]);
        own += store.submit(list).await.unwrap().len() as u64;
        let version = store.read_record(Uuid::from_u128(1)).await.unwrap().len() as u64 + 1;
        match store.submit(fixture.one("licences", 1, version)).await {
            Ok(_) => won += 1,
            Err(AppendError::Version { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    (own, won)
}

/// Follows the journal until it has seen everything; positions come in order, none missing.
async fn follow(store: &Store, until: tokio::sync::oneshot::Receiver<u64>) -> u64 {
    let mut head = store.watch();
    let mut until = std::pin::pin!(until);
    let (mut position, mut last) = (0, None);
    while last != Some(position) {
        for entry in store.read_after(position, 100).await.unwrap() {
            assert_eq!(entry.position, position + 1);
            position = entry.position;
        }
        if last.is_none() {
            tokio::select! {
                done = &mut until => last = Some(done.unwrap()),
                _ = head.changed() => {}
            }
        }
    }
    position
}

async fn servers_append_while_a_reader_follows(fixture: &Fixture) {
    let first = fixture.with_logs(&REGISTERS).await;
    let second = fixture.open().await;
    let (done, until) = tokio::sync::oneshot::channel();
    let work = async {
        let callers = (0..CALLERS).flat_map(|caller| [(&first, 1, caller), (&second, 2, caller)]);
        let totals =
            join_all(callers.map(|(store, server, caller)| append(fixture, store, server, caller))).await;
        let total: u64 = totals.iter().map(|(own, won)| own + won).sum();
        done.send(total).unwrap();
        total
    };
    let (total, seen) = tokio::join!(work, follow(&second, until));
    assert_eq!(seen, total);
    assert_eq!(first.position().await.unwrap(), total);
    let contested = first.read_record(Uuid::from_u128(1)).await.unwrap();
    assert!(!contested.is_empty());
    let sizes: u64 = first.logs().await.unwrap().iter().map(|log| log.size).sum();
    assert_eq!(sizes, total);
    first.close().await;
    second.close().await;
    // Opening checks every head against its checkpoint; the roots are checked against the leaves here.
    let store = fixture.open().await;
    for log in store.logs().await.unwrap() {
        let entries = store.read_register(&log.register, 0, 5_000).await.unwrap();
        let hashes: Vec<_> = entries.iter().map(|entry| entry.leaf().hash()).collect();
        assert_eq!((log.size, log.root), (hashes.len() as u64, proofs::merkle::root(&hashes)));
    }
    store.close().await;
}

async fn servers_may_start_at_once(fixture: &Fixture) {
    let stores = join_all((0..4).map(|_| fixture.try_open())).await;
    for store in stores {
        store.unwrap().close().await;
    }
}

/// What one server appends wakes those who follow at another.
#[tokio::test]
async fn notifications_cross_servers() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let first = fixture.with_logs(&["licences"]).await;
    let second = fixture.open().await;
    let mut head = second.watch();
    first.submit(fixture.many("licences", 1, 3)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), head.wait_for(|position| *position == 3))
        .await
        .expect("the notification arrives")
        .unwrap();
    first.close().await;
    second.close().await;
    fixture.drop_store().await;
}
