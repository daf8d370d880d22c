//! Registers of GOV.UK in and out: every promise of a file is checked, and a round trip keeps its root.

use reestr_tests::server::{self, Server, root};
use reestr_tests::store::{BOTH, Store};

async fn import(store: &Store, file: &str, register: &str) -> std::process::Output {
    let mut args = vec!["import", "rsf", file, "--register", register, "--department", "registers-team"];
    let store = store.args();
    args.extend(store.iter().map(String::as_str));
    server::run(&args).await
}

async fn export(store: &Store, register: &str) -> String {
    let mut args = vec!["export", "rsf", "--register", register];
    let store = store.args();
    args.extend(store.iter().map(String::as_str));
    server::succeed(&args).await
}

fn last_root(rsf: &str) -> &str {
    rsf.lines().rfind(|line| line.starts_with("assert-root-hash")).expect("a root")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_trip_keeps_the_root() {
    for kind in BOTH {
        for name in ["country", "further-education-college-uk"] {
            let file = root().join(format!("fixtures/real/{name}.rsf"));
            let original = std::fs::read_to_string(&file).unwrap();
            let first = Store::fresh(kind).await;
            for _ in 0..2 {
                // The second time it finds everything there.
                let output = import(&first, file.to_str().unwrap(), name).await;
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            let written = export(&first, name).await;
            assert_eq!(last_root(&written), last_root(&original), "{name} on {kind:?}");
            let entries = |text: &str| {
                let lines = text.lines().filter(|line| line.starts_with("append-entry"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(entries(&written), entries(&original), "{name} on {kind:?}");

            let copy = first.data().join("copy.rsf");
            std::fs::write(&copy, &written).unwrap();
            let second = Store::fresh(kind).await;
            let output = import(&second, copy.to_str().unwrap(), name).await;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(export(&second, name).await, written, "{name} on {kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_promise_is_refused_and_leaves_nothing() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let good = std::fs::read_to_string(root().join("fixtures/real/country.rsf")).unwrap();
        let line = good.lines().position(|line| line.contains("North Macedonia")).unwrap() + 1;
        let bad = store.data().join("bad.rsf");
        std::fs::write(&bad, good.replacen("North Macedonia", "South Macedonia", 1)).unwrap();
        let output = import(&store, bad.to_str().unwrap(), "country").await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("line ") && line > 1, "{said}");

        let refused = root().join("fixtures/refused/invalid-root-hash.rsf");
        let output = import(&store, refused.to_str().unwrap(), "country").await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("line 1: ") && said.contains("assert-root-hash"), "{said}");
        assert_eq!(output.status.code(), Some(1));

        let server = Server::start("serve", &store.args()).await;
        let registers = server.get("/v1/registers", None).await;
        let slugs: Vec<_> =
            registers["items"].as_array().unwrap().iter().map(|r| r["slug"].clone()).collect();
        assert!(!slugs.iter().any(|slug| slug == "country"), "{slugs:?}");
        server.stop().await;
    }
}
