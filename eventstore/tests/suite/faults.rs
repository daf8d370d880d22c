//! The database goes away at the worst moments.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventstore::sql::{Target, Tx};
use eventstore::{AppendError, Clock, Options, Store, StoreError, args};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use proofs::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::fixture::{Fixture, Kind, keyed, list, on_both_stores, places};

on_both_stores!(
    a_failed_batch_leaves_nothing_behind,
    a_panic_takes_its_batch_and_no_other,
    large_bodies_are_committed_in_smaller_batches
);

/// A trigger that fails the next insert: everyone in the batch is told, nothing of it stays, and the next batch goes on.
async fn a_failed_batch_leaves_nothing_behind(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    let (make, drop) = if fixture.is_postgres() {
        (
            "CREATE TRIGGER broken BEFORE INSERT ON number FOR EACH ROW EXECUTE FUNCTION reestr_refuse('disk on fire')",
            "DROP TRIGGER broken ON number",
        )
    } else {
        (
            "CREATE TRIGGER broken BEFORE INSERT ON number BEGIN SELECT RAISE(ABORT, 'disk on fire'); END",
            "DROP TRIGGER broken",
        )
    };
    run(&store, make).await;
    let (first, second) = tokio::join!(
        store.submit(fixture.one("licences", 2, 1)),
        store.submit(list(vec![fixture.numbered("licences", 3, 1, "7")]))
    );
    for answer in [first, second] {
        let told = matches!(&answer, Err(AppendError::Store(StoreError::Database(error))) if error.to_string().contains("disk on fire"));
        assert!(told, "{answer:?}");
    }
    assert_eq!((store.position().await.unwrap(), store.metrics().failed_batches()), (1, 1));
    run(&store, drop).await;
    let (first, second) = tokio::join!(
        store.submit(fixture.one("licences", 2, 1)),
        store.submit(list(vec![fixture.numbered("licences", 3, 1, "7")]))
    );
    assert_eq!((places(&first.unwrap()), places(&second.unwrap())), (vec![(2, 1, 1)], vec![(3, 2, 1)]));
    store.close().await;
    fixture.open().await.close().await;
}

/// A clock that cannot be read when it is told so.
struct BrokenClock(AtomicBool);

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        Timestamp::MIN
    }
}

/// Whatever goes wrong within a batch, the server goes on taking entries, and gives the retry one answer.
async fn a_panic_takes_its_batch_and_no_other(fixture: &Fixture) {
    fixture.with_logs(&["licences"]).await.close().await;
    let clock = Arc::new(BrokenClock(AtomicBool::new(true)));
    let store = Store::open(Options { clock: clock.clone(), ..fixture.options() }).await.unwrap();
    let request = || keyed(fixture.one("licences", 1, 1), "k1", 1);
    let told = store.submit(request()).await;
    assert!(matches!(told, Err(AppendError::Store(StoreError::OutcomeUnknown(_)))), "{told:?}");
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(places(&store.submit(request()).await.unwrap()), [(1, 0, 1)]);
    assert_eq!(places(&store.submit(request()).await.unwrap()), [(1, 0, 1)]);
    store.close().await;
}

/// One who sends much must not make a batch that fails everyone in it.
async fn large_bodies_are_committed_in_smaller_batches(fixture: &Fixture) {
    fixture.with_logs(&["licences"]).await.close().await;
    // A body of 1 MiB counts for 16 entries.
    let store = Store::open(Options { batch_entries_max: 32, ..fixture.options() }).await.unwrap();
    let large = (1..=6).map(|record| store.submit(list(vec![fixture.large("licences", record)])));
    assert!(join_all(large).await.iter().all(Result::is_ok));
    assert_eq!((store.position().await.unwrap(), store.metrics().batches()), (6, 3));
    store.close().await;
}

/// A store whose connections pass a wire, and what freezes it.
pub async fn wired(fixture: &Fixture, batch_timeout: Duration) -> (Store, watch::Sender<u32>) {
    fixture.with_logs(&["licences"]).await.close().await;
    let Target::Postgres(url) = &fixture.target else { unreachable!("it is PostgreSQL") };
    let (user, rest) = url.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let (freeze, frozen) = watch::channel(0);
    let port = wire(server.to_owned(), frozen).await;
    let target = Target::Postgres(format!("{user}@127.0.0.1:{port}/{database}"));
    (Store::open(Options { target, batch_timeout, ..fixture.options() }).await.unwrap(), freeze)
}

