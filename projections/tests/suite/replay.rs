//! Replay: beside the live rows, resumed, while others append; and what it finds out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use eventstore::{Store, args, sql::Dialect};
use projections::{
    Batch, Options, ProjectionError, Projector, Runner, Table, Write, check, digest,
    history::HistoryProjector, projectors, rebuild, statuses,
};
use serde_json::json;

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, draft, holder, id, person},
};

async fn issue(store: &Store, from: u64, to: u64) -> u64 {
    let issue = |n: u64| {
        let body = json!({"number": format!("P-{n}"), "subjects": [holder(person(n % 7))]});
        draft("permits", id(2, n), 1, "issued", body)
    };
    let drafts: Vec<_> = (from..to).map(issue).collect();
    let mut position = 0;
    for some in drafts.chunks(900) {
        position = town::append(store, some).await;
    }
    position
}

async fn execute(store: &Store, sql: &str) -> u64 {
    let mut tx = store.db().begin().await.unwrap();
    let changed = tx.execute(sql, args![]).await.unwrap();
    tx.commit().await.unwrap();
    changed
}

/// Rows that PostgreSQL has read of each table, by any index or none. A connection tells when it is closed.
async fn read_rows(database: &Database) -> BTreeMap<String, i64> {
    let store = database.open(&clock()).await;
    let sql = "SELECT CAST(t.relname AS TEXT) AS name, CAST(t.seq_tup_read + (SELECT COALESCE(SUM(i.idx_tup_read), 0) \
         FROM pg_stat_user_indexes AS i WHERE i.relid = t.relid) AS BIGINT) AS rows FROM pg_stat_user_tables AS t";
    let rows = store.db().fetch_all(sql, args![]).await.unwrap();
    store.close().await;
    rows.iter().map(|row| (row.text("name").unwrap(), row.int("rows").unwrap())).collect()
}

/// While rows are made, statistics say that there are none. Whatever goes over all of them for each page or batch would take for ever
/// of millions.
#[tokio::test]
async fn a_replay_reads_each_row_a_few_times_whatever_statistics_say() {
    const RECORDS: u64 = 3_000;
    let database = Database::postgres().await;
    let store = database.open(&clock()).await;
    town::found(&store).await;
    for n in 0..7 {
        let body = json!({"name": {"family": "Примерова", "given": "Анна"}});
        town::append(&store, &[draft("persons", person(n), 1, "opened", body)]).await;
    }
    let position = issue(&store, 0, RECORDS).await;
    for projector in projectors() {
        projections::catch_up(&store, projector.name()).await.unwrap();
    }
    execute(&store, "ANALYZE").await;
    store.close().await;
    let before = read_rows(&database).await;

    let store = database.open(&clock()).await;
    for projector in projectors() {
        let checked = check(&store, projector.name(), |_| {}).await.unwrap();
        assert_eq!((checked.position, checked.difference), (position, None), "{}", projector.name());
    }
    store.close().await;
    let after = read_rows(&database).await;
    for table in projectors().iter().flat_map(|projector| projector.tables()).map(|table| table.name) {
        let read = after[table] - before[table];
        assert!(read < 20 * RECORDS.cast_signed(), "{table}: {read} rows read");
    }
}

/// Ten projectors that are behind, of which one is ten times slower than others.
#[tokio::test]
async fn projectors_that_are_behind_read_each_entry_together() {
    let database = Database::postgres().await;
    let store = database.open(&clock()).await;
    town::found(&store).await;
    let position = issue(&store, 0, 3_000).await;
    store.close().await;
    let before = read_rows(&database).await;

    let store = database.open(&clock()).await;
    let runner = Runner::start(&store, Options { batch_entries: 50, ..Options::default() });
    for projector in projectors() {
        runner.handle().wait_for(projector.name(), position, PATIENCE).await.expect("caught up");
    }
    runner.stop().await;
    store.close().await;
    let read = read_rows(&database).await["entry"] - before["entry"];
    assert!(read < 2 * position.cast_signed(), "{read} rows read of {position} entries");
}

#[tokio::test]
async fn an_interrupted_replay_goes_on_where_it_was() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = issue(&store, 0, 2_500).await;
        let begun = AtomicBool::new(false);
        let replay = rebuild(&store, "account", |progress| {
            assert_eq!(progress.target, position);
            begun.store(true, Ordering::SeqCst);
        });
        tokio::select! {
            biased;
            () = async { while !begun.load(Ordering::SeqCst) { tokio::task::yield_now().await } } => {}
            done = replay => panic!("it has three batches to do: {done:?}"),
        }
        let rebuilt = rebuild(&store, "account", |_| {}).await.unwrap();
        assert!(rebuilt.equal() && rebuilt.replaced.is_some());
        assert_eq!(rebuilt.position, position);
        assert!(rebuilt.entries < position, "{} of {position} again", rebuilt.entries);
        let rows = store.db().fetch_all("SELECT DISTINCT build FROM account_record", args![]).await.unwrap();
        assert_eq!(rows.len(), 1, "the replaced rows are gone");
        store.close().await;
    }
}

