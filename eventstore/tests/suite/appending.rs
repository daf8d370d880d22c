//! What an append gives, and what stays after it.

use eventstore::{AppendError, Store, StoreError, Submission};
use futures_util::future::join_all;
use proofs::signer::Signer as _;
use proofs::time::Timestamp;
use uuid::Uuid;

use crate::fixture::{Fixture, list, on_both_stores, places, slug};

on_both_stores!(
    positions_and_indexes_have_no_gaps,
    a_batch_holds_what_came_together,
    everything_is_there_after_reopening,
    recorded_times_never_go_back,
    a_full_queue_turns_away,
    closing_appends_what_waits,
    a_store_keeps_its_log_name,
    keys_are_kept_in_order,
    servers_agree_on_a_key,
    refuses_what_no_store_could_take,
    a_log_can_be_opened_with_its_first_entries,
);

async fn positions_and_indexes_have_no_gaps(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    assert_eq!(store.position().await.unwrap(), 0);
    let first = store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    let list = list(vec![
        fixture.entry("permits", 2, 1),
        fixture.entry("licences", 1, 2),
        fixture.entry("permits", 2, 2),
        fixture.entry("licences", 3, 1),
    ]);
    let second = store.submit(list).await.unwrap();
    assert_eq!(places(&first), [(1, 0, 1)]);
    assert_eq!(places(&second), [(2, 0, 1), (3, 1, 2), (4, 1, 2), (5, 2, 1)]);
    assert!(first.iter().chain(&second).all(|one| !one.replayed));
    assert_eq!(store.position().await.unwrap(), 5);
    assert_eq!(*store.watch().borrow(), 5);

    let all = store.read_after(0, 100).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.position).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(all[0].body.as_deref(), Some("{\"about\":\"кот №1\",\"version\":1}".as_bytes()));
    assert_eq!(store.read_after(3, 1).await.unwrap(), all[3..4]);
    assert!(store.read_after(u64::MAX, 1).await.unwrap().is_empty());
    assert!(store.read_register(&slug("licences"), u64::MAX, 1).await.unwrap().is_empty());
    let of_licences = store.read_register(&slug("licences"), 1, 10).await.unwrap();
    assert_eq!(of_licences, [all[2].clone(), all[4].clone()]);
    assert_eq!(store.read_record(Uuid::from_u128(2)).await.unwrap(), [all[1].clone(), all[3].clone()]);
    let two =
        store.read_records(&[Uuid::from_u128(3), Uuid::from_u128(1), Uuid::from_u128(9)]).await.unwrap();
    assert_eq!(two, [all[0].clone(), all[2].clone(), all[4].clone()]);
    assert_eq!(store.entry(&slug("permits"), 1).await.unwrap().as_ref(), Some(&all[3]));
    assert_eq!(store.entry(&slug("permits"), 2).await.unwrap(), None);
    assert_eq!(store.log(&slug("licences")).await.unwrap().unwrap().size, 3);
    assert!(store.log(&slug("unknown")).await.unwrap().is_none());
    let sizes: Vec<_> = store.logs().await.unwrap().into_iter().map(|log| (log.register, log.size)).collect();
    assert_eq!(sizes, [(slug("licences"), 3), (slug("permits"), 2)]);
    store.close().await;
}

async fn a_batch_holds_what_came_together(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let batches = store.metrics().batches();
    let submissions = (1..=300).map(|record| store.submit(fixture.one("licences", record, 1)));
    let mut positions: Vec<_> =
        join_all(submissions).await.into_iter().map(|answer| answer.unwrap()[0].position).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=300).collect::<Vec<_>>());
    // All had arrived before the appender could look: one batch, or a second for who came during the first.
    assert!(store.metrics().batches() - batches <= 2, "{} batches", store.metrics().batches() - batches);
    assert_eq!(store.metrics().entries(), 300);
    assert_eq!(store.metrics().waiting(), 0);
    assert_eq!(store.metrics().latency_micros().count(), 301);
    store.close().await;
}

