//! Batches that are written without a lock, while nobody else appends, and those who come between.

use eventstore::{AppendError, Guard, Store, Submission, args};
use uuid::Uuid;

use crate::fixture::{Fixture, keyed, list, on_both_stores, slug};

on_both_stores!(
    a_server_alone_takes_no_lock,
    another_server_is_noticed,
    what_is_not_new_after_all_is_found,
    what_others_rest_on_is_remembered,
    two_servers_at_once_lose_nothing,
    receipts_of_new_entries_need_no_reading,
    what_can_be_made_again_waits_for_no_disk,
);

fn is_short(fixture: &Fixture) -> bool {
    fixture.is_postgres() && fixture.shards == 1
}

/// Across tiles, several registers and new versions: the tree is what it must be, or the store would not open.
async fn a_server_alone_takes_no_lock(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    let mut size = 0;
    for (round, count) in [(1_u128, 1_u128), (2, 200), (3, 54), (4, 1), (5, 257), (6, 600)] {
        store.submit(fixture.many("licences", round * 1_000, count)).await.unwrap();
        size += u64::try_from(count).unwrap();
        store.submit(fixture.one("permits", 77, u64::try_from(round).unwrap())).await.unwrap();
        assert_eq!(store.log(&slug("licences")).await.unwrap().unwrap().size, size);
    }
    // The registers are known from when they were opened.
    let short = if is_short(fixture) { 12 } else { 0 };
    assert_eq!((store.metrics().unlocked(), store.metrics().overtaken()), (short, 0));
    assert_eq!(store.position().await.unwrap(), size + 6);
    store.close().await;
    let again = fixture.open().await;
    assert_eq!(again.read_after(0, 2_000).await.unwrap().len() as u64, size + 6);
    again.close().await;
}

/// What another server did counts, though this one believes to know how things are.
async fn another_server_is_noticed(fixture: &Fixture) {
    let one = fixture.with_logs(&["licences"]).await;
    let two = fixture.open().await;
    one.submit(fixture.one("licences", 1, 1)).await.unwrap();
    one.submit(fixture.one("licences", 2, 1)).await.unwrap();

    two.submit(list(vec![fixture.numbered("licences", 3, 1, "N-3")])).await.unwrap();
    let number = one.submit(list(vec![fixture.numbered("licences", 4, 1, "N-3")])).await.unwrap_err();
    assert!(matches!(number, AppendError::Number { .. }), "{number}");

    two.submit(fixture.one("licences", 2, 2)).await.unwrap();
    let version = one.submit(fixture.one("licences", 2, 2)).await.unwrap_err();
    assert!(matches!(version, AppendError::Version { given: 2, found: 2, .. }), "{version}");

    let repeated = keyed(fixture.one("licences", 5, 1), "key", 1);
    let made = two.submit(repeated.clone()).await.unwrap();
    let replayed = one.submit(repeated).await.unwrap();
    assert!(replayed[0].replayed);
    assert_eq!(replayed[0].position, made[0].position);

    let last = one.submit(fixture.one("licences", 6, 1)).await.unwrap();
    assert_eq!((last[0].position, last[0].index), (6, 5));
    if is_short(fixture) {
        assert!(one.metrics().overtaken() > 0);
    }
    one.close().await;
    two.close().await;
}

/// A batch that makes nothing but new records is written without a look. What is not new then refuses the batch, which is looked at:
/// each gets the answer that it would have had, and whoever came with them is appended.
async fn what_is_not_new_after_all_is_found(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let first = keyed(list(vec![fixture.numbered("licences", 1, 1, "N-1")]), "key", 1);
    let made = store.submit(first.clone()).await.unwrap();
    let mut next = 100;
    let mut entries = 1;
    let wrong = [
        fixture.one("licences", 1, 1),
        list(vec![fixture.numbered("licences", 2, 1, "N-1")]),
        first.clone(),
        keyed(fixture.one("licences", 3, 1), "key", 2),
    ];
    for (at, wrong) in wrong.into_iter().enumerate() {
        let others = fixture.many("licences", next, 2);
        let (answer, beside) = tokio::join!(store.submit(wrong), store.submit(others));
        match (at, answer) {
            (0, Err(AppendError::Version { given: 1, found: 1, .. }))
            | (1, Err(AppendError::Number { .. }))
            | (3, Err(AppendError::Idempotency)) => {}
            (2, Ok(again)) => assert!(again[0].replayed && again[0].position == made[0].position),
            (_, other) => panic!("{at}: {other:?}"),
        }
        assert_eq!(beside.unwrap().len(), 2, "{at}");
        // Until it takes what it is given to be new once more.
        for number in next + 10..next + 60 {
            store.submit(fixture.one("licences", number, 1)).await.unwrap();
        }
        next += 100;
        entries += 52;
        if is_short(fixture) {
            assert_eq!(store.metrics().mistaken(), at as u64 + 1);
        }
    }
    assert_eq!((store.position().await.unwrap(), store.metrics().failed_batches()), (entries, 0));
    store.close().await;
    let again = fixture.open().await;
    assert_eq!(again.read_after(0, 1_000).await.unwrap().len() as u64, entries);
    again.close().await;
}

