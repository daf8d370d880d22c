//! Reads that are answered by one statement: each reader has its own rows, its own error, and its own end.

use std::pin::Pin;

use eventstore::sql::Row;
use eventstore::{Store, StoreError, args};
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use crate::faults::{WAITING, counted, hold};
use crate::fixture::{Fixture, Kind, on_both_stores};

on_both_stores!(each_reader_has_its_own_rows);

async fn each_reader_has_its_own_rows(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    store.submit(fixture.many("licences", 1, 60)).await.unwrap();
    store.submit(fixture.many("permits", 101, 7)).await.unwrap();
    let sql = "SELECT leaf_index, record FROM entry WHERE register = $1 AND leaf_index < $2
        ORDER BY leaf_index DESC LIMIT $3";
    // Pages of many lengths, of two registers and of one that is not there; more readers than one statement answers.
    let asked = |n: u64| {
        let register = match n % 3 {
            0 => "licences",
            1 => "permits",
            _ => "unknown",
        };
        args![register, n % 70, n % 5 + 1]
    };
    let together = join_all((0..200).map(|n| store.db().fetch_together(sql, asked(n)))).await;
    let read = |row: &Row| (row.uint("leaf_index").unwrap(), row.uuid("record").unwrap());
    for (n, rows) in (0..).zip(together) {
        let alone = store.db().fetch_all(sql, asked(n)).await.unwrap();
        let rows: Vec<_> = rows.unwrap().iter().map(read).collect();
        assert_eq!(rows, alone.iter().map(read).collect::<Vec<_>>(), "of reader {n}");
        assert_eq!(rows.is_empty(), n % 3 == 2 || n % 70 == 0, "of reader {n}");
    }
    store.close().await;
}

/// Waits for as long as a transaction [holds](hold) the lock `$3`.
const SHAPE: &str =
    "SELECT CAST(pg_advisory_xact_lock_shared($3) AS TEXT) AS held, $1 + 0 AS number, 100 / $2 AS share";
const KILL: &str = "SELECT COUNT(pg_terminate_backend(pid)) AS killed FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Row>, StoreError>> + Send>>;

fn read(store: &Store, number: i64, by: i64, lock: i64) -> Reading {
    let store = store.clone();
    Box::pin(async move { store.db().fetch_together(SHAPE, args![number, by, lock]).await })
}

/// Readers who have asked, and have no answer yet.
fn asking(store: &Store, readers: impl Iterator<Item = (i64, i64, i64)>) -> Vec<Reading> {
    let mut readings: Vec<_> = readers.map(|(number, by, lock)| read(store, number, by, lock)).collect();
    assert!(readings.iter_mut().all(|reading| reading.now_or_never().is_none()));
    readings
}

fn number(answer: Result<Vec<Row>, StoreError>) -> i64 {
    answer.expect("it is answered")[0].int("number").unwrap()
}

/// What is asked while others wait goes with the next statement, of which neither a reader who goes away nor a connection that is cut
/// takes anything from the others.
#[tokio::test]
async fn whoever_comes_meanwhile_goes_with_the_next_statement() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, beside) = (fixture.open().await, fixture.open().await);
    let (first, second) = (hold(&beside, 1).await, hold(&beside, 2).await);
    let early = asking(&store, [(100, 1, 1), (101, 1, 1)].into_iter());
    counted(&beside, WAITING, 2).await;
    let mut later = asking(&store, (0..10).map(|n| (n, 1, 2)));
    drop(later.remove(4));
    first.rollback().await.unwrap();
    assert_eq!(join_all(early).await.into_iter().map(number).collect::<Vec<_>>(), [100, 101]);
    counted(&beside, WAITING, 1).await;
    let killed = beside.db().fetch_optional(KILL, vec![]).await.unwrap().unwrap();
    assert_eq!(killed.int("killed").unwrap(), 1, "nine readers wait with one statement");
    second.rollback().await.unwrap();
    let numbers: Vec<_> = join_all(later).await.into_iter().map(number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    store.close().await;
    beside.close().await;
    fixture.drop_store().await;
}

#[tokio::test]
async fn what_one_reader_asks_fails_no_other() {
    let fixture = Fixture::new(Kind::Postgres).await;
    let (store, beside) = (fixture.open().await, fixture.open().await);
    let lock = hold(&beside, 1).await;
    let early = asking(&store, [(100, 1, 1), (101, 0, 1)].into_iter());
    counted(&beside, WAITING, 2).await;
    let later = asking(&store, (0..10).map(|n| (n, n - 4, 2)));
    lock.rollback().await.unwrap();
    for (expected, answer) in
        [100, 101].into_iter().chain(0..).zip(join_all(early.into_iter().chain(later)).await)
    {
        if [101, 4].contains(&expected) {
            assert!(matches!(answer, Err(StoreError::Database(_))), "{expected} divides by nothing");
        } else {
            assert_eq!(number(answer), expected);
        }
    }
    store.close().await;
    beside.close().await;
    fixture.drop_store().await;
}
