//! A check makes a projection again, says where the rows that are read differ, and leaves them; a switch is seen by nobody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use eventstore::{Store, args};
use projections::{
    Batch, Options, PageRequest, ProjectionError, Projector, RowChange, Runner, Table, Write, account, check,
    check_with, digest, history, projectors, rebuild, rebuild_with, view,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, definitions, draft, holder, id, person, slug},
};

/// Permits for the first person, each issued and suspended; the position of the last.
async fn permits(store: &Store, from: u64, to: u64) -> u64 {
    let life = |n: u64| {
        let body = json!({ "number": format!("P-{n}"), "subjects": [holder(person(1))] });
        [draft("permits", id(2, n), 1, "issued", body), draft("permits", id(2, n), 2, "suspended", json!({}))]
    };
    let drafts: Vec<_> = (from..to).flat_map(life).collect();
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

async fn builds(store: &Store, name: &str) -> Vec<i64> {
    let sql = "SELECT build FROM projection WHERE name = $1 ORDER BY build";
    let rows = store.db().fetch_all(sql, args![name]).await.unwrap();
    rows.iter().map(|row| row.int("build").unwrap()).collect()
}

#[tokio::test]
async fn a_check_finds_the_first_row_that_differs_and_leaves_it() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = permits(&store, 0, 1_200).await;
        let runner = Runner::start(&store, Options::default());
        for projector in projectors() {
            runner.handle().wait_for(projector.name(), position, PATIENCE).await.expect("caught up");
            let checked = check(&store, projector.name(), |_| {}).await.unwrap();
            assert_eq!((checked.digest, checked.difference), (checked.live, None), "{}", projector.name());
            assert_eq!((checked.position, checked.entries), (position, position));
            assert_eq!(
                builds(&store, projector.name()).await,
                [1],
                "nothing is left of it, nothing switched"
            );
        }
        let record = |n: u64| id(2, n).to_string();
        for (projection, sql, expected) in [
            (
                "view",
                "UPDATE view_record SET status = 'revoked', number = 'X' WHERE number = 'P-700'",
                ("view_record", record(700), RowChange::Columns(vec!["status", "number"])),
            ),
            (
                "view",
                "DELETE FROM view_record WHERE number = 'P-3'",
                ("view_record", record(3), RowChange::Missing),
            ),
            (
                "history",
                "UPDATE history_step SET version = 7 WHERE version = 2 AND position = 9",
                ("history_step", record(2), RowChange::Missing),
            ),
            (
                "history",
                "UPDATE history_step SET version = 1 + version WHERE version = 7",
                ("history_step", record(2), RowChange::Missing),
            ),
        ] {
            assert_eq!(execute(&store, sql).await, 1, "{sql}");
            let before = digest(&store, projection).await.unwrap();
            let checked = check(&store, projection, |_| {}).await.unwrap();
            let difference = checked.difference.expect("it is found");
            let key = difference.key.iter().find(|(name, _)| *name == "record").expect("the key has it");
            assert_eq!((difference.table, key.1.clone(), difference.change), expected, "{sql}");
            assert_ne!(checked.digest, checked.live);
            assert_eq!(digest(&store, projection).await.unwrap(), before, "it is left as it was");
        }
        // Rows that no entry makes.
        execute(&store, "INSERT INTO view_number (build, register, number, record, position) SELECT build, 'aaa', number, record, position FROM view_number WHERE number = 'P-1'").await;
        let rebuilt = rebuild(&store, "view", |_| {}).await.unwrap();
        assert!(!rebuilt.equal());
        let told = rebuilt.difference.expect("a replay says it too").to_string();
        assert!(told.starts_with("view_record (record "), "{told}");
        execute(&store, "INSERT INTO view_number (build, register, number, record, position) SELECT build, 'aaa', number, record, position FROM view_number WHERE number = 'P-1'").await;
        let checked = check(&store, "view", |_| {}).await.unwrap();
        let told = checked.difference.expect("it is found").to_string();
        // The number is not told: it may be of a person.
        assert!(told.starts_with("view_number (register aaa, number #"), "{told}");
        assert!(told.ends_with("no entry makes this row") && !told.contains("P-1"), "{told}");
        runner.stop().await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_while_others_append_compares_at_one_position() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let runner = Runner::start(&store, Options { batch_entries: 3, ..Options::default() });
        let appending = async {
            for n in 0..30 {
                permits(&store, n * 5, n * 5 + 5).await;
            }
        };
        let checking = async {
            for _ in 0..6 {
                let checked = check(&store, "view", |_| {}).await.unwrap();
                assert_eq!((checked.digest, checked.difference), (checked.live, None));
            }
        };
        tokio::join!(appending, checking);
        runner.stop().await;
        store.close().await;
    }
}