/// What a submission rests on is known after one look, as long as nobody else appends; and follows what this server makes of it.
async fn what_others_rest_on_is_remembered(fixture: &Fixture) {
    let one = fixture.with_logs(&["licences"]).await;
    let resting = |number: u128, version: u64| {
        let guards = vec![Guard { record: Uuid::from_u128(1), version }];
        Submission { guards, ..fixture.one("licences", number, 1) }
    };
    one.submit(fixture.one("licences", 1, 1)).await.unwrap();
    for number in 10..15 {
        one.submit(resting(number, 1)).await.unwrap();
    }
    one.submit(fixture.one("licences", 1, 2)).await.unwrap();
    let stale = one.submit(resting(20, 1)).await.unwrap_err();
    assert!(matches!(stale, AppendError::Stale { found: 2, .. }), "{stale}");
    one.submit(resting(21, 2)).await.unwrap();
    // Alone in its batch there is nothing whose writing would say whether it is so: it was looked at.
    let mistaken = u64::from(is_short(fixture));
    assert_eq!((one.metrics().mistaken(), one.metrics().overtaken()), (mistaken, 0));

    let two = fixture.open().await;
    two.submit(fixture.one("licences", 1, 3)).await.unwrap();
    let stale = one.submit(resting(22, 2)).await.unwrap_err();
    assert!(matches!(stale, AppendError::Stale { found: 3, .. }), "{stale}");
    one.submit(resting(23, 3)).await.unwrap();
    assert_eq!(one.position().await.unwrap(), 10);
    one.close().await;
    two.close().await;
}

async fn two_servers_at_once_lose_nothing(fixture: &Fixture) {
    const EACH: u64 = 150;
    let one = fixture.with_logs(&["licences", "permits"]).await;
    let two = fixture.open().await;
    let append = async |store: &Store, first: u64| {
        let mut positions = Vec::new();
        for number in first..first + EACH {
            let register = if number % 3 == 0 { "permits" } else { "licences" };
            positions.push(store.submit(fixture.one(register, number.into(), 1)).await.unwrap()[0].position);
            if number % 10 == 9 {
                // So that each is alone at times, and remembers.
                tokio::task::yield_now().await;
            }
        }
        positions
    };
    let (first, second) = tokio::join!(append(&one, 1_000), append(&two, 2_000));
    let mut all = [first, second].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=2 * EACH).collect::<Vec<_>>());
    one.close().await;
    two.close().await;
    let again = fixture.open().await;
    assert_eq!(again.read_after(0, 1_000).await.unwrap().len() as u64, 2 * EACH);
    again.close().await;
}

async fn receipts_of_new_entries_need_no_reading(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let key = store.log(&slug("licences")).await.unwrap().unwrap().key;
    let mut next = 1;
    for count in [1_u128, 2, 253, 1, 300] {
        let Submission { entries, .. } = fixture.many("licences", next, count);
        next += count;
        let appended = store.submit(list(entries.clone())).await.unwrap();
        for (appended, new) in appended.iter().zip(&entries) {
            let fresh = store.fresh_receipt(appended, new).unwrap().expect("it is at hand");
            let keys = |_: &_, kid: &_, _| (*kid == fixture.key.kid()).then(|| fixture.key.public());
            let verified = fresh.verify(&key, keys).unwrap();
            assert_eq!(u128::from(verified.checkpoint.size), next - 1);
            assert!(verified.body_shown);
        }
        let (last, new) = (appended.last().unwrap(), entries.last().unwrap());
        let (fresh, read) =
            (store.fresh_receipt(last, new).unwrap(), store.receipt(&last.register, last.index));
        assert_eq!(format!("{fresh:?}"), format!("{:?}", read.await.unwrap()));
    }
    let repeated = keyed(fixture.one("licences", 9_999, 1), "key", 1);
    store.submit(repeated.clone()).await.unwrap();
    let replayed = store.submit(repeated.clone()).await.unwrap();
    assert!(store.fresh_receipt(&replayed[0], &repeated.entries[0]).unwrap().is_none());
    store.close().await;
}

/// Which transaction waits for the disk is said by each, and never left over from the one before.
async fn what_can_be_made_again_waits_for_no_disk(fixture: &Fixture) {
    let store = fixture.open().await;
    let (sql, disposable, durable) = if fixture.is_postgres() {
        ("SELECT current_setting('synchronous_commit') AS how", "off", "on")
    } else {
        ("SELECT CAST(synchronous AS TEXT) AS how FROM pragma_synchronous", "1", "2")
    };
    for _ in 0..2 {
        let mut tx = store.db().begin_disposable().await.unwrap();
        assert_eq!(tx.fetch_all(sql, args![]).await.unwrap()[0].text("how").unwrap(), disposable);
        tx.commit().await.unwrap();
        let mut tx = store.db().begin().await.unwrap();
        assert_eq!(tx.fetch_all(sql, args![]).await.unwrap()[0].text("how").unwrap(), durable);
        tx.commit().await.unwrap();
    }
    store.close().await;
}
