//! Batches that were sent without a lock, and of which the appender was not told what became: it finds out.

use eventstore::sql::Tx;
use eventstore::{AppendError, Store, StoreError};

use crate::faults::{KILL, OTHERS, counted, run, wired};
use crate::fixture::{Fixture, Kind, keyed, places};

const WAITING: &str = "SELECT COUNT(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";
/// Ends who waits with a batch that was sent without a lock.
const END: &str = "SELECT COUNT(pg_terminate_backend(pid)) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%WITH place AS%'";

/// Keeps everyone from appending.
async fn held(store: &Store) -> Tx {
    let mut tx = store.db().begin().await.unwrap();
    tx.execute("SELECT FROM journal FOR UPDATE", vec![]).await.unwrap();
    tx
}

/// The network vanishes while a batch is written. It was committed, and is answered once.
#[tokio::test]
async fn what_was_committed_unheard_is_answered() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, freeze) = wired(&fixture, fixture.options().batch_timeout).await;
    let request = |n| keyed(fixture.many("licences", n, 2), &format!("k{n}"), 1);
    for n in [1, 3] {
        store.submit(request(n)).await.unwrap();
    }
    let beside = fixture.open().await;
    let lock = held(&beside).await;
    let vanish = async {
        counted(&beside, WAITING, 1).await;
        freeze.send(1).unwrap();
        lock.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(store.submit(request(5)), vanish);
    let answer = answer.unwrap();
    assert_eq!(places(&answer), [(5, 4, 1), (6, 5, 1)]);
    assert!(answer.iter().all(|one| !one.replayed));
    assert_eq!((beside.position().await.unwrap(), store.metrics().failed_batches()), (6, 0));
    assert!(store.submit(request(5)).await.unwrap()[0].replayed);
    assert_eq!(places(&store.submit(request(7)).await.unwrap()), [(7, 6, 1), (8, 7, 1)]);
    beside.close().await;
    drop(store);
    fixture.drop_store().await;
}

/// The connections are gone before the batch is sent, which only its sending shows.
#[tokio::test]
async fn what_never_arrived_is_written_once() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    for round in 1..=3 {
        // One more, so that the next is sent without a look.
        store.submit(fixture.one("licences", 10 * u128::from(round), 1)).await.unwrap();
        counted(&store, OTHERS, 2).await;
        store.db().fetch_optional(KILL, vec![]).await.unwrap().unwrap();
        let appended = store.submit(fixture.one("licences", 10 * u128::from(round) + 1, 1)).await.unwrap();
        assert_eq!(places(&appended), [(2 * round + 1, 2 * round, 1)]);
    }
    assert_eq!((store.position().await.unwrap(), store.metrics().failed_batches()), (7, 0));
    store.close().await;
    fixture.drop_store().await;
}

/// The server ends a session in which a batch waits, and before the appender has the lock another one appends.
#[tokio::test]
async fn what_was_overtaken_is_decided_again() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences"]).await;
    for n in 1..=2 {
        store.submit(fixture.one("licences", n, 1)).await.unwrap();
    }
    let (two, three) = (fixture.open().await, fixture.open().await);
    let lock = held(&three).await;
    let between = async {
        counted(&three, WAITING, 1).await;
        let other = two.submit(fixture.one("licences", 3, 1));
        let end = async {
            counted(&three, WAITING, 2).await;
            counted(&three, END, 1).await;
            // The appender is there again, behind the other one.
            counted(&three, WAITING, 2).await;
            lock.rollback().await.unwrap();
        };
        tokio::join!(other, end).0
    };
    let (answer, other) = tokio::join!(store.submit(fixture.one("licences", 4, 1)), between);
    assert_eq!(places(&other.unwrap()), [(3, 2, 1)]);
    assert_eq!(places(&answer.unwrap()), [(4, 3, 1)]);
    assert_eq!(store.metrics().failed_batches(), 0);
    for one in [store, two, three] {
        one.close().await;
    }
    fixture.drop_store().await;
}

/// What cannot be found out is called unknown, whatever the last attempt ended by.
#[tokio::test]
async fn what_cannot_be_found_out_is_called_unknown() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    // The first attempt ends its session, the second is refused.
    run(&store, "CREATE SEQUENCE attempt").await;
    run(
        &store,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('attempt') > 1 THEN RAISE 'disk on fire'; END IF;
             PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
    )
    .await;
    run(&store, "CREATE TRIGGER die AFTER INSERT ON entry FOR EACH ROW EXECUTE FUNCTION die()").await;
    let request = || keyed(fixture.one("licences", 2, 1), "k", 1);
    let answer = store.submit(request()).await;
    assert!(matches!(answer, Err(AppendError::Store(StoreError::OutcomeUnknown(_)))), "{answer:?}");
    run(&store, "DROP TRIGGER die ON entry").await;
    assert_eq!(places(&store.submit(request()).await.unwrap()), [(2, 1, 1)]);
    assert!(store.submit(request()).await.unwrap()[0].replayed);
    store.close().await;
    fixture.drop_store().await;
}
