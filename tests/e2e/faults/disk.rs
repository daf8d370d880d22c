//! The embedded store's disk is full, its file may not be written, its directory is gone.

use std::path::Path;
use std::process::Command;

use reestr_tests::disk::Disk;
use reestr_tests::server::{Server, binary, root};
use reestr_tests::store::{Kind, Store, copy_files};

use super::load::Load;
use super::{BETWEEN, Drill};
use crate::shared::demo;

/// Mebibytes of a disk that holds the store, and is full soon.
const SMALL: u32 = 64;

/// On a file system of its own where one may be mounted, and by a limit on files, which needs no privilege.
#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_store_on_a_full_disk_loses_nothing() {
    let made = Store::fresh(Kind::Sqlite).await;
    demo(&made).await.stop().await;
    for disk in Disk::mounted(SMALL).into_iter().chain([Disk::limited()]) {
        let data = disk.path().join("data");
        std::fs::create_dir(&data).unwrap();
        copy_files(made.data(), &data);
        let args = ["--data".to_owned(), data.display().to_string()];
        let server = Server::start_unsignalled("serve", &args).await;
        let mut drill = Drill::new(format!("SQLite: {}", disk.kind()), &made);
        drill.verify(&server).await;
        for round in 0..2 {
            let load = Load::new(round);
            let faults = async {
                load.acknowledged(BETWEEN).await;
                disk.fill(&[server.id()]);
                load.refused("database").await;
                disk.make_room(&[server.id()]);
                load.acknowledged(BETWEEN).await;
            };
            drill.bear((&server, &made, &load), 1, faults).await;
            drill.verify(&server).await;
        }
        drill.end(&server).await;
        let said = server.stop().await;
        assert!(said.contains("make room on the disk") || said.contains("look at the disk"), "{said}");
    }
}

/// SQLite would go on writing into a file that nobody finds again; the server does not, and goes on when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_store_that_is_moved_away_takes_nothing() {
    let store = Store::fresh(Kind::Sqlite).await;
    let place = tempfile::tempdir().unwrap();
    let (data, away) = (place.path().join("data"), place.path().join("away"));
    demo(&store).await.stop().await;
    std::fs::create_dir(&data).unwrap();
    copy_files(store.data(), &data);
    let server = Server::start("serve", &["--data".to_owned(), data.display().to_string()]).await;
    let mut drill = Drill::new("SQLite: moved away".to_owned(), &store);
    drill.verify(&server).await;
    let load = Load::new(0);
    let faults = async {
        load.acknowledged(BETWEEN).await;
        std::fs::rename(&data, &away).unwrap();
        load.refused("not where it was").await;
        let ready = server.request(reqwest::Method::GET, "/health/ready").send().await.unwrap();
        assert_eq!(ready.status().as_u16(), 503);
        std::fs::rename(&away, &data).unwrap();
        load.acknowledged(BETWEEN).await;
    };
    drill.bear((&server, &store, &load), 1, faults).await;
    drill.end(&server).await;
    let said = server.stop().await;
    let file = data.join("reestr.db").display().to_string();
    assert!(said.contains(&file) && said.contains("restore it from a backup"), "{said}");
}

/// A file that may not be written, and a directory that is a file, are named with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_store_that_may_not_be_written_is_named() {
    let store = Store::fresh(Kind::Sqlite).await;
    demo(&store).await.stop().await;
    let file = store.data().join("reestr.db");
    mode(&file, "0444");
    let said = refused(&store.args());
    assert!(said.contains(&file.display().to_string()) && said.contains("writable for the user"), "{said}");
    mode(&file, "0600");
    let server = Server::start("serve", &store.args()).await;
    server.stop().await;

    let said = refused(&["--data".to_owned(), file.display().to_string()]);
    assert!(said.contains(&file.display().to_string()), "{said}");
}

fn mode(file: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(file).status().unwrap().success());
}

/// What a server says that does not start. One that root runs may write any file: it runs here without that privilege.
fn refused(args: &[String]) -> String {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]).arg(binary());
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0) {
        command = Command::new(binary());
    }
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(args).current_dir(root());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}