/// Passes connections on to PostgreSQL; those that exist at a freeze go silent for ever, as when a machine or a network vanishes.
async fn wire(server: String, frozen: watch::Receiver<u32>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&server).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(pass(from_client, to_server, frozen.clone()));
            tokio::spawn(pass(from_server, to_client, frozen.clone()));
        }
    });
    port
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, frozen: watch::Receiver<u32>) {
    let since = *frozen.borrow();
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if *frozen.borrow() != since {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}

/// A connection that goes silent does not end appending: those who wait are told, and the next batch takes another.
#[tokio::test]
async fn the_appender_survives_a_silent_connection() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, freeze) = wired(&fixture, Duration::from_secs(2)).await;
    let request = |n| keyed(fixture.one("licences", n, 1), &format!("k{n}"), 1);
    // The second has a connection at hand, and leaves it there.
    store.submit(request(1)).await.unwrap();
    store.submit(request(2)).await.unwrap();
    freeze.send(1).unwrap();
    let told = store.submit(request(3)).await;
    assert!(matches!(told, Err(AppendError::Store(StoreError::OutcomeUnknown(_)))), "{told:?}");
    assert_eq!(places(&store.submit(request(3)).await.unwrap()), [(3, 2, 1)]);
    assert_eq!(places(&store.submit(request(4)).await.unwrap()), [(4, 3, 1)]);
    drop(store);
    fixture.drop_store().await;
}

/// Both connections of the appender go silent between two batches: nothing is lost yet, so the next begins on a new one, and is taken.
#[tokio::test]
async fn a_batch_that_cannot_begin_begins_on_another_connection() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, freeze) = wired(&fixture, fixture.options().batch_timeout).await;
    // The first takes the lock in a transaction, the second does without, on a connection at hand.
    for n in 1..=2 {
        store.submit(fixture.one("licences", n, 1)).await.unwrap();
    }
    freeze.send(1).unwrap();
    assert_eq!(places(&store.submit(fixture.one("licences", 3, 1)).await.unwrap()), [(3, 2, 1)]);
    drop(store);
    fixture.drop_store().await;
}

/// Reads for as long as a transaction [holds](hold) the lock.
const WAIT: &str = "SELECT pg_advisory_lock_shared($1), pg_advisory_unlock_shared($1)";
/// How many do.
pub const WAITING: &str = "SELECT COUNT(*) AS count FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// Every connection of the readers goes silent, idle ones and one that waits for an answer: each is given up within seconds, and the
/// pool has others. The kernel would take a quarter of an hour.
#[tokio::test]
async fn the_readers_survive_a_silent_network() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, freeze) = wired(&fixture, fixture.options().batch_timeout).await;
    // As many as the pool has beside those for reading: each holds one until all have.
    let all = join_all((0..12).map(|_| store.db().snapshot())).await;
    assert!(join_all(all.into_iter().map(async |tx| tx?.rollback().await)).await.iter().all(Result::is_ok));
    let beside = fixture.open().await;
    let lock = hold(&beside, 1).await;
    let waits = store.db().fetch_all(WAIT, args![1_i64]);
    let silence = async {
        counted(&beside, WAITING, 1).await;
        freeze.send(1).unwrap();
        lock.rollback().await.unwrap();
        // Those that wait for a connection that was idle get another.
        let answers = join_all((0..40).map(|_| store.position())).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        // Nor does the listener wait for ever for news of what others append.
        beside.submit(fixture.one("licences", 1, 1)).await.unwrap();
        let mut head = store.watch();
        tokio::time::timeout(PATIENCE, head.wait_for(|position| *position == 1)).await.unwrap().unwrap();
    };
    let (waited, ()) = tokio::join!(waits, silence);
    // It had been at hand, and was asked for again on another.
    assert_eq!(waited.expect("it is answered").len(), 1);
    assert!(join_all((0..40).map(|_| store.position())).await.iter().all(Result::is_ok));
    beside.close().await;
    drop(store);
    fixture.drop_store().await;
}

