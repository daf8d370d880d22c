//! Exactly once: with several servers, with batches that fail, with servers that die.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eventstore::{
    Store, args,
    sql::{self, Dialect, RowSet},
};
use projections::{
    Batch, Handle, Options, ProjectionError, Projector, Runner, Table, Write, digest,
    history::HistoryProjector, projectors, rebuild, statuses, view, wait_for,
};
use serde_json::json;

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, Draft, draft, holder, id, person, slug},
};

/// Permits `from` to `to`, each issued and suspended.
fn permits(from: u64, to: u64) -> Vec<Draft> {
    let life = |n: u64| {
        let body = json!({"number": format!("P-{n}"), "subjects": [holder(person(n % 5))]});
        [draft("permits", id(2, n), 1, "issued", body), draft("permits", id(2, n), 2, "suspended", json!({}))]
    };
    (from..to).flat_map(life).collect()
}

/// Fails unless each entry was counted once, and the rows are those of a replay.
async fn check_once(store: &Store, permits: u64) {
    let counts = view::counts(store.db(), &slug("permits")).await.unwrap();
    let counts: Vec<_> =
        counts.by_status.iter().chain(&counts.by_type).map(|c| (c.code.as_str(), c.n)).collect();
    assert_eq!(counts, [("suspended", permits), ("issued", permits), ("suspended", permits)]);
    for projector in projectors() {
        let rebuilt = rebuild(store, projector.name(), |_| {}).await.unwrap();
        assert!(rebuilt.equal(), "{}", projector.name());
    }
}

async fn caught_up(handle: &Handle, position: u64) {
    for projector in projectors() {
        handle.wait_for(projector.name(), position, PATIENCE).await.expect("caught up");
    }
}

/// Looks again until it holds; fails after a while.
async fn until(holds: impl AsyncFn() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it comes to hold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_apply_each_entry_once_and_one_goes_on_alone() {
    for database in Database::both().await {
        let clock = clock();
        two_servers([database.open(&clock).await, database.open(&clock).await]).await;
    }
}

async fn two_servers(stores: [Store; 2]) {
    town::found(&stores[0]).await;
    let options = Options { batch_entries: 3, poll: Duration::from_millis(100) };
    let [first, second] = stores.each_ref().map(|store| Runner::start(store, options));
    let append = async |server: usize, first: u64| {
        for from in (first..first + 20).step_by(4) {
            town::append(&stores[server], &permits(from, from + 4)).await;
        }
    };
    tokio::join!(append(0, 0), append(1, 100));
    let position = stores[0].position().await.unwrap();
    caught_up(&first.handle(), position).await;
    caught_up(&second.handle(), position).await;

    first.stop().await;
    let position = town::append(&stores[0], &permits(500, 510)).await;
    caught_up(&second.handle(), position).await;
    second.stop().await;
    check_once(&stores[1], 50).await;
    for store in stores {
        store.close().await;
    }
}

#[test]
fn a_server_killed_at_any_batch_leaves_what_another_goes_on_with() {
    let clock = clock();
    let database = Database::sqlite();
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let appending = runtime();
    let position = appending.block_on(async {
        let store = database.open(&clock).await;
        town::found(&store).await;
        let position = town::append(&store, &permits(0, 40)).await;
        store.close().await;
        position
    });
    for killed_at in [1, 9, 30, 55] {
        let doomed = runtime();
        doomed.block_on(async {
            let store = database.open(&clock).await;
            let options = Options { batch_entries: 1, ..Options::default() };
            let runner = Runner::start(&store, options);
            let handle = runner.handle();
            handle.wait_for("view", killed_at, PATIENCE).await.expect("on its way");
        });
        // Tasks end wherever they wait: before a transaction, in the middle of one, after it.
        doomed.shutdown_background();
    }
    appending.block_on(async {
        let store = database.open(&clock).await;
        let runner = Runner::start(&store, Options::default());
        caught_up(&runner.handle(), position).await;
        runner.stop().await;
        check_once(&store, 40).await;
        store.close().await;
    });
}

/// The history projector, with one more statement that the database refuses.
struct Broken;

impl Projector for Broken {
    fn name(&self) -> &'static str {
        "history"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        HistoryProjector.tables()
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut writes = HistoryProjector.writes(dialect, batch)?;
        let mut rows = RowSet::new();
        rows.push(args![1_i64]);
        let given = sql::rows(dialect, "$2", &[("n", sql::Col::Int)]);
        writes.push(Write::statement(format!("INSERT INTO nowhere SELECT $1 FROM {given} AS r"), rows));
        Ok(writes)
    }
}

