//! Keys are rotated, retired and declared compromised while a server works, and whoever audits follows without a false alarm.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventstore::sql::Target;
use eventstore::testing::{ManualClock, SeededEntropy};
use eventstore::{NewEntry, Options, Submission};
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::note::VerifierKey;
use proofs::statement::Statement;
use proofs::time::Timestamp;
use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::shared::{REGISTER, append, audit, demo, entry, master_key, rules};

/// `reestr keys …` on a store; what it printed.
async fn keys(store: &Store, args: &[&str]) -> String {
    let mut all: Vec<String> = ["keys"].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
    all.extend(store.args());
    server::succeed(&all).await
}

async fn vkey(server: &Server, register: &str) -> VerifierKey {
    let path = format!("/v1/registers/{register}/key");
    let text = server.request(reqwest::Method::GET, &path).send().await.unwrap().text().await.unwrap();
    text.trim_end().parse().unwrap()
}

fn of<'a>(report: &'a Value, register: &str) -> &'a Value {
    report["registers"].as_array().unwrap().iter().find(|one| one["register"] == register).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_under_load_and_every_audit_follows() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let token = &tokens(store.data())["department"];
        let state = store.data().join("audit-state").display().to_string();
        let (code, report) = audit(&server.url, &["--state", &state]).await;
        assert_eq!(code, 0, "{kind:?}: {report}");
        let done = AtomicBool::new(false);
        let load = async {
            let mut serial = 900_000;
            while !done.load(Ordering::SeqCst) {
                serial += 1;
                let key = format!("rotation-{serial}");
                let (status, answer) = append(&server, token, &key, &entry(&store, serial)).await.unwrap();
                assert_eq!(status, 201, "{answer}");
            }
        };
        // Audits of another auditor, all the time: whatever is rotated while they read, none raises a false alarm.
        let watching = async {
            let mut audits = 0;
            while !done.load(Ordering::SeqCst) {
                let (code, report) = audit(&server.url, &["--register", REGISTER]).await;
                assert_eq!(code, 0, "{kind:?}: {report}");
                audits += 1;
            }
            audits
        };
        let rotating = async {
            for register in [REGISTER, "registers", "departments"] {
                let first = vkey(&server, register).await;
                for step in ["rotate", "retire"] {
                    let said = keys(&store, &[step, "--register", register, "--reason", "once a year"]).await;
                    assert!(said.contains("of registers)"), "{said}");
                    let (code, report) = audit(&server.url, &["--state", &state]).await;
                    assert_eq!(code, 0, "{kind:?}: {register}: {step}: {report}");
                    assert!(of(&report, register)["consistent_with"].is_u64(), "{report}");
                }
                assert_ne!(vkey(&server, register).await, first);
            }
            done.store(true, Ordering::SeqCst);
        };
        let ((), audits, ()) = tokio::join!(load, watching, rotating);
        assert!(audits > 0);
        // Without an overlap, as when the old key is lost: also of the department, whose entries go on under the new one.
        for owner in [["--register", REGISTER], ["--department", "gibdd"]] {
            keys(&store, &["rotate", owner[0], owner[1], "--alone"]).await;
            let (code, report) = audit(&server.url, &["--state", &state]).await;
            assert_eq!(code, 0, "{kind:?}: {owner:?}: {report}");
        }
        let (status, answer) = append(&server, token, "after", &entry(&store, 999_999)).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        let listed: Value = serde_json::from_str(&keys(&store, &["list", "--json"]).await).unwrap();
        let mine: Vec<_> =
            listed["registers"].as_array().unwrap().iter().filter(|key| key["owner"] == REGISTER).collect();
        let ended: Vec<_> = mine.iter().map(|key| key["until"].is_string()).collect();
        assert_eq!(ended, [true, true, false], "{listed}");
        server.stop().await;
        // The heads are checked against all their keys when the store is opened again.
        let server = Server::start("serve", &store.args()).await;
        let (code, report) = audit(&server.url, &["--state", &state]).await;
        assert_eq!(code, 0, "{report}");
        server.stop().await;
    }
}

/// A key of `keys list`.
async fn term(store: &Store, of: &str, key: &str) -> Value {
    let listed: Value = serde_json::from_str(&keys(store, &["list", "--json"]).await).unwrap();
    listed[of].as_array().unwrap().iter().find(|one| one["key"] == key).expect("it is listed").clone()
}

/// Lets an intruder at the file past the triggers, while the server works.
async fn intrude(data: &Path, sql: &str) {
    use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("reestr.db"));
    let mut connection = file.connect().await.expect("the store's file");
    connection.execute("DROP TRIGGER IF EXISTS log_update").await.unwrap();
    let done = connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{sql}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_key_that_is_over_is_a_fault() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let state = store.data().join("audit-state").display().to_string();
    assert_eq!(audit(&server.url, &["--state", &state]).await.0, 0);
    let checkpoint = async || {
        let path = format!("/v1/registers/{REGISTER}/checkpoint");
        server.request(reqwest::Method::GET, &path).send().await.unwrap().text().await.unwrap()
    };
    let first = vkey(&server, REGISTER).await;
    let alone = checkpoint().await;
    keys(&store, &["rotate", "--register", REGISTER]).await;
    let both = checkpoint().await;
    let set = async |note: &str| {
        intrude(store.data(), &format!("UPDATE log SET checkpoint = '{note}' WHERE register = '{REGISTER}'"))
            .await;
        let (code, report) = audit(&server.url, &["--state", &state]).await;
        (code, rules(&report), report)
    };
    // While both are in force either will do: whoever knows one of them can read.
    assert_eq!(set(&alone).await.0, 0);
    assert_eq!(set(&both).await.0, 0);
    let since = term(&store, "registers", &first.to_string()).await["from"].as_str().unwrap().to_owned();
    keys(&store, &["compromised", &first.to_string(), "--register", REGISTER, "--since", &since]).await;
    let newest = checkpoint().await;
    let (code, found, report) = set(&alone).await;
    assert_eq!((code, found), (1, vec!["checkpoint-key".to_owned()]), "{report}");
    let detail = of(&report, REGISTER)["faults"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("compromised since"), "{detail}");
    assert_eq!(set(&newest).await.0, 0, "put right, it is in order again");
    server.stop().await;
}

