//! Several shards: at the same time where they can be, one order for all, and what one shard says of another holds.

use std::pin::pin;

use eventstore::sql::Tx;
use eventstore::{AppendError, Appended, Guard, Store, Submission};
use futures_util::future::{join_all, poll_immediate};
use proofs::time::Timestamp;
use uuid::Uuid;

use crate::fixture::{Fixture, Kind, SHARDS, keyed, list, on_both_stores, places, slug};

on_both_stores!(
    a_list_over_several_shards_is_all_or_nothing,
    a_store_grows_under_those_who_have_it_open,
    a_store_of_an_older_version_goes_on,
);

async fn sharded(kind: Kind) -> Fixture {
    let mut fixture = Fixture::new(kind).await;
    fixture.shards = SHARDS;
    fixture
}

async fn number(store: &Store, sql: &str) -> u64 {
    store.db().fetch_optional(sql, vec![]).await.unwrap().unwrap().uint("n").unwrap()
}

/// One order without gaps, in which times do not go back, and every tree is that of its leaves.
pub async fn whole(store: &Store) {
    let entries = store.read_after(0, 5_000).await.unwrap();
    let last = store.position().await.unwrap();
    assert!(entries.iter().map(|entry| entry.position).eq(1..=last));
    assert!(entries.is_sorted_by_key(|entry| entry.recorded_at));
    for log in store.logs().await.unwrap() {
        let leaves: Vec<_> = entries.iter().filter(|entry| entry.register == log.register).collect();
        assert!(leaves.iter().map(|entry| entry.index).eq(0..log.size), "{}", log.register);
        let hashes: Vec<_> = leaves.iter().map(|entry| entry.leaf().hash()).collect();
        assert_eq!(log.root, proofs::merkle::root(&hashes));
        let signed = proofs::checkpoint::open(&log.checkpoint, &log.key).unwrap();
        assert_eq!((signed.size, signed.root), (log.size, log.root));
        assert_eq!(store.read_register(&log.register, 0, 5_000).await.unwrap().len() as u64, log.size);
    }
}

async fn a_list_over_several_shards_is_all_or_nothing(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits", "notices"]).await;
    let over = |version| {
        list(vec![
            fixture.numbered("permits", 1, 1, "n1"),
            fixture.entry("licences", 2, 1),
            fixture.numbered("notices", 3, version, "n1"),
        ])
    };
    let refused = store.submit(over(2)).await;
    assert!(matches!(refused, Err(AppendError::Version { .. })), "{refused:?}");
    assert_eq!(store.position().await.unwrap(), 0);
    let appended = store.submit(keyed(over(1), "k", 1)).await.unwrap();
    assert_eq!(places(&appended), [(1, 0, 1), (2, 0, 1), (3, 0, 1)]);
    assert_eq!(places(&store.submit(keyed(over(1), "k", 1)).await.unwrap()), places(&appended));
    let shards: Vec<_> =
        store.db().fetch_all("SELECT shard FROM entry ORDER BY position", vec![]).await.unwrap();
    let shards: Vec<_> = shards.iter().map(|row| row.int("shard").unwrap()).collect();
    assert_eq!(shards, if fixture.shards == 1 { [0, 0, 0] } else { [4, 3, 2] });
    for (register, record) in [("permits", 1), ("notices", 3)] {
        assert_eq!(store.number(&slug(register), "n1").await.unwrap(), Some(Uuid::from_u128(record)));
    }
    whole(&store).await;
    store.close().await;
}