/// As many as like read at once: they leave connections for who begins a transaction, and who asked first is answered before those who
/// ask again, however fast they are.
#[tokio::test]
async fn readers_take_turns_and_leave_room_for_transactions() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, beside) = (fixture.open().await, fixture.open().await);
    let [first, second] = [hold(&beside, 1).await, hold(&beside, 2).await];
    let readers = join_all((0..40).map(async |_| {
        store.db().fetch_all(WAIT, args![1_i64]).await?;
        store.db().fetch_all(WAIT, args![2_i64]).await
    }));
    let beyond = async {
        counted(&beside, WAITING, 8).await;
        store.db().begin().await.expect("not all connections read").rollback().await.unwrap();
        let mut later = pin!(store.position());
        assert!(later.as_mut().now_or_never().is_none(), "it waits for its turn");
        first.rollback().await.unwrap();
        later.await.expect("it is before those that ask again, which wait for what is still held");
        second.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(readers, beyond);
    assert!(answers.iter().all(Result::is_ok));
    store.close().await;
    beside.close().await;
    fixture.drop_store().await;
}

/// A transaction that holds an advisory lock.
pub async fn hold(store: &Store, lock: i64) -> Tx {
    let mut tx = store.db().begin().await.unwrap();
    tx.execute("SELECT pg_advisory_xact_lock($1)", args![lock]).await.unwrap();
    tx
}

/// Waits until a query counts so many.
pub async fn counted(store: &Store, sql: &str, least: i64) {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    let seen = async {
        loop {
            pace.tick().await;
            let row = store.db().fetch_optional(sql, vec![]).await.unwrap().unwrap();
            if row.int("count").unwrap() >= least {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("it comes to that");
}

pub async fn run(store: &Store, statement: &str) {
    let mut tx = store.db().begin().await.unwrap();
    tx.execute(statement, vec![]).await.unwrap();
    tx.commit().await.unwrap();
}

pub const OTHERS: &str = "SELECT COUNT(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";
pub const KILL: &str = "SELECT COUNT(pg_terminate_backend(pid)) AS killed FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Every connection but the asking one is cut: the appender's too, and the listener's.
#[tokio::test]
async fn the_appender_survives_its_connection() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences"]).await;
    for round in 1..=3 {
        // The listener comes back by itself, in its own time.
        counted(&store, OTHERS, 2).await;
        let row = store.db().fetch_optional(KILL, vec![]).await.unwrap().unwrap();
        assert!(row.int("killed").unwrap() >= 2);
        let appended = store.submit(fixture.one("licences", 1, round)).await.unwrap();
        assert_eq!(places(&appended), [(round, round - 1, round)]);
    }
    store.close().await;
    fixture.drop_store().await;
}

/// The server ends the connection while it commits: nobody knows, and says so; a retry with the same key is safe.
#[tokio::test]
async fn an_unknown_outcome_is_called_unknown() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences"]).await;
    run(
        &store,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
    )
    .await;
    let trigger = "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION die()";
    run(&store, trigger).await;
    let request = || keyed(fixture.one("licences", 1, 1), "k", 1);
    let answer = store.submit(request()).await;
    assert!(matches!(answer, Err(AppendError::Store(StoreError::OutcomeUnknown(_)))), "{answer:?}");
    let words = answer.unwrap_err().to_string();
    assert!(
        words.contains("outcome") && words.contains("unknown") && words.contains("Idempotency-Key"),
        "{words}"
    );
    run(&store, "DROP TRIGGER die ON entry").await;
    // It happened to be rolled back; the retry appends, and the retry of the retry does not.
    let appended = store.submit(request()).await.unwrap();
    assert_eq!((places(&appended), appended[0].replayed), (vec![(1, 0, 1)], false));
    assert!(store.submit(request()).await.unwrap()[0].replayed);
    store.close().await;
    fixture.drop_store().await;
}

/// A commit that the server itself refuses has not happened, and is not called unknown.
#[tokio::test]
async fn a_refused_commit_is_certain() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences"]).await;
    let trigger = "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION reestr_refuse('not today')";
    run(&store, trigger).await;
    let answer = store.submit(fixture.one("licences", 1, 1)).await;
    assert!(matches!(answer, Err(AppendError::Store(StoreError::Database(_)))), "{answer:?}");
    assert_eq!(store.position().await.unwrap(), 0);
    store.close().await;
    fixture.drop_store().await;
}
