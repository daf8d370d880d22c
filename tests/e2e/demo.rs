//! `reestr demo`: what the README promises.

use std::os::unix::fs::PermissionsExt;

use reestr_tests::server::{Server, binary, root, tokens};
use reestr_tests::store::{BOTH, Store};
use serde_json::Value;

use crate::shared::{demo, demo_args};

const ROLES: [&str; 6] = ["auditor", "citizen", "department", "official", "operator", "other_citizen"];

fn sizes(registers: &Value) -> Vec<(String, u64)> {
    let items = registers["items"].as_array().expect("a list");
    items
        .iter()
        .map(|item| (item["slug"].as_str().unwrap().to_owned(), item["size"].as_u64().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_everything_once_and_serves_it() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        assert_eq!(tokens.keys().map(String::as_str).collect::<Vec<_>>(), ROLES, "{kind:?}");
        let mode = std::fs::metadata(store.data().join("tokens.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "tokens are for their owner alone");

        let registers = server.get("/v1/registers", None).await;
        assert_eq!(registers["next"], Value::Null);
        let before = sizes(&registers);
        assert!(before.len() >= 55, "{} registers", before.len());
        let empty: Vec<_> = before.iter().filter(|(_, size)| *size == 0).collect();
        assert!(empty.len() <= before.len() / 4, "registers without a sample: {empty:?}");
        assert!(before.iter().any(|(slug, size)| slug == "country" && *size == 209));
        let owners: std::collections::BTreeSet<_> =
            registers["items"].as_array().unwrap().iter().map(|r| r["owner"].as_str().unwrap()).collect();
        assert!(owners.len() >= 15, "{owners:?}");
        for item in registers["items"].as_array().unwrap() {
            assert!(
                ["public", "status-public", "restricted"].contains(&item["visibility"].as_str().unwrap())
            );
        }

        let account = server.get("/v1/account/records?limit=100", Some(&tokens["citizen"])).await;
        assert!(!account["items"].as_array().unwrap().is_empty(), "the demo's citizen has records");
        server.stop().await;

        let again = Server::start("demo", &demo_args(&store)).await;
        assert_eq!(sizes(&again.get("/v1/registers", None).await), before, "{kind:?}: loaded twice");
        again.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_it_prints_work_when_pasted() {
    let store = Store::fresh(BOTH[0]).await;
    let server = demo(&store).await;
    let said =
        std::fs::read_to_string(store.data().join("try/commands.txt")).expect("what it prints is kept");
    let commands: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("     ")).collect();
    assert_eq!(commands.len(), 10, "{said}");
    let elsewhere = tempfile::tempdir().unwrap();
    let path = format!("{}:/usr/bin:/bin", binary().parent().unwrap().display());
    for command in commands {
        for _ in 0..2 {
            let output = tokio::process::Command::new("bash")
                .args(["-euo", "pipefail", "-c", &command.replace("curl -sS", "curl -sSf")])
                .env("PATH", &path)
                .current_dir(elsewhere.path())
                .output()
                .await
                .unwrap();
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{command}\n{out}\n{err}");
            assert!(!out.trim().is_empty(), "{command} printed nothing");
        }
    }
    let rest = server.stop().await;
    assert!(rest.contains("audit"), "the commands are printed: {rest}");
    assert!(root().join("README.md").exists());
}
