//! The database's leader lost, and handed over: a follower is promoted, and nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::patroni::Patroni;
use reestr_tests::postgres::{Cluster, Database};
use reestr_tests::server::{Server, tokens};
use reestr_tests::store::Store;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::watch;

use crate::crash::{Acknowledged, all_there_once};
use crate::shared::{append, audit, demo, entry};

/// Callers that append at once.
const CALLERS: u64 = 8;
/// Entries acknowledged before a fault, and after it.
const ENOUGH: usize = 60;
/// Attempts of one caller at most, so that the test always ends: a refused one takes some milliseconds.
const ATTEMPTS: u64 = 40_000;
/// Between an attempt that failed and the next of the same caller.
const PACE: Duration = Duration::from_millis(20);
/// All members of the database.
const ALL: usize = 3;

/// What the callers share.
struct Load<'a> {
    server: &'a Server,
    store: &'a Store,
    token: &'a str,
    /// Acknowledged so far.
    count: watch::Sender<usize>,
    failed: AtomicUsize,
    done: watch::Sender<bool>,
}

impl Load<'_> {
    /// Appends, and repeats what was not acknowledged under its key, until told to end.
    async fn caller(&self, caller: u64) -> Acknowledged {
        let mut acknowledged = Acknowledged::new();
        let mut pace = tokio::time::interval(PACE);
        let mut serial = caller * ATTEMPTS;
        for _ in 0..ATTEMPTS {
            let key = format!("failover-{serial}");
            match append(self.server, self.token, &key, &entry(self.store, serial)).await {
                Ok((201, answer)) => {
                    let index = answer["index"].as_u64().unwrap();
                    acknowledged.insert(key, (index, answer["record"].as_str().unwrap().to_owned()));
                    self.count.send_modify(|count| *count += 1);
                    serial += 1;
                }
                Ok((503 | 500, _)) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    pace.tick().await;
                }
                other => panic!("{key}: {other:?}"),
            }
            if *self.done.borrow() {
                break;
            }
        }
        acknowledged
    }

    /// Waits for more to be acknowledged.
    async fn enough(&self) {
        let goal = *self.count.borrow() + ENOUGH;
        let mut count = self.count.subscribe();
        let reached = count.wait_for(|count| *count >= goal);
        tokio::time::timeout(Duration::from_mins(2), reached).await.expect("entries are taken").unwrap();
    }

    /// How long nothing was acknowledged, from now.
    async fn silence(&self) -> Duration {
        let since = Instant::now();
        let mut count = self.count.subscribe();
        // Answers that were on their way are not those of a new leader.
        let mut last = since;
        let mut longest = Duration::ZERO;
        let goal = *self.count.borrow() + ENOUGH;
        let counting = async {
            while *count.borrow_and_update() < goal {
                count.changed().await.unwrap();
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
        };
        tokio::time::timeout(Duration::from_mins(2), counting).await.expect("entries are taken again");
        longest
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_follower_has_all_that_was_acknowledged() {
    let mut patroni = Patroni::start().await;
    let started = Instant::now();
    let store = Store::over(Database::create_on(&patroni.url()).await);
    let server = demo(&store).await;
    let token = tokens(store.data())["department"].clone();
    let state = store.data().join("audit-state");
    let state = ["--state", state.to_str().unwrap()];
    let (code, report) = audit(&server.url, &state).await;
    assert_eq!(code, 0, "{report}");

    let load = Load {
        server: &server,
        store: &store,
        token: &token,
        count: watch::channel(0).0,
        failed: AtomicUsize::new(0),
        done: watch::channel(false).0,
    };
    let callers: FuturesUnordered<_> = (0..CALLERS).map(|caller| load.caller(caller)).collect();
    let faults = async {
        load.enough().await;
        let lost = patroni.leader().await;
        let timeline = patroni.settled(ALL).await;
        patroni.kill_node(lost);
        let killed = load.silence().await;
        let (code, report) = audit(&server.url, &state).await;
        assert_eq!(code, 0, "after the loss of a leader: {report}");
        // What was lost comes back, and follows.
        patroni.start_node(lost);
        let after = patroni.settled(ALL).await;
        assert!(after > timeline, "a follower was promoted: {timeline} to {after}");
        assert_ne!(patroni.leader().await, lost);

        load.enough().await;
        let (handed_over, ()) = tokio::join!(load.silence(), patroni.switch_over());
        let latest = patroni.settled(ALL).await;
        assert!(latest > after, "a follower was promoted: {after} to {latest}");
        load.enough().await;
        load.done.send_replace(true);
        (killed, handed_over, patroni.log(lost).contains("running pg_rewind"))
    };
    let (all, (killed, handed_over, rewound)) = tokio::join!(callers.collect::<Vec<_>>(), faults);
    let acknowledged: BTreeMap<_, _> = all.into_iter().flatten().collect();
    all_there_once(&server, &token, &acknowledged).await;
    let (code, report) = audit(&server.url, &state).await;
    assert_eq!(code, 0, "the tree does not extend the last checkpoint: {report}");
    println!(
        "Patroni: 1 leader killed, 1 handed over, {} acknowledged, {} refused meanwhile, lost: 0; nothing was acknowledged for \
         {:.1} s and {:.1} s; the lost leader was rewound: {rewound}; {:.0} s in all",
        acknowledged.len(),
        load.failed.load(Ordering::Relaxed),
        killed.as_secs_f64(),
        handed_over.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    server.stop().await;
}

/// Runs a statement on a server, as its administrator.
async fn administer(url: &str, statement: String) -> u64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap().rows_affected()
}

/// Ends, by the statement that ends sessions, those that wait for a standby; no when there was none.
async fn cut(url: &str, ended: &str) -> bool {
    let waiting = format!("{ended} AND wait_event = 'SyncRep' AND query_start < now() - interval '1 second'");
    let mut pace = tokio::time::interval(PACE);
    for _ in 0..1_500 {
        if administer(url, waiting.clone()).await > 0 {
            return true;
        }
        pace.tick().await;
    }
    false
}

/// A commit that waits for a standby is told as done neither by a time limit that someone set, nor when its session is ended; and
/// what it made is not told to whoever asks again, for as long as only the leader has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_wait_is_cut_off_is_not_acknowledged() {
    let cluster = tokio::task::block_in_place(Cluster::start);
    let database = Database::create_on(&cluster.url()).await;
    let url = database.url().to_owned();
    let name = url.rsplit_once('/').unwrap().1.to_owned();
    let store = Store::over(database);
    let server = demo(&store).await;
    let token = tokens(store.data())["department"].clone();
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'reestr'";
    administer(&url, format!("ALTER DATABASE {name} SET statement_timeout = '300ms'")).await;
    administer(&url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'".to_owned()).await;
    administer(&url, "SELECT pg_reload_conf()".to_owned()).await;
    administer(&url, ended.to_owned()).await;

    let body = entry(&store, 700_000);
    // The second time it is there, where only the leader has it.
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(tokio::join!(append(&server, &token, "cut-off", &body), cut(&url, ended)));
    }
    // Whatever comes of it: while it is so, nothing more is committed, not even the end of the test.
    administer(&url, "ALTER SYSTEM RESET synchronous_standby_names".to_owned()).await;
    administer(&url, "SELECT pg_reload_conf()".to_owned()).await;
    administer(&url, format!("ALTER DATABASE {name} RESET statement_timeout")).await;
    for (answer, cut) in answers {
        let (status, answer) = answer.unwrap();
        assert!(cut, "nobody waited for the standby: {status} {answer}");
        assert_eq!(status, 503, "{answer}");
    }
    let mut pace = tokio::time::interval(PACE);
    for _ in 0..1_500 {
        if let Ok((201, answer)) = append(&server, &token, "cut-off", &body).await {
            let at = (answer["index"].as_u64().unwrap(), answer["record"].as_str().unwrap().to_owned());
            all_there_once(&server, &token, &Acknowledged::from([("cut-off".to_owned(), at)])).await;
            assert_eq!(audit(&server.url, &[]).await.0, 0);
            server.stop().await;
            return;
        }
        pace.tick().await;
    }
    panic!("the server did not come back by itself");
}
