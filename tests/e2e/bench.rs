//! `reestr bench`: its figures add up with the store that it makes, and it leaves nothing behind.

use std::path::Path;
use std::time::Duration;

use reestr_tests::postgres::{Cluster, server_url};
use reestr_tests::server::{binary, root, run};
use reestr_tests::store::{BOTH, Kind};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::process::Command;

/// How long something is looked for that must come, and how often.
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(20);

/// The databases that benches have made on a server and not dropped.
async fn databases(server: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let query = "SELECT datname::text FROM pg_database WHERE datname LIKE 'reestr_bench_%' ORDER BY 1";
    sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// Runs a small bench; gives the report. Nothing may be left in the directory.
async fn bench(kind: Kind, more: &[&str]) -> Value {
    let (directory, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let json = out.path().join("report.json").display().to_string();
    let place = directory.path().display().to_string();
    let server = server_url();
    let mut args = vec!["bench", "--seconds", "1", "--directory", &place, "--json", &json];
    if kind == Kind::Postgres {
        args.extend(["--database", &server]);
    }
    args.extend(more);
    let output = run(&args).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(is_empty(directory.path()), "files are left");
    serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap()
}

fn measurements<'a>(report: &'a Value, section: &str) -> Vec<&'a Value> {
    let all = report["measurements"].as_array().unwrap();
    all.iter().filter(|measurement| measurement["section"] == section).collect()
}

