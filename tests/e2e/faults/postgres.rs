//! PostgreSQL is killed, restarted, out of connections, in recovery and out of room, while one server appends to it.

use std::time::Duration;

use reestr_tests::disk::Disk;
use reestr_tests::postgres::{Cluster, Database};
use reestr_tests::server::Server;
use reestr_tests::store::Store;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use super::load::Load;
use super::{BETWEEN, Drill};
use crate::crash::kill;
use crate::shared::{REGISTER, append, demo, entry};

/// Connections that the cluster takes: what a server needs at least, and a few.
const CONNECTIONS: usize = 25;
/// How often, and how many times, it is looked whether all of them are taken.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;
/// Mebibytes of a disk that holds the cluster, and is full soon.
const SMALL: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_crowded_and_demoted_loses_nothing() {
    let settings = format!(
        "-c max_connections={CONNECTIONS} -c superuser_reserved_connections=0 -c authentication_timeout=1s"
    );
    let cluster = tokio::task::block_in_place(|| Cluster::start_on(Disk::limited(), &settings));
    let store = Store::over(Database::create_on(&cluster.url()).await);
    let server = demo(&store).await;
    let mut drill = Drill::new("PostgreSQL: killed, crowded, demoted".to_owned(), &store);
    drill.verify(&server).await;

    let (load, token) = (Load::new(0), drill.department().to_owned());
    let faults = async {
        load.acknowledged(BETWEEN).await;
        kill(backend(&cluster).await).await;
        load.acknowledged(BETWEEN).await;
        kill(cluster.processes()[0]).await;
        cluster.revive().await;
        load.acknowledged(BETWEEN).await;
        for stop in [Cluster::stop, Cluster::stop_immediately] {
            tokio::task::block_in_place(|| stop(&cluster));
            load.refused("The database did not answer").await;
            tokio::task::block_in_place(|| cluster.resume());
            load.acknowledged(BETWEEN).await;
        }
        crowded(&cluster, &load, &server).await;
        load.acknowledged(BETWEEN).await;
        demoted(&cluster, &load, &server, &store, &token).await;
        load.acknowledged(BETWEEN).await;
    };
    drill.bear((&server, &store, &load), 6, faults).await;
    drill.end(&server).await;
    let said = server.stop().await;
    assert!(said.contains("promote the standby"), "the operator is told what to do: {said}");
}

async fn sessions(administrator: &mut PgConnection) -> Vec<i32> {
    // The crowd, and whoever asks this, are in the database `postgres`.
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname <> 'postgres'
        ORDER BY backend_start";
    let rows = administrator.fetch_all(sql).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A process that works for the server.
async fn backend(cluster: &Cluster) -> u32 {
    let mut administrator = PgConnection::connect(&cluster.url()).await.unwrap();
    sessions(&mut administrator).await[0].try_into().unwrap()
}

/// Others take every connection: the server's end while it does not look, and it gets none until they leave.
async fn crowded(cluster: &Cluster, load: &Load, server: &Server) {
    let mut administrator = PgConnection::connect(&cluster.url()).await.unwrap();
    server.signal("-STOP").await;
    let mut crowd = Vec::new();
    let mut pace = tokio::time::interval(LOOK);
    for _ in 0..LOOKS {
        // One that the server had begun ends by itself, after a second.
        pace.tick().await;
        for id in sessions(&mut administrator).await {
            administrator
                .execute(AssertSqlSafe(format!("SELECT pg_terminate_backend({id}, 5000)")))
                .await
                .unwrap();
        }
        while let Ok(one) = PgConnection::connect(&cluster.url()).await {
            crowd.push(one);
        }
        if crowd.len() == CONNECTIONS - 1 {
            break;
        }
    }
    assert_eq!(crowd.len(), CONNECTIONS - 1, "the crowd is complete");
    server.signal("-CONT").await;
    load.refused("The database").await;
    for one in crowd {
        one.close().await.unwrap();
    }
}

/// The database becomes a standby: it answers what is read, and takes nothing, until it is promoted.
async fn demoted(cluster: &Cluster, load: &Load, server: &Server, store: &Store, token: &str) {
    tokio::task::block_in_place(|| {
        cluster.stop();
        cluster.resume_as_standby();
    });
    load.refused("takes no writes").await;
    let path = format!("/v1/registers/{REGISTER}/entries");
    let request =
        server.request(reqwest::Method::POST, &path).bearer_auth(token).json(&entry(store, 99_000_000));
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"10".parse().unwrap())
    );
    let public = server.request(reqwest::Method::GET, &format!("/v1/registers/{REGISTER}/checkpoint"));
    assert_eq!(public.send().await.unwrap().status().as_u16(), 200, "what is read is answered");
    // Another server is told too.
    let refused = Server::try_start("serve", &store.args()).await.err().unwrap();
    assert!(refused.contains("promote the standby"), "{refused}");
    tokio::task::block_in_place(|| cluster.promote());
}

/// The disk of the database is full, to the last byte: entries are refused until there is room, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_on_a_full_disk_loses_nothing() {
    let disk = Disk::mounted(SMALL).unwrap_or_else(Disk::limited);
    let how = disk.kind();
    let settings = "-c min_wal_size=2MB -c max_wal_size=8MB -c shared_buffers=8MB";
    let cluster = tokio::task::block_in_place(|| Cluster::start_on(disk, settings));
    let store = Store::over(Database::create_on(&cluster.url()).await);
    let server = demo(&store).await;
    let mut drill = Drill::new(format!("PostgreSQL: {how}"), &store);
    drill.verify(&server).await;
    for round in 0..2 {
        let load = Load::new(round);
        let faults = async {
            load.acknowledged(BETWEEN).await;
            let processes = cluster.processes();
            tokio::task::block_in_place(|| cluster.disk().fill(&processes));
            load.refused("The database").await;
            // What it says of itself while it can do nothing.
            let ready = server.request(reqwest::Method::GET, "/health/live").send().await.unwrap();
            assert_eq!(ready.status().as_u16(), 200);
            tokio::task::block_in_place(|| cluster.disk().make_room(&cluster.processes()));
            // It ends where it cannot write its log; then its operator starts it again.
            if cluster.processes().is_empty() {
                cluster.revive().await;
            }
            load.acknowledged(BETWEEN).await;
        };
        drill.bear((&server, &store, &load), 1, faults).await;
        drill.verify(&server).await;
    }
    let (status, answer) =
        append(&server, drill.department(), "after", &entry(&store, 98_000_000)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    drill.end(&server).await;
    server.stop().await;
}
