//! A witness, a log that is honest and one that forks, and an auditor who asks for the witness's word.

use std::path::Path;
use std::time::Duration;

use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Store};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::shared::{REGISTER, audit, demo, entry, rules};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A witness with a key and a store of its own.
pub struct Witness {
    directory: TempDir,
    pub name: String,
    pub vkey: String,
}

impl Witness {
    pub async fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("witness.key");
        server::succeed(&["keys", "generate", key.to_str().unwrap()]).await;
        let vkey = server::succeed(&["witness", "key", "--name", name, "--key", key.to_str().unwrap()]).await;
        Self { directory, name: name.to_owned(), vkey: vkey.trim().to_owned() }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub async fn run(&self) -> Server {
        let (data, key) = (self.path("store"), self.path("witness.key"));
        Server::start("witness run", &["--name", &self.name, "--key", &key, "--data", &data]).await
    }

    /// Runs another of its commands on its store.
    pub async fn command(&self, args: &[&str]) -> String {
        let data = self.path("store");
        server::succeed(&[&["witness"], args, &["--data", &data]].concat()).await
    }
}

/// Appends an entry and asks for its receipt.
async fn append(server: &Server, token: &str, entry: &Value) -> Value {
    let request = server.request(Method::POST, &format!("/v1/registers/{REGISTER}/entries"));
    let request = request.bearer_auth(token).header("prefer", "return=representation").json(entry);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201);
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn configure(data: &Path, line: &str) {
    let settings = format!("requests_per_second = 1000000\nrequests_burst = 1000000\n{line}\n");
    std::fs::write(data.join("reestr.toml"), settings).unwrap();
}

async fn until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes about in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_forks_is_refused_by_the_witness_and_found_by_the_audit() {
    for kind in BOTH {
        // One of its own for each store: both have the same log name, and to a witness they would be forks of one log.
        let witness = Witness::new("witness.example/w1").await;
        let witnessing = witness.run().await;
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let registers = server.get("/v1/registers", None).await["items"].as_array().unwrap().len();
        let said = witness.command(&["add", "--url", &server.url]).await;
        assert_eq!(said.trim(), format!("{registers} logs are trusted, with {registers} keys"));
        server.stop().await;
        let policy = store.data().join("witnesses.policy");
        let text = format!("witness w1 {} {}\nquorum w1\n", witness.vkey, witnessing.url);
        std::fs::write(&policy, text).unwrap();
        configure(store.data(), "witness_policy = \"witnesses.policy\"");
        let state = tempfile::tempdir().unwrap();
        let asked = ["--witness-policy", policy.to_str().unwrap(), "--state", state.path().to_str().unwrap()];

        // Honest: everything is published with the witness's word, and the audit is content.
        let server = Server::start("serve", &store.args()).await;
        let (code, report) = audit(&server.url, &asked).await;
        assert_eq!(code, 0, "{report}");
        let told = &report["witnesses"][0];
        assert_eq!((&told["witness"], told["registers"].as_u64()), (&"w1".into(), Some(registers as u64)));
        assert!(told["oldest"].as_str() <= told["newest"].as_str());
        server.stop().await;

        // A register's key is rotated: while both sign, the witness goes by the old one.
        let rotated =
            [&["keys", "rotate", "--register", REGISTER].map(str::to_owned)[..], &store.args()].concat();
        server::succeed(&rotated).await;

        // Two stores from one copy, under one log name and key, that diverge.
        let copy = store.copy().await;
        let honest = Server::start("serve", &store.args()).await;
        let receipt = append(&honest, &tokens["department"], &entry(&store, 111_111)).await;
        let proof = receipt["receipt"]["proof"].as_str().map(str::to_owned);
        assert!(
            proof.is_none_or(|proof| proof.contains("witness.example/w1")),
            "no receipt without the witness"
        );
        let (code, report) = audit(&honest.url, &asked).await;
        assert_eq!(code, 0, "{report}");
        let size = honest.get(&format!("/v1/registers/{REGISTER}"), None).await["size"].as_u64().unwrap();
        // What the audit saw may have been the checkpoint before: wait until the witness has seen the entry.
        let published = async || {
            let path = format!("/v1/registers/{REGISTER}/checkpoint");
            let note = honest.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
            note.lines().nth(1) == Some(&size.to_string())
        };
        until(published).await;

        let forked = Server::start("serve", &copy.args()).await;
        let answer = append(&forked, &tokens["department"], &entry(&store, 222_222)).await;
        assert!(answer["receipt"].is_null() && answer["receipt_later"].is_string(), "{answer}");
        let contradicted = async || {
            let health = forked.get("/health/ready", None).await;
            let found = health["contradicted"].as_array().cloned().unwrap_or_default();
            found.iter().any(|found| found["register"] == REGISTER && found["fault"] == "forked")
        };
        until(contradicted).await;
        let log = forked.stop().await;
        assert!(log.contains("was rolled back or forked"), "the operator is told: {log}");
        assert!(
            witness
                .command(&["evidence"])
                .await
                .contains(&format!("/registers/{REGISTER} forked at {size} entries"))
        );
        assert!(
            witness
                .command(&["list"])
                .await
                .contains(&format!("/registers/{REGISTER}  {size} entries cosigned"))
        );

        // The forger shows it without the witness.
        configure(copy.data(), "");
        let forked = Server::start("serve", &copy.args()).await;
        let only = ["--register", REGISTER];
        let (code, report) = audit(&forked.url, &[&only[..], &asked[..2]].concat()).await;
        assert_eq!(code, 1, "{report}");
        assert_eq!(rules(&report), ["witness-quorum"]);
        let (code, report) = audit(&forked.url, &[&only[..], &asked[2..]].concat()).await;
        assert_eq!((code, rules(&report)), (1, vec!["consistency".to_owned()]), "{report}");
        forked.stop().await;
        honest.stop().await;
        witnessing.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_said_with_its_line() {
    let store = tempfile::tempdir().unwrap();
    let policy = store.path().join("witnesses.policy");
    std::fs::write(&policy, "# ours\nquorum w1\n").unwrap();
    configure(store.path(), "witness_policy = \"witnesses.policy\"");
    let data = store.path().to_str().unwrap();
    let audited = ["audit", "--url", "http://127.0.0.1:1", "--witness-policy", policy.to_str().unwrap()];
    for args in [&["serve", "--data", data][..], &audited] {
        let output = server::run(args).await;
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("witnesses.policy: line 2: no witness or group of this name"), "{said}");
    }
}