/// A projector at another version, whose rows are the same.
struct Later(Arc<dyn Projector>, i64);

impl Projector for Later {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn version(&self) -> i64 {
        self.0.version() + self.1
    }

    fn tables(&self) -> &'static [Table] {
        self.0.tables()
    }

    fn writes(
        &self,
        dialect: eventstore::sql::Dialect,
        batch: &Batch,
    ) -> Result<Vec<Write>, ProjectionError> {
        self.0.writes(dialect, batch)
    }
}

/// What readers ask, all of it at once.
async fn read(store: &Store) -> (Vec<Uuid>, Vec<Uuid>, usize, u64, Option<Uuid>) {
    let (db, definitions) = (store.db(), definitions(store).await);
    let page = PageRequest::first(200);
    let none = account::Filter::default();
    let mine = account::list(db, &definitions, person(1), &none, &page).await.unwrap().items;
    let all =
        view::list(db, &definitions, &slug("permits"), &view::Filter::default(), &page).await.unwrap().items;
    let steps = history::steps(db, &definitions, id(2, 5), &page).await.unwrap().items.len();
    let counts = view::counts(db, &slug("permits")).await.unwrap();
    let hit = view::by_number(db, &definitions, &slug("permits"), "P-7").await.unwrap();
    (
        mine.into_iter().map(|record| record.record).collect(),
        all.into_iter().map(|record| record.record).collect(),
        steps,
        counts.by_status.iter().map(|count| count.n).sum(),
        hit.map(|hit| hit.record.record),
    )
}

/// New versions are built and switched to, and old rows swept, while readers read all along: none sees none, nor too many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_see_a_switch() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = permits(&store, 0, 60).await;
        let runner = Runner::start(&store, Options::default());
        for name in ["account", "history", "view"] {
            runner.handle().wait_for(name, position, PATIENCE).await.expect("caught up");
        }
        runner.stop().await;
        let expected = read(&store).await;
        assert_eq!((expected.0.len(), expected.1.len(), expected.2, expected.3), (60, 60, 2, 60));
        let done = Arc::new(AtomicBool::new(false));
        let reading: Vec<_> = (0..2)
            .map(|_| {
                let (store, expected, done) = (store.clone(), expected.clone(), Arc::clone(&done));
                tokio::spawn(async move {
                    let mut reads = 0_u64;
                    while !done.load(Ordering::SeqCst) {
                        assert_eq!(read(&store).await, expected);
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        // By hand, at the same version.
        for name in ["account", "history", "view"] {
            assert!(rebuild(&store, name, |_| {}).await.unwrap().equal());
        }
        // By a start of the next version, and the next, a few entries at a time.
        for raised in 1..=2 {
            let later: Vec<Arc<dyn Projector>> = projectors()
                .into_iter()
                .filter(|projector| ["account", "history", "view"].contains(&projector.name()))
                .map(|projector| Arc::new(Later(projector, raised)) as Arc<dyn Projector>)
                .collect();
            let runner =
                Runner::start_with(&store, Options { batch_entries: 9, ..Options::default() }, later);
            for name in ["account", "history", "view"] {
                let switched = async {
                    // Only the new build is left: the old one is swept.
                    while builds(&store, name).await != [2 + raised] {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(PATIENCE, switched).await.expect("it switches");
            }
            runner.stop().await;
        }
        done.store(true, Ordering::SeqCst);
        for reading in reading {
            assert!(reading.await.expect("it read what is there, each time") > 0);
        }
        // Rows are all that a rebuild makes: the journal is as it was.
        assert_eq!(store.position().await.unwrap(), position);
        store.close().await;
    }
}

#[tokio::test]
async fn rows_of_another_version_are_not_compared() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        permits(&store, 0, 5).await;
        rebuild(&store, "view", |_| {}).await.unwrap();
        let view = || projectors().into_iter().find(|projector| projector.name() == "view").unwrap();
        let later = || Arc::new(Later(view(), 1));
        let refused = check_with(&store, later(), |_| {}).await;
        assert!(matches!(refused, Err(ProjectionError::Incomparable { .. })), "{refused:?}");
        // A replay at the new version has nothing to compare either, and switches.
        let rebuilt = rebuild_with(&store, later(), |_| {}).await.unwrap();
        assert_eq!((rebuilt.replaced, rebuilt.equal()), (None, true));
        assert_eq!(digest(&store, "view").await.unwrap().1, rebuilt.digest);
        let unknown = check(&store, "nothing", |_| {}).await;
        assert!(matches!(unknown, Err(ProjectionError::Unknown { .. })), "{unknown:?}");
        store.close().await;
    }
}