#[tokio::test]
async fn a_batch_that_fails_changes_nothing_and_says_so() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let nothing = digest(&store, "view").await.unwrap();
        let broken = Runner::start_with(&store, Options::default(), vec![Arc::new(Broken)]);
        let handle = broken.handle();
        until(async || handle.states()[0].failures > 1).await;
        let state = handle.states().remove(0);
        assert_eq!((state.name, state.position), ("history", 0));
        assert!(state.last_error.unwrap().contains("nowhere"));
        let refused = handle.wait_for("history", 3, Duration::from_millis(60)).await;
        assert!(matches!(refused, Err(ProjectionError::Timeout { position: 3, .. })), "{refused:?}");
        broken.stop().await;
        let rows = store.db().fetch_all("SELECT version FROM history_step", args![]).await.unwrap();
        assert!(rows.is_empty(), "the statements before it are undone");
        assert_eq!(nothing.0, 0);

        let runner = Runner::start(&store, Options::default());
        caught_up(&runner.handle(), 3).await;
        assert!(
            runner.handle().states().iter().all(|state| state.last_error.is_none() && state.position == 3)
        );
        runner.stop().await;
        store.close().await;
    }
}

/// The history projector, which panics at its first batch.
#[derive(Default)]
struct Startled(AtomicBool);

impl Projector for Startled {
    fn name(&self) -> &'static str {
        "history"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        HistoryProjector.tables()
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        assert!(self.0.swap(true, Ordering::SeqCst), "startled");
        HistoryProjector.writes(dialect, batch)
    }
}

#[tokio::test]
async fn a_projector_that_panics_goes_on() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = store.position().await.unwrap();
        let runner = Runner::start_with(&store, Options::default(), vec![Arc::new(Startled::default())]);
        runner.handle().wait_for("history", position, PATIENCE).await.expect("it went on");
        assert!(rebuild(&store, "history", |_| {}).await.unwrap().equal());
        runner.stop().await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_reader_waits_for_a_position() {
    for database in Database::both().await {
        let clock = clock();
        let store = database.open(&clock).await;
        town::found(&store).await;
        let lags = |statuses: Vec<projections::Status>| statuses.iter().map(|s| s.lag).collect::<Vec<_>>();
        let before = statuses(&store).await.unwrap();
        clock.advance(61_000);
        assert_eq!(before[0].lag_seconds(eventstore::Clock::now(&*clock)), 61);
        let now = eventstore::Clock::now(&*clock);
        let of = |register: &str| before[0].lag_of(&register.parse().unwrap(), now);
        assert_eq!(of("registers"), (3, 61), "the town's three definitions");
        assert_eq!(of("no-such-register"), (0, 0));
        assert_eq!(lags(before), vec![3; projectors().len()]);

        let unknown = wait_for(&store, "nothing", 1, PATIENCE).await;
        assert!(matches!(unknown, Err(ProjectionError::Unknown { .. })));
        let late = wait_for(&store, "view", 1, Duration::from_millis(60)).await;
        assert!(matches!(late, Err(ProjectionError::Timeout { .. })));

        // In this process by the runner's word, in another by the row.
        let runner = Runner::start(&store, Options::default());
        let handle = runner.handle();
        let appended = async { town::append(&store, &permits(0, 3)).await };
        let here = handle.wait_for("account", 9, PATIENCE);
        let there = wait_for(&store, "account", 9, PATIENCE);
        let (position, here, there) = tokio::join!(appended, here, there);
        assert_eq!((position, here.is_ok(), there.is_ok()), (9, true, true));
        caught_up(&handle, position).await;
        assert_eq!(lags(statuses(&store).await.unwrap()), vec![0; projectors().len()]);
        runner.stop().await;
        store.close().await;
    }
}
