//! The journal as of a time: positions, sizes and roots.

use proofs::hash::leaf_hash;
use proofs::merkle;
use proofs::time::Timestamp;

use crate::fixture::{Fixture, on_both_stores, slug};

on_both_stores!(sizes_and_roots_are_found_by_time);

async fn sizes_and_roots_are_found_by_time(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    let register = slug("licences");
    let begun = store.clock().now();
    assert_eq!(store.position_at(begun.plus_millis(-1)).await.unwrap(), 0);
    let mut told = Vec::new();
    for (step, count) in [3, 1, 300, 7].into_iter().enumerate() {
        fixture.clock.advance(1_000);
        let first = 1_000 * (step as u128 + 1);
        store.submit(fixture.many("licences", first, count)).await.unwrap();
        store.submit(fixture.many("permits", first + 700, 2)).await.unwrap();
        let log = store.log(&register).await.unwrap().unwrap();
        told.push((store.clock().now(), log.size, log.root, store.position().await.unwrap()));
    }
    for (at, size, root, position) in told {
        for at in [at, at.plus_millis(999)] {
            assert_eq!(store.size_at(&register, at).await.unwrap(), Some(size));
            assert_eq!(store.position_at(at).await.unwrap(), position);
        }
        assert_eq!(store.root_at(&register, size).await.unwrap(), Some(root));
    }
    let hashes: Vec<_> = store.read_register(&register, 0, 5_000).await.unwrap();
    let hashes: Vec<_> = hashes.iter().map(|entry| leaf_hash(&entry.leaf().to_bytes())).collect();
    for size in [0, 1, 2, 255, 256, 257, 311] {
        let expected = merkle::root(&hashes[..size]);
        assert_eq!(store.root_at(&register, size as u64).await.unwrap(), Some(expected), "{size}");
    }
    assert_eq!(store.root_at(&register, 312).await.unwrap(), None);
    assert_eq!(store.size_at(&register, begun).await.unwrap(), Some(0));
    assert_eq!(store.size_at(&slug("nothing"), Timestamp::MAX).await.unwrap(), None);
    assert_eq!(store.root_at(&slug("nothing"), 0).await.unwrap(), None);
    store.close().await;
}