async fn a_store_grows_under_those_who_have_it_open(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(keyed(fixture.many("licences", 1, 300), "k", 1)).await.unwrap();
    let mut options = fixture.options();
    options.shards = 7;
    let grown = Store::open(options.clone()).await.unwrap();
    assert_eq!(number(&store, "SELECT count(*) AS n FROM shard").await, 7);
    // Of 7 shards, it is in the last but two; the server that has the store open knows of fewer.
    let open = fixture.new_log(&grown, "permits").await;
    let opens = Submission { opens: vec![open], ..fixture.one("permits", 1_000, 1) };
    grown.submit(opens).await.unwrap();
    assert_eq!(grown.shard_of(&slug("permits")).await.unwrap(), Some(4));
    assert_eq!(store.submit(fixture.one("permits", 1_000, 2)).await.unwrap()[0].index, 1);
    let refused = store.submit(fixture.one("licences", 1_000, 3)).await;
    assert!(matches!(refused, Err(AppendError::Register { .. })), "{refused:?}");
    let again = store.submit(keyed(fixture.one("permits", 1_001, 1), "k", 2)).await;
    assert!(matches!(again, Err(AppendError::Idempotency)), "{again:?}");
    for store in [&store, &grown] {
        assert_eq!(store.read_record(Uuid::from_u128(1_000)).await.unwrap().len(), 2);
        assert_eq!(store.read_after(299, 10).await.unwrap().len(), 3);
        whole(store).await;
    }
    grown.close().await;
    store.close().await;
    // Nobody takes shards away.
    options.shards = 1;
    let store = Store::open(options).await.unwrap();
    store
        .submit(list(vec![fixture.entry("permits", 1_000, 3), fixture.entry("licences", 1, 2)]))
        .await
        .unwrap();
    assert_eq!(number(&store, "SELECT shards AS n FROM journal").await, 7);
    whole(&store).await;
    store.close().await;
}

/// What this version's migration made is taken back; then the store is one that an older version left.
async fn a_store_of_an_older_version_goes_on(fixture: &Fixture) {
    let mut options = fixture.options();
    options.shards = 1;
    let store = Store::open(options).await.unwrap();
    let opens = vec![fixture.new_log(&store, "licences").await];
    store.submit(Submission { opens, ..Submission::default() }).await.unwrap();
    store.submit(keyed(fixture.many("licences", 1, 300), "k", 1)).await.unwrap();
    let drop = if fixture.is_postgres() {
        "DROP TRIGGER shard_update ON shard"
    } else {
        "DROP TRIGGER shard_update"
    };
    let mut tx = store.db().begin().await.unwrap();
    for statement in [
        drop,
        "UPDATE shard SET position = (SELECT position FROM journal), recorded_at = (SELECT recorded_at FROM journal)",
        "DROP TABLE journal",
        "DROP INDEX log_register",
        "DROP INDEX withheld_order",
        "CREATE INDEX withheld_by ON withheld (shard, by_position)",
        if fixture.is_postgres() {
            "CREATE TRIGGER shard_update BEFORE UPDATE ON shard FOR EACH ROW EXECUTE FUNCTION reestr_refuse('x')"
        } else {
            "CREATE TRIGGER shard_update BEFORE UPDATE ON shard BEGIN SELECT RAISE(ABORT, 'x'); END"
        },
        "DELETE FROM _sqlx_migrations WHERE version = 15",
    ] {
        tx.execute(statement, vec![]).await.unwrap();
    }
    tx.commit().await.unwrap();
    store.close().await;

    let store = fixture.open().await;
    assert_eq!(store.position().await.unwrap(), 300);
    let opens = vec![fixture.new_log(&store, "permits").await];
    let both = vec![fixture.entry("licences", 1, 2), fixture.entry("permits", 1_000, 1)];
    let appended = store.submit(Submission { opens, ..list(both) }).await.unwrap();
    assert_eq!(places(&appended), [(301, 300, 2), (302, 0, 1)]);
    assert!(store.submit(keyed(fixture.many("licences", 1, 300), "k", 1)).await.unwrap()[0].replayed);
    // The older version, if it still runs, would take the position from the shard's row, and move it on.
    let mut tx = store.db().begin().await.unwrap();
    let refused =
        tx.execute("UPDATE shard SET position = 301 WHERE shard = 0 AND position = 300", vec![]).await;
    assert!(refused.unwrap_err().to_string().contains("the head is kept in journal"));
    tx.rollback().await.unwrap();
    whole(&store).await;
    store.close().await;
}

async fn locked(store: &Store, sql: &str) -> Tx {
    let mut tx = store.db().begin().await.unwrap();
    assert!(tx.fetch_optional(sql, vec![]).await.unwrap().is_some());
    tx
}

