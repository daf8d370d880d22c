//! `reestr append`: signed here, sent there; interrupted and run again with no double.

use std::fmt::Write;

use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Store};
use serde_json::{Value, json};

use crate::shared::{REGISTER, audit, demo, entry};

fn lines(store: &Store, serials: std::ops::Range<u64>) -> String {
    serials.fold(String::new(), |mut text, serial| {
        let mut line = entry(store, serial);
        line["effective_at"] = json!("2026-02-03T09:00:00.000Z");
        writeln!(text, "{line}").unwrap();
        text
    })
}

fn size(registers: &Value) -> u64 {
    let items = registers["items"].as_array().unwrap();
    items.iter().find(|item| item["slug"] == REGISTER).unwrap()["size"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_signs_with_its_own_key() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let at = |name: &str| store.data().join(name).display().to_string();
        std::fs::write(at("token"), &tokens["department"]).unwrap();
        std::fs::write(at("entries.ndjson"), lines(&store, 600_000..600_040)).unwrap();
        server::succeed(&["keys".to_owned(), "generate".to_owned(), at("own.key")]).await;
        let (file, key, token) = (at("entries.ndjson"), at("own.key"), at("token"));
        let send: Vec<&str> = vec![
            "append",
            &file,
            "--register",
            REGISTER,
            "--department",
            "gibdd",
            "--key",
            &key,
            "--url",
            &server.url,
            "--token-file",
            &token,
        ];
        let before = size(&server.get("/v1/registers", None).await);

        let refused = server::run(&send).await;
        assert_eq!(refused.status.code(), Some(1), "the key is not enrolled yet");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("line 1"), "{refused:?}");

        let mut enrol = vec!["keys".to_owned(), "enrol".to_owned(), key.clone()];
        enrol.extend(["--department".to_owned(), "gibdd".to_owned()]);
        enrol.extend(store.args());
        server::succeed(&enrol).await;

        // Interrupted after half of it, then run again whole, twice.
        std::fs::write(at("half.ndjson"), lines(&store, 600_000..600_020)).unwrap();
        let half = at("half.ndjson");
        let mut first = send.clone();
        first[1] = &half;
        server::succeed(&first).await;
        let said = [server::succeed(&send).await, server::succeed(&send).await];
        assert_eq!(said, ["20 appended, 20 there already\n", "0 appended, 40 there already\n"]);
        assert_eq!(size(&server.get("/v1/registers", None).await), before + 40, "{kind:?}: doubled or lost");

        std::fs::write(at("bad.ndjson"), "{\"type\":\"issued\"}\n").unwrap();
        let bad = at("bad.ndjson");
        let mut wrong = send.clone();
        wrong[1] = &bad;
        let refused = server::run(&wrong).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("line 1"), "the line is named");

        let (code, report) = audit(&server.url, &["--register", REGISTER]).await;
        assert_eq!(code, 0, "{report}");
        server.stop().await;

        // Without a server.
        std::fs::write(at("local.ndjson"), lines(&store, 601_000..601_005)).unwrap();
        let local = at("local.ndjson");
        let mut offline: Vec<String> =
            ["append", &local, "--register", REGISTER, "--department", "gibdd", "--key", &key, "--local"]
                .map(str::to_owned)
                .to_vec();
        offline.extend(store.args());
        server::succeed(&offline).await;
        server::succeed(&offline).await;
        let server = Server::start("serve", &store.args()).await;
        assert_eq!(size(&server.get("/v1/registers", None).await), before + 45);
        server.stop().await;
    }
}