async fn everything_is_there_after_reopening(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    store.submit(fixture.many("licences", 1, 10)).await.unwrap();
    store.submit(list(vec![fixture.numbered("permits", 100, 1, "77-1")])).await.unwrap();
    let (before, checkpoints) = (store.read_after(0, 100).await.unwrap(), checkpoints(&store).await);
    store.close().await;

    let store = fixture.open().await;
    assert_eq!(store.read_after(0, 100).await.unwrap(), before);
    assert_eq!(self::checkpoints(&store).await, checkpoints);
    assert_eq!(store.number(&slug("permits"), "77-1").await.unwrap(), Some(Uuid::from_u128(100)));
    assert_eq!(*store.watch().borrow(), 11);
    let next = store.submit(fixture.one("licences", 1, 2)).await.unwrap();
    assert_eq!(places(&next), [(12, 10, 2)]);
    store.close().await;
}

async fn checkpoints(store: &Store) -> Vec<String> {
    store.logs().await.unwrap().into_iter().map(|log| log.checkpoint).collect()
}

async fn recorded_times_never_go_back(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    let noon: Timestamp = "2026-03-01T12:00:00.000Z".parse().unwrap();
    fixture.clock.set(noon);
    let first = store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    fixture.clock.set(noon.plus_millis(-3_600_000));
    let second = store.submit(fixture.one("permits", 2, 1)).await.unwrap();
    store.close().await;
    let store = fixture.open().await;
    let third = store.submit(fixture.one("licences", 1, 2)).await.unwrap();
    fixture.clock.set(noon.plus_millis(1));
    let fourth = store.submit(fixture.one("licences", 1, 3)).await.unwrap();
    assert_eq!([&first, &second, &third].map(|appended| appended[0].recorded_at), [noon; 3]);
    assert_eq!(fourth[0].recorded_at, noon.plus_millis(1));
    let log = store.log(&slug("permits")).await.unwrap().unwrap();
    assert_eq!(log.recorded_at, Some(noon));
    store.close().await;
}

async fn a_full_queue_turns_away(fixture: &Fixture) {
    fixture.with_logs(&["licences"]).await.close().await;
    let mut options = fixture.options();
    options.queue_entries_max = 4;
    options.batch_entries_max = 2;
    let store = Store::open(options).await.unwrap();
    let submissions = (1..=10).map(|record| store.submit(fixture.one("licences", record, 1)));
    let answers = join_all(submissions).await;
    // This runtime has one thread, so that nothing leaves the queue before all have asked.
    assert!(answers[..4].iter().all(Result::is_ok));
    let overloaded =
        |answer: &Result<_, _>| matches!(answer, Err(AppendError::Overloaded { retry_after_seconds: 1 }));
    assert!(answers[4..].iter().all(overloaded), "{answers:?}");
    assert_eq!(store.metrics().overloaded(), 6);
    assert_eq!(store.metrics().batches(), 2);
    // A list that is larger than the queue is taken when the queue is empty.
    store.submit(fixture.many("licences", 100, 9)).await.unwrap();
    store.close().await;
}

async fn closing_appends_what_waits(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let submissions = (1..=5).map(|record| store.submit(fixture.one("licences", record, 1)));
    let (answers, ()) = tokio::join!(join_all(submissions), store.close());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let refused = store.submit(fixture.one("licences", 6, 1)).await;
    assert!(matches!(refused, Err(AppendError::Closed)), "{refused:?}");
    let store = fixture.open().await;
    assert_eq!(store.position().await.unwrap(), 5);
    store.close().await;
}

async fn a_store_keeps_its_log_name(fixture: &Fixture) {
    fixture.open().await.close().await;
    let mut options = fixture.options();
    options.log_name = "elsewhere.example".into();
    let refused = Store::open(options).await.err();
    assert!(matches!(refused, Some(StoreError::LogName { .. })), "{refused:?}");
    for name in ["", "two words", "a+b"] {
        options = fixture.options();
        options.log_name = name.into();
        let refused = Store::open(options).await.err();
        assert!(matches!(refused, Some(StoreError::LogNameForm(_))), "{refused:?}");
    }
}

