//! Clocks that are wrong: what is recorded never goes back, and no server may take everyone's time of recording with it.

use std::time::Duration;

use eventstore::{AppendError, Options, Store, StoreError};
use proofs::time::Timestamp;

use crate::fixture::{Fixture, Kind, on_both_stores, places};

on_both_stores!(a_clock_that_was_ahead_holds_the_time_and_is_told);

const HOUR_MILLIS: i64 = 3_600_000;
/// How far a clock may be ahead in these tests.
const MAX: Duration = Duration::from_mins(1);

/// With no bound, as on an embedded store: a clock goes an hour ahead and comes back.
async fn a_clock_that_was_ahead_holds_the_time_and_is_told(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let noon = fixture.clock_now();
    fixture.clock.advance(HOUR_MILLIS);
    let ahead = store.submit(fixture.one("licences", 1, 1)).await.unwrap()[0].recorded_at;
    assert_eq!((ahead, store.metrics().recorded_ahead_seconds()), (noon.plus_millis(HOUR_MILLIS), 0));
    fixture.clock.set(noon);
    let held = store.submit(fixture.one("licences", 2, 1)).await.unwrap()[0].recorded_at;
    assert_eq!((held, store.metrics().recorded_ahead_seconds()), (ahead, 3_600));
    store.close().await;
    // Whoever opens the store knows before anything is appended.
    let store = fixture.open().await;
    assert_eq!(store.metrics().recorded_ahead_seconds(), 3_600);
    fixture.clock.advance(HOUR_MILLIS + 1);
    let after = store.submit(fixture.one("licences", 3, 1)).await.unwrap()[0].recorded_at;
    assert_eq!((after, store.metrics().recorded_ahead_seconds()), (ahead.plus_millis(1), 0));
    store.close().await;
}

/// PostgreSQL's clock, by which the one of the test is set.
async fn database_time(store: &Store) -> Timestamp {
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now";
    store.db().fetch_optional(sql, vec![]).await.unwrap().unwrap().time("now").unwrap()
}

/// A server whose clock is ahead of the database's appends nothing; one whose clock is right goes on beside it, and so does it when
/// its clock is set.
#[tokio::test]
async fn a_server_whose_clock_is_ahead_appends_nothing() {
    let fixture = Fixture::new(Kind::Postgres).await;
    fixture.with_logs(&["licences"]).await.close().await;
    let options = || Options { clock_ahead_max: Some(MAX), ..fixture.options() };
    let store = Store::open(options()).await.unwrap();
    let now = database_time(&store).await;
    fixture.clock.set(now);
    assert_eq!(places(&store.submit(fixture.one("licences", 1, 1)).await.unwrap()), [(1, 0, 1)]);
    store.check_clock().await.unwrap();

    for (hours, record) in [(1, 2), (24 * 365, 3)] {
        fixture.clock.set(now.plus_millis(hours * HOUR_MILLIS));
        let told = store.submit(fixture.one("licences", record, 1)).await;
        let words = told.as_ref().unwrap_err().to_string();
        assert!(
            matches!(told, Err(AppendError::Store(StoreError::ClockAhead { ahead_seconds })) if ahead_seconds > 3_000),
            "{words}"
        );
        assert!(words.contains("set the clock"), "{words}");
        assert!(store.metrics().clock_refuses() && store.metrics().clock_ahead_seconds() > 3_000);
        assert!(matches!(store.check_clock().await, Err(StoreError::ClockAhead { .. })));
        assert_eq!(store.position().await.unwrap(), 1);
    }

    // Behind is harmless, and within the bound is taken.
    for (millis, record) in [(-HOUR_MILLIS, 4), (30_000, 5)] {
        fixture.clock.set(now.plus_millis(millis));
        store.submit(fixture.one("licences", record, 1)).await.unwrap();
        assert!(!store.metrics().clock_refuses());
    }
    let entries = store.read_after(0, 10).await.unwrap();
    assert!(entries.len() == 3 && entries.is_sorted_by_key(|entry| entry.recorded_at));
    store.close().await;
    fixture.drop_store().await;
}