/// Who holds one shard holds up that shard, and no other.
#[tokio::test]
async fn shards_append_at_the_same_time() {
    let fixture = sharded(Kind::Postgres).await;
    let store = fixture.with_logs(&["licences", "permits"]).await;
    assert_eq!(store.shard_of(&slug("licences")).await.unwrap(), Some(3));
    let tx = locked(&store, "SELECT shard FROM shard WHERE shard = 3 FOR UPDATE").await;
    let mut held = pin!(store.submit(fixture.one("licences", 1, 1)));
    assert!(poll_immediate(&mut held).await.is_none());
    waiters(&store, 1).await;
    for record in 10..15 {
        store.submit(fixture.one("permits", record, 1)).await.unwrap();
    }
    assert!(poll_immediate(&mut held).await.is_none());
    tx.rollback().await.unwrap();
    assert_eq!(places(&held.await.unwrap()), [(6, 0, 1)]);
    whole(&store).await;
    store.close().await;
    fixture.drop_store().await;
}

/// Waits until so many sessions of the database wait for a lock.
async fn waiters(store: &Store, count: u64) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..100_000 {
        if number(store, sql).await == count {
            return;
        }
    }
    panic!("{count} sessions never waited");
}

/// Two servers' batches of two shards are decided, and wait for the journal; they get it in the order in which they asked.
async fn one_after_the_other(
    fixture: &Fixture,
    stores: [&Store; 2],
    submissions: [Submission; 2],
    between: impl FnOnce(),
) -> [Result<Vec<Appended>, AppendError>; 2] {
    let tx = locked(stores[0], "SELECT id FROM journal FOR UPDATE").await;
    let [first, second] = submissions;
    let mut first = pin!(stores[0].submit(first));
    assert!(poll_immediate(&mut first).await.is_none());
    waiters(stores[0], 1).await;
    between();
    let mut second = pin!(stores[1].submit(second));
    assert!(poll_immediate(&mut second).await.is_none());
    waiters(stores[0], 2).await;
    tx.rollback().await.unwrap();
    let answers = tokio::join!(first, second);
    assert!(fixture.is_postgres());
    [answers.0, answers.1]
}

/// What a batch rests on and another shard's batch changes before it commits is seen, and refused for what it is.
#[tokio::test]
async fn what_changes_between_look_and_commit_is_seen() {
    let fixture = sharded(Kind::Postgres).await;
    let one = fixture.with_logs(&["departments", "licences", "permits"]).await;
    let two = fixture.open().await;
    one.submit(fixture.one("departments", 1, 1)).await.unwrap();
    let stores = [&one, &two];

    let guards = vec![Guard { record: Uuid::from_u128(1), version: 1 }];
    let guarded = Submission { guards, ..fixture.one("licences", 10, 1) };
    let [first, second] =
        one_after_the_other(&fixture, stores, [fixture.one("departments", 1, 2), guarded], || ()).await;
    first.unwrap();
    assert!(matches!(second, Err(AppendError::Stale { found: 2, .. })), "{second:?}");

    let same = [fixture.one("permits", 20, 1), fixture.one("licences", 20, 1)];
    let [first, second] = one_after_the_other(&fixture, stores, same, || ()).await;
    first.unwrap();
    assert!(
        matches!(&second, Err(AppendError::Register { register, .. }) if *register == "permits"),
        "{second:?}"
    );

    for content in [1, 2] {
        let record = 30 + u128::from(content);
        let key = format!("k{content}");
        let used = [
            keyed(fixture.one("permits", record, 1), &key, 1),
            keyed(fixture.one("licences", record + 10, 1), &key, content),
        ];
        let [first, second] = one_after_the_other(&fixture, stores, used, || ()).await;
        if content == 1 {
            assert_eq!(places(&first.unwrap()), places(&second.unwrap()));
        } else {
            first.unwrap();
            assert!(matches!(second, Err(AppendError::Idempotency)), "{second:?}");
        }
    }
    // What does not change stays decided: the first of each pair, and of this one both.
    let again = two.metrics().decided_again();
    assert_eq!((one.metrics().decided_again(), again), (0, 4));
    let apart = [fixture.one("permits", 50, 1), fixture.one("licences", 51, 1)];
    let answers = one_after_the_other(&fixture, stores, apart, || ()).await;
    let [first, second] = answers.map(|answer| answer.unwrap()[0].position);
    assert_eq!((second, two.metrics().decided_again()), (first + 1, again));
    whole(&one).await;
    one.close().await;
    two.close().await;
    fixture.drop_store().await;
}