async fn keys_are_kept_in_order(fixture: &Fixture) {
    let store = fixture.open().await;
    let (old, new) = (fixture.new_key(), fixture.new_key());
    for key in [&old, &new, &old] {
        store.put_key("gibdd", eventstore::STATEMENT, key).await.unwrap();
    }
    let newest = store.key("gibdd", eventstore::STATEMENT).await.unwrap().unwrap();
    assert_eq!(newest.public(), new.public());
    assert_eq!(store.key_by_kid(&old.kid()).await.unwrap().unwrap().sign(b"x").unwrap(), old.sign(b"x"));
    assert!(store.key("gibdd", eventstore::TOKEN).await.unwrap().is_none());
    assert!(store.key("fns", eventstore::STATEMENT).await.unwrap().is_none());
    let kept = store.keep_key("gibdd", eventstore::STATEMENT).await.unwrap();
    assert_eq!(kept.public(), new.public(), "there is one already");
    let made = store.new_key("gibdd", eventstore::STATEMENT).await.unwrap();
    let newest = store.key("gibdd", eventstore::STATEMENT).await.unwrap().unwrap();
    assert_eq!(newest.public(), made.public());
    assert_ne!(newest.public(), new.public());
    store.close().await;
}

/// Servers that start at once each make a key of their own; all go on with one, and none is lost.
async fn servers_agree_on_a_key(fixture: &Fixture) {
    let servers = [fixture.open().await, fixture.open().await, fixture.open().await];
    let keys: Vec<_> = (0..12).map(|_| fixture.new_key()).collect();
    let keeping = keys.iter().zip(servers.iter().cycle());
    let kept = join_all(keeping.clone().map(|(_, store)| store.keep_key("installation", eventstore::TOKEN)));
    let kept: Vec<_> = kept.await.into_iter().map(|key| key.unwrap().public().kid()).collect();
    assert!(kept.iter().all(|kid| *kid == kept[0]), "{kept:?}");
    let put = join_all(keeping.map(|(key, store)| store.put_key("gibdd", eventstore::STATEMENT, key))).await;
    assert!(put.iter().all(Result::is_ok), "{put:?}");
    for key in &keys {
        assert!(servers[0].key_by_kid(&key.kid()).await.unwrap().is_some());
    }
    for store in servers {
        store.close().await;
    }
}

async fn refuses_what_no_store_could_take(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let mut changed = fixture.entry("licences", 1, 1);
    changed.body = b"{}".to_vec();
    let refused = [
        Submission::default(),
        list(vec![changed]),
        list(vec![fixture.numbered("licences", 1, 1, "a\0b")]),
        list(vec![fixture.numbered("licences", 1, 1, &"7".repeat(513))]),
        fixture.many("licences", 1, 1_001),
        crate::fixture::keyed(fixture.one("licences", 1, 1), "\0", 1),
    ];
    for submission in refused {
        let answer = store.submit(submission).await;
        assert!(matches!(answer, Err(AppendError::Invalid(_))), "{answer:?}");
    }
    assert_eq!(store.position().await.unwrap(), 0);
    assert_eq!(store.number(&slug("licences"), "a\0b").await.unwrap(), None);
    store.close().await;
}

async fn a_log_can_be_opened_with_its_first_entries(fixture: &Fixture) {
    let store = fixture.open().await;
    let opens =
        vec![fixture.new_log(&store, "departments").await, fixture.new_log(&store, "registers").await];
    let keys: Vec<_> = opens.iter().map(|open| open.key.kid()).collect();
    let entries = vec![fixture.entry("departments", 1, 1), fixture.entry("registers", 2, 1)];
    let appended = store.submit(Submission { entries, opens, ..Submission::default() }).await.unwrap();
    assert_eq!(places(&appended), [(1, 0, 1), (2, 0, 1)]);
    for (log, kid) in store.logs().await.unwrap().iter().zip(keys) {
        assert_eq!((log.size, log.key.key().kid()), (1, kid));
        let kept = store.key(log.register.as_str(), eventstore::CHECKPOINT).await.unwrap().unwrap();
        assert_eq!(kept.public(), *log.key.key());
    }
    store.close().await;
}
