//! Secrets that the test knows, looked for wherever a running installation writes: logs at their most talkative, files, backups.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use eventstore::sql::Target;
use eventstore::testing::{ManualClock, SeededEntropy};
use eventstore::{CHECKPOINT, MasterKey, Options, STATEMENT, TOKEN};
use proofs::key::PrivateKey;
use reestr_tests::postgres::program;
use reestr_tests::server::{Server, run, succeed, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::shared::{REGISTER, append, audit, demo_args, entry};

/// The key in the store's key file.
const MASTER: [u8; 32] = [0xd1; 32];

/// Keys that are in the store before anyone makes others, so that everything is signed with them.
fn known() -> Vec<(&'static str, &'static str, [u8; 32])> {
    vec![
        ("platform", STATEMENT, [0xa1; 32]),
        ("installation", TOKEN, [0xa2; 32]),
        ("gibdd", STATEMENT, [0xa3; 32]),
        ("departments", CHECKPOINT, [0xa4; 32]),
        ("registers", CHECKPOINT, [0xa5; 32]),
        (REGISTER, CHECKPOINT, [0xa6; 32]),
    ]
}

/// The first secret that is in a place, as bytes or in one of the usual encodings.
fn found(place: &[u8], secrets: &[Vec<u8>]) -> Option<usize> {
    let text = String::from_utf8_lossy(place);
    secrets.iter().position(|secret| {
        let hex: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.concat();
        let base64 = STANDARD.encode(secret);
        let forms = [
            hex.to_uppercase(),
            hex,
            base64.trim_end_matches('=').to_owned(),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        forms.iter().any(|form| text.contains(form.as_str()))
            || place.windows(secret.len()).any(|window| window[0] == secret[0] && window == secret.as_slice())
    })
}

async fn prepare(store: &Store) {
    let target = match store.database() {
        Some(url) => Target::Postgres(url.to_owned()),
        None => Target::Sqlite(store.data().join("reestr.db")),
    };
    let path = store.data().join("seal.key");
    std::fs::write(&path, URL_SAFE_NO_PAD.encode(MASTER)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let clock = Arc::new(ManualClock::new("2026-03-01T09:00:00.000Z".parse().unwrap()));
    let master = Arc::new(MasterKey::Bytes(Zeroizing::new(MASTER)));
    let options = Options::new(target, "reestr.localhost", clock, Arc::new(SeededEntropy::new(3)), master);
    let opened = eventstore::Store::open(options).await.unwrap();
    for (owner, purpose, seed) in known() {
        opened.put_key(owner, purpose, &PrivateKey::from_seed(&seed)).await.unwrap();
    }
    opened.close().await;
    let settings = store.data().join("reestr.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(settings, format!("{text}log = \"trace\"\nwebhooks_allow_private = true\n")).unwrap();
}

/// Makes a webhook and gives its secret.
async fn webhook(server: &Server, token: &str) -> Vec<u8> {
    // Nobody listens there: messages are made and signed all the same.
    let asked = json!({ "url": "http://127.0.0.1:9/hook", "registers": [REGISTER] });
    let request = server.request(reqwest::Method::POST, "/v1/webhooks").bearer_auth(token).json(&asked);
    let made: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    let secret = made["secret"].as_str().unwrap_or_else(|| panic!("{made}")).strip_prefix("whsec_").unwrap();
    STANDARD.decode(secret).unwrap()
}

/// What a thief of files, or of a backup, has: without the key file.
fn stolen(store: &Store) -> Vec<u8> {
    if let Some(url) = store.database() {
        let dumped = Command::new(program("pg_dump")).arg(url).output().unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        return dumped.stdout;
    }
    let mut all = Vec::new();
    for name in ["reestr.db", "reestr.db-wal"] {
        all.extend(std::fs::read(store.data().join(name)).unwrap_or_default());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_logs_files_or_backups() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        prepare(&store).await;
        let server = Server::start("demo", &demo_args(&store)).await;
        let tokens = tokens(store.data());
        let mut secrets: Vec<Vec<u8>> = known().into_iter().map(|(_, _, seed)| seed.to_vec()).collect();
        secrets.extend([MASTER.to_vec(), webhook(&server, &tokens["department"]).await]);
        let (status, answer) =
            append(&server, &tokens["department"], "one", &entry(&store, 600_001)).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        assert_eq!(audit(&server.url, &[]).await.0, 0);
        let metrics =
            server.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        let listed =
            succeed(&[&["keys".to_owned(), "list".to_owned()], store.args().as_slice()].concat()).await;
        for (owner, purpose, seed) in known().iter().filter(|(_, purpose, _)| *purpose != TOKEN) {
            let key = PrivateKey::from_seed(seed).public();
            let shown = if *purpose == STATEMENT { key.kid().to_string() } else { (*owner).to_owned() };
            assert!(listed.contains(&shown), "{owner} has another key: {listed}");
        }
        let files = stolen(&store);
        let said = server.stop().await;
        assert!(said.contains("TRACE") && said.contains("signing_key"), "the log is at its most talkative");
        let places = [
            ("log", said.into_bytes()),
            ("metrics", metrics.into_bytes()),
            ("keys list", listed.into_bytes()),
        ];
        for (name, place) in places.into_iter().chain([("files", files), ("files at rest", stolen(&store))]) {
            let which = found(&place, &secrets);
            assert_eq!(which, None, "secret {which:?} is in the {name} on {kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_key_does_not_start_and_one_with_it_does() {
    let store = Store::fresh(Kind::Postgres).await;
    let list = |data: &std::path::Path| {
        let data = data.display().to_string();
        let url = store.database().unwrap().to_owned();
        ["keys", "list", "--data", &data, "--database", &url].map(str::to_owned)
    };
    // The first start makes the key, in the data directory.
    succeed(&list(store.data())).await;
    let key = store.data().join("seal.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let other = tempfile::tempdir().unwrap();
    let refused = run(&list(other.path())).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("there is no key file"), "{said}");
    assert!(!other.path().join("seal.key").exists(), "no second key is made");
    // Another store's key opens nothing.
    let foreign = Store::fresh(Kind::Sqlite).await;
    succeed(&["keys", "list", "--data", &foreign.data().display().to_string()]).await;
    std::fs::copy(foreign.data().join("seal.key"), other.path().join("seal.key")).unwrap();
    let refused = run(&list(other.path())).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("does not open the store's secrets"), "{said}");
    std::fs::copy(&key, other.path().join("seal.key")).unwrap();
    succeed(&list(other.path())).await;
    // A passphrase takes the place of the file.
    let words = other.path().join("words");
    std::fs::write(&words, "twelve words and more\n").unwrap();
    std::fs::set_permissions(&words, std::fs::Permissions::from_mode(0o600)).unwrap();
    let words = words.display().to_string();
    let mut reseal = list(store.data()).to_vec();
    reseal[1] = "reseal".to_owned();
    reseal.extend(["--passphrase-file".to_owned(), words.clone()]);
    let done = succeed(&reseal).await;
    assert!(done.contains("seal_passphrase_file") && !done.contains("twelve"), "{done}");
    assert!(!run(&list(store.data())).await.status.success());
    std::fs::write(other.path().join("reestr.toml"), format!("seal_passphrase_file = {words:?}\n")).unwrap();
    succeed(&list(other.path())).await;
}
