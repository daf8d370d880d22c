//! The network between the server and PostgreSQL delays, resets, cuts, repeats and falls silent. What a silence does to the pool is
//! tested beside it, in `eventstore/tests/suite/faults.rs`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use reestr_tests::disk::Disk;
use reestr_tests::postgres::{Cluster, Database};
use reestr_tests::proxy::{Proxy, Weather};
use reestr_tests::server::Server;
use reestr_tests::store::Store;

use super::load::Load;
use super::{BETWEEN, Drill};
use crate::shared::demo_args;

/// A PostgreSQL that speaks TLS, with a certificate that was made for this test.
fn cluster() -> Cluster {
    let disk = Disk::limited();
    for (name, text) in
        [("server.crt", include_str!("tls/server.crt")), ("server.key", include_str!("tls/server.key"))]
    {
        let file = disk.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }
    let place = disk.path().display().to_string();
    Cluster::start_on(
        disk,
        &format!("-c ssl=on -c ssl_cert_file={place}/server.crt -c ssl_key_file={place}/server.key"),
    )
}

/// Under TLS, as operators are told to have it: in the clear nobody could tell repeated bytes from others.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_fails_in_every_way_loses_nothing() {
    let cluster = tokio::task::block_in_place(cluster);
    let store = Store::over(Database::create_on(&cluster.url()).await);
    let proxy = Proxy::start(cluster.address()).await;
    let through = format!("127.0.0.1:{}", proxy.port);
    let mut args = demo_args(&store);
    for arg in &mut args {
        if arg.starts_with("postgres://") {
            *arg = arg.replace(&cluster.address(), &through) + "?sslmode=require";
        }
    }
    let server = Server::start("demo", &args).await;
    let mut drill = Drill::new("network to PostgreSQL".to_owned(), &store);
    drill.verify(&server).await;

    let load = Load::new(0);
    let faults = async {
        load.acknowledged(BETWEEN).await;
        proxy.weather(Weather::Slow(Duration::from_millis(30)));
        load.acknowledged(BETWEEN).await;
        for weather in [Weather::Reset, Weather::Cut, Weather::RepeatedToServer, Weather::RepeatedToClient] {
            proxy.weather(weather);
            if weather == Weather::Reset {
                load.refused("").await;
                proxy.weather(Weather::Fair);
            }
            load.acknowledged(BETWEEN).await;
        }
        // A batch is under way: its session, and the locks that it holds, stay until PostgreSQL gives them up by itself.
        proxy.weather(Weather::Silent);
        load.refused("").await;
        proxy.weather(Weather::Fair);
        load.acknowledged(BETWEEN).await;
    };
    drill.bear((&server, &store, &load), 6, faults).await;
    drill.end(&server).await;
    server.stop().await;
}
