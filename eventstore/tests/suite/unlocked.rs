//! Batches that are written without a lock, while nobody else appends, and those who come between.

use eventstore::{AppendError, Store, Submission, args};

use crate::fixture::{Fixture, keyed, list, on_both_stores, slug};

on_both_stores!(
    a_server_alone_takes_no_lock,
    another_server_is_noticed,
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