/// The bytes of a base64url text.
fn b64u(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Appends a licence behind the registry's back, as one who has the database and a key can.
async fn forge(store: &Store, key: &PrivateKey) -> u64 {
    let target = match store.database() {
        Some(url) => Target::Postgres(url.to_owned()),
        None => Target::Sqlite(store.data().join("reestr.db")),
    };
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let entropy = Arc::new(SeededEntropy::new(5));
    let key_of_store = Arc::new(master_key(store));
    let options = Options::new(target, "reestr.localhost", clock.clone(), entropy, key_of_store);
    let journal = eventstore::Store::open(options).await.unwrap();
    let last = journal.log(&"departments".parse().unwrap()).await.unwrap().unwrap().recorded_at.unwrap();
    clock.set(last.plus_millis(1));
    let said = entry(store, 123_456);
    let (body, salt) = (proofs::jcs::canonical(&said["body"]).unwrap(), Salt([3; 16]));
    let statement = Statement {
        register: REGISTER.parse().unwrap(),
        record: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
        version: 1,
        entry_type: said["type"].as_str().unwrap().parse().unwrap(),
        effective_at: last,
        issuer: "gibdd".parse().unwrap(),
        body: digest(&salt, &body),
    };
    let new = NewEntry { statement: statement.sign(key), body, salt, number: None };
    let submission = Submission { entries: vec![new], ..Submission::default() };
    let index = journal.submit(submission).await.unwrap()[0].index;
    journal.close().await;
    index
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_key_signed_is_named() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let at = |name: &str| store.data().join(name).display().to_string();
        std::fs::write(at("token"), &tokens(store.data())["department"]).unwrap();
        let (own, token) = (at("own.key"), at("token"));
        server::succeed(&["keys", "generate", &own]).await;
        let jwk: Value = serde_json::from_str(&std::fs::read_to_string(&own).unwrap()).unwrap();
        let secret = b64u(jwk["d"].as_str().unwrap());
        let key = PrivateKey::from_seed(&secret.try_into().unwrap());
        let kid = key.kid().to_string();
        keys(&store, &["enrol", &own, "--department", "gibdd"]).await;
        let size = of(&audit(&server.url, &[]).await.1, REGISTER)["entries"].as_u64().unwrap();
        let mut recorded = Vec::new();
        for serial in [700_001, 700_002, 700_003] {
            let mut line = entry(&store, serial);
            line["effective_at"] = "2026-02-03T09:00:00.000Z".into();
            std::fs::write(at("one.ndjson"), format!("{line}\n")).unwrap();
            let file = at("one.ndjson");
            let send = ["append", &file, "--register", REGISTER, "--department", "gibdd", "--key", &own];
            server::succeed(&[&send[..], &["--url", &server.url, "--token-file", &token]].concat()).await;
            let path = format!("/v1/registers/{REGISTER}/entries/{}", size + recorded.len() as u64);
            let shown = server.get(&path, Some(&tokens(store.data())["department"])).await;
            recorded.push(shown["recorded_at"].as_str().unwrap().to_owned());
        }
        let said =
            keys(&store, &["compromised", &kid, "--department", "gibdd", "--since", &recorded[1]]).await;
        assert!(said.contains("declared compromised"), "{said}");
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!((code, &report["verified"]), (0, &Value::Bool(true)), "a doubt is no fault: {report}");
        let doubtful = of(&report, REGISTER)["doubtful"].as_array().unwrap();
        let found: Vec<_> =
            doubtful.iter().map(|doubt| (doubt["index"].as_u64().unwrap(), &doubt["kid"])).collect();
        let kid = Value::from(kid);
        assert_eq!(found, [(size + 1, &kid), (size + 2, &kid)], "{report}");
        assert_eq!(
            (&doubtful[0]["since"], &report["doubtful"]),
            (&Value::from(recorded[1].clone()), &2.into())
        );
        assert!(doubtful[0]["record"].is_string());
        let table = server::succeed(&["audit", "--url", &server.url]).await;
        assert!(table.contains("verified, 2 doubtful: "), "{table}");
        assert!(table.contains(&format!("{REGISTER} index {} record", size + 1)), "{table}");

        // The server takes nothing more under it; a thief who has the database too is found out.
        std::fs::write(at("one.ndjson"), format!("{}\n", entry(&store, 700_004))).unwrap();
        let file = at("one.ndjson");
        let send = ["append", &file, "--register", REGISTER, "--department", "gibdd", "--key", &own];
        let refused =
            server::run(&[&send[..], &["--url", &server.url, "--token-file", &token]].concat()).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let forged = forge(&store, &key).await;
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!((code, rules(&report)), (1, vec!["key-in-force".to_owned()]), "{report}");
        let faults = of(&report, REGISTER)["faults"].as_array().unwrap();
        assert_eq!((faults.len(), &faults[0]["index"]), (1, &forged.into()), "{report}");
        assert_eq!(report["doubtful"], 2, "what was not in force is a fault, and no doubt: {report}");
        server.stop().await;
    }
}
