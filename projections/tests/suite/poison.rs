//! Entries that a projector cannot apply: each stops its projector and nothing else, is seen, tried again, left out.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use eventstore::{
    Store, args,
    sql::{self, Dialect},
};
use projections::{
    Batch, Options, PageRequest, ProjectionError, Projector, Runner, Status, Table, Write, catch_up, digest,
    history::{self, HistoryProjector},
    rebuild_with, retry, skips, statuses, view,
};
use serde_json::{Value, json};

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, Draft, definitions, draft, id, slug},
};

/// How the projector meets its entry.
#[derive(Clone, Copy, Debug)]
enum Fails {
    /// With an error.
    Says,
    /// By a panic.
    Panics,
    /// With a row that the database refuses.
    Writes,
}

/// The history projector, which cannot apply the entries at some positions until it is mended.
struct Sick {
    positions: Vec<u64>,
    fails: Fails,
    mended: AtomicBool,
    batches: Mutex<Vec<(u64, u64)>>,
}

impl Sick {
    fn at(positions: &[u64], fails: Fails) -> Arc<Self> {
        let mended = AtomicBool::new(false);
        Arc::new(Self { positions: positions.to_vec(), fails, mended, batches: Mutex::default() })
    }
}

impl Projector for Sick {
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
        self.batches.lock().unwrap().push((batch.to, batch.entries));
        let mut writes = HistoryProjector.writes(dialect, batch)?;
        let fresh = batch.lives.iter().flat_map(projections::Life::fresh);
        let mut sick = fresh.map(|step| step.position).filter(|position| self.positions.contains(position));
        let Some(position) = sick.next().filter(|_| !self.mended.load(Ordering::SeqCst)) else {
            return Ok(writes);
        };
        match self.fails {
            Fails::Says => {
                let why = "it does not fit".to_owned();
                return Err(ProjectionError::Entry { position, why });
            }
            Fails::Panics => panic!("it does not fit"),
            Fails::Writes => {
                let mut rows = sql::RowSet::new();
                rows.push(args![1_i64]);
                let given = sql::rows(dialect, "$2", &[("n", sql::Col::Int)]);
                let sql = format!(
                    "UPDATE history_step SET status_after = NULL WHERE build = $1 AND 1 IN (SELECT n FROM {given} AS r)"
                );
                writes.push(Write::statement(sql, rows));
            }
        }
        Ok(writes)
    }
}

/// Opens the register of interventions: position 4.
async fn found(store: &Store) {
    town::found(store).await;
    town::open(store, &["interventions"]).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/registers/interventions.json");
    let mut definition: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    definition["owner"] = json!("town");
    town::append(store, &[town::define(store, 4, &definition)]).await;
}

/// Permits 0 to `count`, each issued, suspended and reinstated: positions from 5, three each.
fn lives(count: u64) -> Vec<Draft> {
    let steps = |n: u64| {
        [
            ("issued", json!({ "number": format!("P-{n}") })),
            ("suspended", json!({})),
            ("reinstated", json!({})),
        ]
        .into_iter()
        .zip(1..)
        .map(move |((kind, body), version)| draft("permits", id(2, n), version, kind, body))
    };
    (0..count).flat_map(steps).collect()
}

/// Says that a projection leaves an entry out.
async fn skip(store: &Store, n: u64, projection: &str, position: u64) -> u64 {
    let body = json!({ "key": format!("{projection}/{position}"), "projection": projection, "position": position,
        "register": "permits", "reason": "it cannot be read", "by": "a test" });
    town::append(store, &[draft("interventions", id(8, n), 1, "skipped", body)]).await
}

async fn status(store: &Store, name: &str) -> Status {
    statuses(store).await.unwrap().into_iter().find(|status| status.name == name).expect("it is there")
}

async fn until(holds: impl AsyncFn() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it comes to hold");
}

/// The steps of a permit, as they are read.
async fn steps(store: &Store, n: u64) -> Vec<(u64, String)> {
    let definitions = definitions(store).await;
    let page = history::steps(store.db(), &definitions, id(2, n), &PageRequest::first(9)).await.unwrap();
    page.items.into_iter().map(|step| (step.version, step.status_after)).collect()
}

fn told(steps: &[(u64, &str)]) -> Vec<(u64, String)> {
    steps.iter().map(|(version, status)| (*version, (*status).to_owned())).collect()
}

