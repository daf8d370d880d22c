//! `reestr load`: more than a server sustains, and after it.

use reestr_tests::postgres::server_url;
use reestr_tests::server::run_with;
use reestr_tests::store::{BOTH, Kind};
use serde_json::Value;

/// Far more than the server takes: a debug build with its clients on two cores needs some 150.
const MEMORY_BYTES_MAX: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn more_than_is_sustained_is_turned_away_and_all_is_well_after() {
    for kind in BOTH {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("report.json");
        let file = file.to_str().unwrap();
        let mut args = vec!["load", "--minutes", "0.03", "--rate", "20", "--times", "200", "--json", file];
        let server = server_url();
        if kind == Kind::Postgres {
            args.extend(["--database", &server]);
        }
        // Two reads at once are fewer than any machine needs for 4,000 requests a second, and enough for ten.
        let output = run_with(&args, &[("REESTR_READS_AT_ONCE", "2")]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}{errors}");
        let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let phases = report["phases"].as_array().unwrap();
        for phase in phases {
            for nothing in ["without_retry_after", "failed", "unanswered"] {
                assert_eq!(phase[nothing], 0, "{said}");
            }
            let sum: u64 =
                ["served", "turned_away", "unsent"].map(|of| phase[of].as_u64().unwrap()).iter().sum();
            assert_eq!(phase["due"].as_u64(), Some(sum), "{said}");
        }
        assert!(phases[1]["turned_away"].as_u64().unwrap() > 0, "{said}");
        assert_eq!(phases[2]["served"], phases[2]["due"], "{said}");
        let acknowledged = &report["acknowledged"];
        assert!(acknowledged["entries"].as_u64().unwrap() > 10, "{said}");
        assert_eq!((&acknowledged["lost"], &acknowledged["verified"]), (&0.into(), &true.into()), "{said}");
        assert_eq!(report["recovered"], true, "{said}");
        let memory = report["rss_bytes_max"].as_u64().unwrap();
        assert!((1 << 20..MEMORY_BYTES_MAX).contains(&memory), "{said}");
        println!("{kind:?}: {said}");
    }
}