/// The later of two clocks wins for whoever comes after it.
#[tokio::test]
async fn times_do_not_go_back_over_shards() {
    let fixture = sharded(Kind::Postgres).await;
    let one = fixture.with_logs(&["licences", "permits"]).await;
    let two = fixture.open().await;
    let noon: Timestamp = "2026-03-01T12:00:00.000Z".parse().unwrap();
    fixture.clock.set(noon);
    let submissions = [fixture.one("permits", 1, 1), fixture.many("licences", 10, 300)];
    let back = || fixture.clock.set(noon.plus_millis(-5_000));
    let [first, second] = one_after_the_other(&fixture, [&one, &two], submissions, back).await;
    assert_eq!([first, second].map(|answer| answer.unwrap()[0].recorded_at), [noon; 2]);
    assert_eq!(two.metrics().decided_again(), 1);
    whole(&one).await;
    one.close().await;
    two.close().await;
    fixture.drop_store().await;
}

const REGISTERS: [&str; 4] = ["departments", "licences", "permits", "orders"];
const ROUNDS: u128 = 30;

/// What one caller did: the guards that held, with the position of what rested on them, and what its keys gave.
type Done = (Vec<(u64, u64)>, Vec<(String, Vec<u64>)>);

/// Appends with what other shards may contradict: ids and keys that all callers fight for, and a record that changes under them.
async fn fight(fixture: &Fixture, store: &Store, caller: u128) -> Done {
    let (mut held, mut keys) = (Vec::new(), Vec::new());
    let department = Uuid::from_u128(1);
    for round in 0..ROUNDS {
        fixture.clock.advance(if (caller + round).is_multiple_of(3) { -7 } else { 5 });
        let register = REGISTERS[1 + usize::try_from((caller + round) % 3).unwrap()];
        let version = store.read_record(department).await.unwrap().len() as u64;
        let guards = vec![Guard { record: department, version }];
        let own = 1_000_000 + caller * 1_000 + round;
        match store.submit(Submission { guards, ..fixture.one(register, own, 1) }).await {
            Ok(appended) => held.push((version, appended[0].position)),
            Err(AppendError::Stale { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let (contested, key) = (100 + round, format!("key {round}"));
        match store.submit(keyed(fixture.one(register, contested, 1), &key, 1)).await {
            Ok(appended) => keys.push((key, appended.iter().map(|one| one.position).collect())),
            Err(error) => {
                panic!("the first takes the id and the key, and all others are told of it: {error}")
            }
        }
        let next =
            fixture.one(if round.is_multiple_of(2) { "departments" } else { register }, 1, version + 1);
        match store.submit(next).await {
            Ok(_) | Err(AppendError::Version { .. } | AppendError::Register { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let others = REGISTERS.map(|register| fixture.entry(register, own * 10 + register.len() as u128, 1));
        store
            .submit(list(others.into_iter().skip(usize::try_from(round % 4).unwrap()).collect()))
            .await
            .unwrap();
    }
    (held, keys)
}

/// Two servers, all shards, everybody at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_fight_over_shards() {
    let fixture = sharded(Kind::Postgres).await;
    let one = fixture.with_logs(&REGISTERS).await;
    let two = fixture.open().await;
    one.submit(fixture.one("departments", 1, 1)).await.unwrap();
    let callers = (0..12).map(|caller| fight(&fixture, if caller % 2 == 1 { &one } else { &two }, caller));
    let done = join_all(callers).await;
    whole(&one).await;
    let changes: Vec<_> =
        two.read_record(Uuid::from_u128(1)).await.unwrap().iter().map(|entry| entry.position).collect();
    assert!(changes.len() > 5);
    for (version, position) in done.iter().flat_map(|(held, _)| held) {
        let then = changes.partition_point(|change| change < position) as u64;
        assert_eq!(then, *version, "entry {position} rests on version {version}");
    }
    for round in 0..ROUNDS {
        let key = format!("key {round}");
        let mut given = done.iter().flat_map(|(_, keys)| keys).filter(|(name, _)| *name == key);
        let (_, first) = given.next().unwrap();
        assert!(given.all(|(_, positions)| positions == first));
        let record = two.read_record(Uuid::from_u128(100 + round)).await.unwrap();
        assert_eq!(record.iter().map(|entry| entry.position).collect::<Vec<_>>(), *first);
    }
    one.close().await;
    two.close().await;
    fixture.open().await.close().await;
    fixture.drop_store().await;
}