/// What holds of every figure.
fn sane(report: &Value) {
    for measurement in report["measurements"].as_array().unwrap() {
        let number = |member: &str| measurement[member].as_f64().unwrap();
        let (units, seconds, rate) = (number("units"), number("seconds"), number("per_second"));
        assert!(units > 0.0 && seconds > 0.0, "{measurement}");
        assert!((rate * seconds / units - 1.0).abs() < 1e-6, "{measurement}");
        let latency = &measurement["latency_micros"];
        if !latency.is_null() {
            let times = ["p50", "p99", "p99_9", "max"].map(|name| latency[name].as_u64().unwrap());
            assert!(times.is_sorted() && times[0] > 0, "{measurement}");
        }
        for (_, share) in measurement["share_of"].as_object().into_iter().flatten() {
            assert!(share.as_f64().unwrap() > 0.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_add_up_and_nothing_is_left() {
    for kind in BOTH {
        let sections = ["--only", "append,http,limits", "--callers", "2", "--registers", "3", "--seed", "7"];
        let report = bench(kind, &sections).await;
        sane(&report);
        assert_eq!(report["store"], if kind == Kind::Postgres { "postgres" } else { "sqlite" });
        for section in ["append", "http"] {
            let measured = measurements(&report, section);
            assert_eq!(
                measured.len(),
                if section == "append" { 2 } else { 1 },
                "new records, and existing ones"
            );
            let storage = report["storage"].as_array().unwrap();
            let storage = storage.iter().find(|storage| storage["section"] == section).unwrap();
            let units: u64 = measured.iter().map(|measurement| measurement["units"].as_u64().unwrap()).sum();
            let calls: u64 = measured.iter().map(|measurement| measurement["calls"].as_u64().unwrap()).sum();
            assert_eq!(units, calls, "an entry a call");
            assert!(
                storage["entries"].as_u64().unwrap() > units,
                "the store has what was measured, and more"
            );
            assert!(
                storage["table_bytes"]["entry"].as_u64().unwrap() / storage["entries"].as_u64().unwrap()
                    > 600
            );
            let (all, journal) = (&storage["bytes_per_entry"], &storage["journal_bytes_per_entry"]);
            assert!(all.as_f64().unwrap() >= journal.as_f64().unwrap());
            let written =
                if kind == Kind::Postgres { "wal_bytes_per_unit" } else { "written_bytes_per_unit" };
            assert!(
                measured.iter().all(|measurement| measurement[written].as_f64().is_some()),
                "{measured:?}"
            );
            assert!(measured.iter().all(|measurement| measurement["share_of"]["raw insert"].is_number()));
            // Where projections run it is said how far they fell behind.
            let behind = |measurement: &Value| measurement["projections_behind_seconds"].is_number();
            assert!(measured.iter().all(|measurement| behind(measurement) == (section == "http")));
        }
        assert_eq!(measurements(&report, "limit").len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_measured_on_a_store_that_an_audit_verifies() {
    for kind in BOTH {
        let sections =
            ["--only", "batch,projections,read,audit", "--callers", "1", "--registers", "1", "--fill", "600"];
        let report = bench(kind, &sections).await;
        sane(&report);
        // The audit fails the run when it finds a fault; it has seen every entry of the store that was filled.
        let audited: Vec<u64> =
            measurements(&report, "audit").iter().map(|audit| audit["units"].as_u64().unwrap()).collect();
        assert!(audited.len() == 2 && audited[0] == audited[1] && audited[0] > 600, "{audited:?}");
        let reads: Vec<&str> =
            measurements(&report, "read").iter().map(|read| read["what"].as_str().unwrap()).collect();
        assert_eq!(reads, ["account", "number", "receipt", "tile of hashes", "tile of entries"]);
        let account = measurements(&report, "read")[0];
        assert!(account["share_of"]["JSON from memory"].is_number());
        assert!(measurements(&report, "projections").len() > 5);
        assert!(
            measurements(&report, "batch").iter().all(|list| list["units"].as_u64().unwrap() % 1_000 == 0)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_its_entries_and_no_others() {
    let digest = async |seed: &str| {
        let report =
            bench(Kind::Sqlite, &["--entries", "300", "--callers", "4", "--registers", "2", "--seed", seed])
                .await;
        sane(&report);
        let growth = measurements(&report, "growth");
        assert_eq!(growth.iter().map(|step| step["units"].as_u64().unwrap()).sum::<u64>(), 300);
        report["entries_digest"].as_str().unwrap().to_owned()
    };
    let (one, again, other) = (digest("1").await, digest("1").await, digest("2").await);
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_kept_can_be_opened() {
    let directory = TempDir::new().unwrap();
    let place = directory.path().display().to_string();
    let args = [
        "bench",
        "--seconds",
        "1",
        "--entries",
        "50",
        "--callers",
        "2",
        "--registers",
        "1",
        "--keep",
        "--directory",
    ];
    let output = run(&[&args[..], &[place.as_str()]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let kept = said.lines().find_map(|line| line.strip_prefix("kept: ")).unwrap();
    let archive = directory.path().join("archives").display().to_string();
    let mut export: Vec<&str> = vec!["export", "archive", "--output", &archive];
    export.extend(kept.split(' '));
    let output = run(&export).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("bench-0001: 50 entries"), "{said}");
}

/// On a server of its own, so that no other test's bench is seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_bench_drops_its_databases_also_when_it_is_interrupted() {
    let (cluster, directory) = (Cluster::start(), TempDir::new().unwrap());
    let (server, place) = (cluster.url(), directory.path().display().to_string());
    let small = ["--callers", "2", "--registers", "1", "--directory", &place, "--database", &server];
    let whole = ["bench", "--seconds", "1", "--only", "journal,limits"];
    let output = run(&[&whole[..], &small[..]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(databases(&server).await, [""; 0]);

    let long = ["bench", "--seconds", "600", "--only", "append"];
    let mut command = Command::new(binary());
    command.args(long).args(small).current_dir(root()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut ticks = tokio::time::interval(LOOK);
    let made = tokio::time::timeout(PATIENCE, async {
        while databases(&server).await.is_empty() {
            ticks.tick().await;
        }
    });
    made.await.expect("it makes a database");
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(databases(&server).await, [""; 0]);
    assert!(is_empty(directory.path()), "files are left");
}