#[tokio::test]
async fn an_entry_stops_its_projector_where_it_stands_and_no_other() {
    for fails in [Fails::Says, Fails::Panics, Fails::Writes] {
        for database in Database::both().await {
            let store = database.open(&clock()).await;
            found(&store).await;
            let last = town::append(&store, &lives(20)).await;
            let sick = Sick::at(&[30], fails);
            let runner = Runner::start_with(
                &store,
                Options::default(),
                vec![sick.clone(), Arc::new(view::ViewProjector)],
            );
            let handle = runner.handle();
            handle.wait_for("view", last, PATIENCE).await.expect("the other goes on");
            until(async || handle.states()[0].paused == Some(30)).await;
            // What is before it is applied, and can be read.
            let state = handle.states().remove(0);
            assert_eq!(state.position, 29, "{fails:?}");
            until(async || !status(&store, "history").await.pauses.is_empty()).await;
            let seen = status(&store, "history").await;
            let pause = &seen.pauses[0];
            assert_eq!((seen.position, pause.position, pause.live), (29, 30, true), "{fails:?}");
            assert_eq!((pause.register.as_ref(), pause.index), (Some(&slug("permits")), Some(25)));
            assert!(pause.tries >= 1 && pause.since == store.clock().now());
            assert!(status(&store, "view").await.pauses.is_empty());
            let why = state.last_error.expect("it says why");
            assert!(!why.contains("P-") && pause.why == why, "{why}");
            assert_eq!(steps(&store, 8).await, told(&[(1, "valid")]), "permit 8 has positions 29 to 31");
            assert!(steps(&store, 9).await.is_empty());

            // A replay stops at it too, and says so.
            let stopped = rebuild_with(&store, sick.clone(), |_| {}).await;
            let at = |error: &ProjectionError| matches!(error, ProjectionError::Poison { position: 30, .. });
            assert!(stopped.as_ref().is_err_and(at), "{stopped:?}");

            // Mended, it waits to be asked: then it goes on, and nothing is left of it.
            sick.mended.store(true, Ordering::SeqCst);
            assert!(retry(&store, "history").await.unwrap());
            handle.wait_for("history", last, PATIENCE).await.expect("it went on");
            until(async || {
                handle.states()[0].paused.is_none() && status(&store, "history").await.pauses.is_empty()
            })
            .await;
            assert!(!retry(&store, "history").await.unwrap(), "it stands no longer");
            runner.stop().await;
            assert!(rebuild_with(&store, sick, |_| {}).await.unwrap().equal());
            assert_eq!(steps(&store, 8).await, told(&[(1, "valid"), (2, "suspended"), (3, "valid")]));
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_skipped_entry_is_as_if_it_were_not_for_that_projection_in_every_build() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        found(&store).await;
        let last = town::append(&store, &lives(4)).await;
        // The suspension of permit 1, the making of permit 2.
        let (suspended, issued) = (9, 11);
        let sick = Sick::at(&[suspended, issued], Fails::Says);
        let runner = Runner::start_with(&store, Options::default(), vec![sick.clone()]);
        let handle = runner.handle();
        until(async || handle.states()[0].paused == Some(suspended)).await;
        // One for another projection changes nothing here.
        skip(&store, 1, "view", suspended).await;
        skip(&store, 2, "history", suspended).await;
        until(async || handle.states()[0].paused == Some(issued)).await;
        let end = skip(&store, 3, "history", issued).await;
        handle.wait_for("history", end, PATIENCE).await.expect("it goes on without a restart");
        assert!(end > last);
        until(async || status(&store, "history").await.pauses.is_empty()).await;
        assert_eq!(status(&store, "history").await.skips, 2);
        // What follows is told as if the suspension had never been; nothing is told of a record that was never made.
        assert_eq!(steps(&store, 0).await, told(&[(1, "valid"), (2, "suspended"), (3, "valid")]));
        assert_eq!(steps(&store, 1).await, told(&[(1, "valid"), (3, "valid")]));
        assert!(steps(&store, 2).await.is_empty());
        assert_eq!(steps(&store, 3).await.len(), 3);
        runner.stop().await;

        // Made again, in whatever batches, it leaves out the same.
        let rebuilt = rebuild_with(&store, sick, |_| {}).await.unwrap();
        assert!(rebuilt.equal() && rebuilt.difference.is_none(), "{rebuilt:?}");
        // Also by a program that could apply them: what is read is what it was said to be.
        let mended = rebuild_with(&store, Arc::new(HistoryProjector), |_| {}).await.unwrap();
        assert!(mended.equal(), "{mended:?}");
        let told_of = skips(&store).await.unwrap();
        let pairs: Vec<_> = told_of.iter().map(|skip| (skip.projection.as_str(), skip.position)).collect();
        assert_eq!(pairs, [("view", suspended), ("history", suspended), ("history", issued)]);
        assert_eq!((told_of[0].reason.as_str(), told_of[0].by.as_str()), ("it cannot be read", "a test"));
        store.close().await;
    }
}

/// Counts are made of differences: an entry that is left out must leave no trace in them either.
#[tokio::test]
async fn what_is_counted_step_by_step_is_counted_without_the_skipped() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        found(&store).await;
        skip(&store, 1, "view", 9 + 1).await;
        skip(&store, 2, "view", 11 + 1).await;
        // One position later than without the two skips.
        let drafts = lives(4);
        for some in drafts.chunks(1) {
            town::append(&store, some).await;
            catch_up(&store, "view").await.unwrap();
        }
        let counts = view::counts(store.db(), &slug("permits")).await.unwrap();
        let pairs = |counts: &[view::Count]| {
            counts.iter().map(|count| format!("{} {}", count.code, count.n)).collect::<Vec<_>>()
        };
        // Positions 10 and 12 are the issue of permit 1 (7 + 3) and its reinstatement.
        assert_eq!(pairs(&counts.by_status), ["valid 3"]);
        assert_eq!(pairs(&counts.by_type), ["issued 3", "reinstated 3", "suspended 3"]);
        let one = digest(&store, "view").await.unwrap();
        let rebuilt = rebuild_with(&store, Arc::new(view::ViewProjector), |_| {}).await.unwrap();
        assert!(rebuilt.equal());
        assert_eq!(one.1, rebuilt.digest);
        store.close().await;
    }
}