#[tokio::test]
async fn a_replay_finds_and_mends_rows_that_the_entries_do_not_say() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = issue(&store, 0, 3).await;
        let runner = Runner::start(&store, Options::default());
        runner.handle().wait_for("view", position, PATIENCE).await.expect("caught up");
        let (_, right) = digest(&store, "view").await.unwrap();
        assert_eq!(
            execute(&store, "UPDATE view_record SET status = 'revoked' WHERE number = 'P-1'").await,
            1
        );
        assert_ne!(digest(&store, "view").await.unwrap().1, right);
        let rebuilt = rebuild(&store, "view", |_| {}).await.unwrap();
        assert!(!rebuilt.equal());
        assert_eq!((rebuilt.digest, digest(&store, "view").await.unwrap().1), (right, right));
        assert_eq!(rebuild(&store, "view", |_| {}).await.unwrap().replaced, Some(right));
        // The runner follows the switch.
        let position = issue(&store, 3, 5).await;
        runner.handle().wait_for("view", position, PATIENCE).await.expect("it goes on");
        runner.stop().await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_while_others_append_misses_nothing() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let runner = Runner::start(&store, Options { batch_entries: 7, ..Options::default() });
        let appending = async {
            let mut position = 0;
            for n in 0..20 {
                position = issue(&store, n * 5, n * 5 + 5).await;
            }
            position
        };
        let replaying = async {
            for _ in 0..4 {
                let rebuilt = rebuild(&store, "view", |_| {}).await.unwrap();
                assert!(rebuilt.equal(), "{rebuilt:?}");
            }
        };
        let (position, ()) = tokio::join!(appending, replaying);
        runner.handle().wait_for("view", position, PATIENCE).await.expect("caught up");
        runner.stop().await;
        let rebuilt = rebuild(&store, "view", |_| {}).await.unwrap();
        assert!(rebuilt.equal() && rebuilt.position == position, "{rebuilt:?}");
        store.close().await;
    }
}

/// The order is one, so that what is computed from it is the same however the registers are spread over shards.
#[tokio::test]
async fn rows_are_the_same_whatever_the_shards() {
    for (one, several) in Database::both().await.into_iter().zip(Database::both().await) {
        let stores = [one.open_sharded(&clock(), 1).await, several.open_sharded(&clock(), 6).await];
        let mut digests = Vec::new();
        for store in &stores {
            town::found(store).await;
            let runner = Runner::start(store, Options { batch_entries: 7, ..Options::default() });
            issue(store, 0, 40).await;
            let both = [
                draft("persons", person(1), 1, "opened", json!({"name": {"family": "Anna"}})),
                draft("permits", id(2, 0), 2, "revoked", json!({"reason": "moved"})),
            ];
            town::append(store, &both).await;
            let position = issue(store, 40, 60).await;
            for name in ["account", "history", "view"] {
                runner.handle().wait_for(name, position, PATIENCE).await.expect("caught up");
                let rebuilt = rebuild(store, name, |_| {}).await.unwrap();
                assert!(rebuilt.equal() && rebuilt.position == position, "{rebuilt:?}");
                digests.push((name, rebuilt.digest));
            }
            runner.stop().await;
        }
        assert_eq!(digests[..3], digests[3..]);
        let shards = "SELECT COUNT(DISTINCT shard) AS n FROM entry";
        let used = stores[1].db().fetch_optional(shards, args![]).await.unwrap().unwrap();
        assert_eq!(used.uint("n").unwrap(), 3);
        for store in stores {
            store.close().await;
        }
    }
}

/// The history projector as a later version of the program has it.
struct Later;

impl Projector for Later {
    fn name(&self) -> &'static str {
        "history"
    }

    fn version(&self) -> i64 {
        2
    }

    fn tables(&self) -> &'static [Table] {
        HistoryProjector.tables()
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        HistoryProjector.writes(dialect, batch)
    }
}

#[tokio::test]
async fn a_changed_projector_builds_beside_and_switches() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = issue(&store, 0, 20).await;
        let runner = Runner::start(&store, Options::default());
        runner.handle().wait_for("history", position, PATIENCE).await.expect("caught up");
        runner.stop().await;
        let before = digest(&store, "history").await.unwrap();

        let later = Runner::start_with(
            &store,
            Options { batch_entries: 5, ..Options::default() },
            vec![Arc::new(Later)],
        );
        let builds = async || {
            let rows =
                store.db().fetch_all("SELECT build FROM projection WHERE name = 'history'", args![]).await;
            rows.unwrap().iter().map(|row| row.int("build").unwrap()).collect::<Vec<_>>()
        };
        let switched = async {
            while builds().await != [2] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, switched).await.expect("only the new build is left");
        later.stop().await;
        assert_eq!(digest(&store, "history").await.unwrap(), before);
        let history = statuses(&store).await.unwrap().into_iter().find(|status| status.name == "history");
        assert_eq!(history.map(|status| (status.version, status.position)), Some((2, position)));

        // The program before it leaves what it does not know alone.
        let refused = rebuild(&store, "history", |_| {}).await;
        assert!(matches!(refused, Err(ProjectionError::Superseded { live: 2, ours: 1, .. })), "{refused:?}");
        store.close().await;
    }
}