/// An entry whose row was tampered with cannot even be read: it stops every projector, and each can leave it out.
#[tokio::test]
async fn an_entry_that_cannot_be_read_is_passed_too() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        found(&store).await;
        let last = town::append(&store, &lives(3)).await;
        tamper(&store, "UPDATE entry SET statement = leaf_hash WHERE position = 13").await;
        let runner = Runner::start(&store, Options::default());
        let handle = runner.handle();
        let stands = async || handle.states().iter().all(|state| state.paused == Some(13));
        let seen = tokio::time::timeout(std::time::Duration::from_secs(5), until(stands)).await;
        assert!(seen.is_ok(), "{:?}", handle.states());
        until(async || status(&store, "history").await.pauses.len() == 1).await;
        let pause = status(&store, "history").await.pauses.remove(0);
        assert_eq!((pause.register, pause.index), (Some(slug("permits")), Some(8)));
        let end = skip(&store, 1, "history", 13).await;
        handle.wait_for("history", end, PATIENCE).await.expect("it goes on");
        assert_eq!((end, last), (14, 13));
        let others = handle.states().into_iter().filter(|state| state.name != "history");
        assert!(others.into_iter().all(|state| state.paused == Some(13)));
        assert_eq!(steps(&store, 2).await, told(&[(1, "valid"), (2, "suspended")]));
        runner.stop().await;
        store.close().await;
    }
}

async fn tamper(store: &Store, statement: &str) {
    let mut tx = store.db().begin().await.unwrap();
    let on = if tx.dialect() == Dialect::Postgres { " ON entry" } else { "" };
    tx.execute(&format!("DROP TRIGGER entry_update{on}"), args![]).await.unwrap();
    assert_eq!(tx.execute(statement, args![]).await.unwrap(), 1);
    tx.commit().await.unwrap();
}

/// Two servers stand at the same entry; a skip through one lets both go on, and each entry is applied once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_learns_of_a_skip() {
    for database in Database::both().await {
        let clock = clock();
        let stores = [database.open(&clock).await, database.open(&clock).await];
        found(&stores[0]).await;
        town::append(&stores[0], &lives(6)).await;
        let sick = Sick::at(&[10], Fails::Says);
        let options = Options { batch_entries: 4, poll: std::time::Duration::from_millis(20) };
        let runners = stores.each_ref().map(|store| Runner::start_with(store, options, vec![sick.clone()]));
        for runner in &runners {
            let handle = runner.handle();
            until(async || handle.states()[0].paused == Some(10)).await;
        }
        let end = skip(&stores[1], 1, "history", 10).await;
        for runner in &runners {
            runner.handle().wait_for("history", end, PATIENCE).await.expect("it goes on");
        }
        for runner in runners {
            runner.stop().await;
        }
        assert!(rebuild_with(&stores[0], sick, |_| {}).await.unwrap().equal());
        for store in stores {
            store.close().await;
        }
    }
}

/// The entry is found by halving: not by applying a thousand entries one by one.
#[tokio::test]
async fn few_batches_find_the_entry() {
    let database = Database::sqlite();
    let store = database.open(&clock()).await;
    found(&store).await;
    town::append(&store, &lives(300)).await;
    let sick = Sick::at(&[700], Fails::Says);
    let stopped = rebuild_with(&store, sick.clone(), |_| {}).await;
    assert!(matches!(stopped, Err(ProjectionError::Poison { position: 700, .. })), "{stopped:?}");
    let batches = sick.batches.lock().unwrap().len();
    assert!(batches < 80, "{batches} batches");
    store.close().await;
}
