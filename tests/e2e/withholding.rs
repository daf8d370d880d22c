//! Bodies withheld by order: gone from the store and its files, told to auditors, and not back with a backup.

use std::path::Path;

use reestr_tests::postgres::Database;
use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, SqliteConnection};

use crate::shared::{REGISTER, WHY, append, audit, demo, entry, rules};

/// As it stands in the body alone; the number itself stays claimed.
const MARKER: &str = r#""number":"99 00 123456""#;

/// A licence that no other has, appended; its record and index.
pub async fn licence(server: &Server, store: &Store) -> (String, u64) {
    let tokens = tokens(store.data());
    let (status, made) =
        append(server, &tokens["department"], "licence", &entry(store, 123_456)).await.unwrap();
    assert_eq!(status, 201, "{made}");
    (made["record"].as_str().unwrap().to_owned(), made["index"].as_u64().unwrap())
}

fn order(record: &str, versions: &[u64]) -> Value {
    let order = json!({ "authority": "a district court", "number": "2-1/2026", "date": "2026-02-01" });
    json!({ "record": record, "type": "withheld", "body": { "order": order, "versions": versions } })
}

/// `reestr withhold` for the record's first version.
pub fn command(store: &Store, record: &str) -> Vec<String> {
    let args = ["withhold", "--register", REGISTER, "--record", record, "--versions", "1"];
    let order = ["--authority", "a district court", "--number", "2-1/2026", "--date", "2026-02-01"];
    let mut args: Vec<String> = args.iter().chain(&order).map(|arg| (*arg).to_owned()).collect();
    args.extend(store.args());
    args
}

fn token(store: &Store) -> String {
    let file = store.data().join("auditor.token");
    std::fs::write(&file, &tokens(store.data())["auditor"]).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The audit of an auditor who may see every body.
async fn audited(server: &Server, token: &str) -> (i32, Value) {
    audit(&server.url, &[&["--register", REGISTER, "--token-file", token][..], &WHY].concat()).await
}

fn report(report: &Value) -> &Value {
    report["registers"].as_array().unwrap().iter().find(|one| one["register"] == REGISTER).unwrap()
}

/// The files of a directory in which a text stands.
fn holds(directory: &Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let holding = files.filter(|path| {
        path.is_file() && {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        }
    });
    holding.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

pub async fn withheld(server: &Server, token: &str, index: u64) -> Value {
    let shown = server.get(&format!("/v1/registers/{REGISTER}/entries/{index}"), Some(token)).await;
    assert!(shown["body"].is_null() && shown["salt"].is_null(), "{shown}");
    shown["withheld"]["index"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_carried_out_told_and_leaves_nothing() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let (record, index) = licence(&server, &store).await;
        let auditor = token(&store);
        if kind == Kind::Sqlite {
            assert!(!holds(store.data(), MARKER).is_empty(), "it is found where it is");
        }
        // While the server runs, which learns of it as of any entry.
        let said = server::succeed(&command(&store, &record)).await;
        assert!(said.contains("1 bodies of record"), "{said}");
        let said = server::succeed(&command(&store, &record)).await;
        assert!(said.contains("as before"), "{said}");
        let by = withheld(&server, &tokens(store.data())["department"], index).await;
        let (code, told) = audited(&server, &auditor).await;
        assert_eq!((code, rules(&told)), (0, vec![]), "{told}");
        assert_eq!(
            report(&told)["withheld"],
            json!([{ "index": index, "record": record, "version": 1, "by": by }])
        );
        // Also an auditor who sees no body finds nothing wrong, and the ledger says which, and nothing more.
        assert_eq!(audit(&server.url, &["--register", REGISTER]).await.0, 0);
        let ledger = std::fs::read_to_string(store.data().join("withheld.ndjson")).unwrap();
        assert_eq!(ledger.lines().count(), 1);
        assert!(ledger.contains(&format!("\"index\":{index},")) && !ledger.contains("99 00"), "{ledger}");
        server.stop().await;
        if kind == Kind::Sqlite {
            assert_eq!(holds(store.data(), MARKER), Vec::<String>::new());
        }
        for projection in ["account", "history", "view", "search", "statistics"] {
            let mut args = vec![
                "replay".to_owned(),
                "--check".to_owned(),
                "--projection".to_owned(),
                projection.to_owned(),
            ];
            args.extend(store.args());
            server::succeed(&args).await;
        }
    }
}

/// A hand that lets itself past the triggers.
pub async fn hand(data: &Path) -> SqliteConnection {
    let mut connection =
        SqliteConnectOptions::new().filename(data.join("reestr.db")).connect().await.unwrap();
    let rows = connection
        .fetch_all("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'entry%'")
        .await;
    for row in rows.unwrap() {
        let name: String = row.get(0);
        connection.execute(AssertSqlSafe(format!("DROP TRIGGER {name}"))).await.unwrap();
    }
    connection
}

/// Lost without an order, and shown in spite of one: both are found, and neither is called lawful.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_shown_against_the_orders_is_found() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let (record, index) = licence(&server, &store).await;
    let auditor = token(&store);
    let mut hand = hand(store.data()).await;
    let at = format!("register = '{REGISTER}' AND leaf_index = {index}");
    let kept =
        hand.fetch_one(AssertSqlSafe(format!("SELECT body, salt FROM entry WHERE {at}"))).await.unwrap();
    let (body, salt): (Vec<u8>, Vec<u8>) = (kept.get(0), kept.get(1));
    let lose = format!("UPDATE entry SET body = NULL, salt = NULL WHERE {at}");
    assert_eq!(hand.execute(AssertSqlSafe(lose)).await.unwrap().rows_affected(), 1);
    let (code, told) = audited(&server, &auditor).await;
    assert_eq!((code, rules(&told)), (1, vec!["body-missing".to_owned()]), "{told}");
    assert_eq!(report(&told)["faults"][0]["index"], index);
    // Whoever sees no body cannot know.
    assert_eq!(audit(&server.url, &["--register", REGISTER]).await.0, 0);

    let (status, made) =
        append(&server, &tokens(store.data())["department"], "order", &order(&record, &[1])).await.unwrap();
    assert_eq!(status, 201, "{made}");
    let (code, told) = audited(&server, &auditor).await;
    assert_eq!((code, report(&told)["withheld"].as_array().unwrap().len()), (0, 1), "{told}");
    let back = format!("UPDATE entry SET body = ?, salt = ? WHERE {at}");
    let put = sqlx::query(AssertSqlSafe(back)).bind(body).bind(salt).execute(&mut hand).await.unwrap();
    assert_eq!(put.rows_affected(), 1);
    drop(hand);
    let (code, told) = audited(&server, &auditor).await;
    assert_eq!((code, rules(&told)), (1, vec!["withheld-served".to_owned()]), "{told}");
    server.stop().await;

    // The next start removes it again, says so, and everyone can read that it did.
    let server = Server::start("serve", &store.args()).await;
    withheld(&server, &tokens(store.data())["department"], index).await;
    let (code, told) = audited(&server, &auditor).await;
    assert_eq!(code, 0, "{told}");
    let told = server.get("/v1/registers/interventions/entries", None).await;
    let named = json!([{ "register": REGISTER, "index": index, "order": made["index"] }]);
    assert_eq!(told["items"][0]["body"]["entries"], named, "{told}");
    let metrics =
        server.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("reestr_withheld_removed_again_total 1"), "{metrics}");
    let said = server.stop().await;
    assert!(said.contains("a body was there that an order withholds"), "{said}");
}

/// A backup of a store, taken while no server runs.
enum Backup {
    File,
    Database(Database),
}

const BACKUP: &str = "backup.db";

impl Backup {
    async fn take(store: &Store) -> Self {
        match store.database() {
            None => {
                std::fs::copy(store.data().join("reestr.db"), store.data().join(BACKUP)).unwrap();
                Self::File
            }
            Some(url) => Self::Database(Database::copy_of(url).await),
        }
    }

    /// Puts it in the store's place; gives the arguments that name it.
    fn restore(&self, store: &Store) -> Vec<String> {
        match self {
            Self::File => {
                for name in ["reestr.db-wal", "reestr.db-shm"] {
                    let _ = std::fs::remove_file(store.data().join(name));
                }
                std::fs::copy(store.data().join(BACKUP), store.data().join("reestr.db")).unwrap();
                store.args()
            }
            Self::Database(database) => vec![
                "--data".to_owned(),
                store.data().display().to_string(),
                "--database".to_owned(),
                database.url().to_owned(),
            ],
        }
    }
}

/// The store is last week's, and the order is of today: no command serves it, until the order is carried out again.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_an_order_is_not_served() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let (record, index) = licence(&server, &store).await;
        server.stop().await;
        let backup = Backup::take(&store).await;
        let server = Server::start("serve", &store.args()).await;
        // Something else came first, so that the order is elsewhere the second time.
        let department = tokens(store.data())["department"].clone();
        append(&server, &department, "other", &entry(&store, 222_222)).await.unwrap();
        let (status, made) = append(&server, &department, "order", &order(&record, &[1])).await.unwrap();
        assert_eq!(status, 201, "{made}");
        server.stop().await;

        let args = backup.restore(&store);
        for command in [vec!["serve", "--listen", "127.0.0.1:0"], vec!["projection", "status"]] {
            let command: Vec<String> =
                command.into_iter().map(str::to_owned).chain(args.iter().cloned()).collect();
            let output = server::run(&command).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("lacks 1 orders") && said.contains("reestr withhold --again"), "{said}");
        }
        let again: Vec<String> =
            ["withhold", "--again"].into_iter().map(str::to_owned).chain(args.iter().cloned()).collect();
        let said = server::succeed(&again).await;
        assert!(said.contains("1 orders carried out again"), "{said}");
        assert!(server::succeed(&again).await.contains("0 orders carried out again"));
        let server = Server::start("serve", &args).await;
        let by = withheld(&server, &department, index).await;
        assert_ne!(by, made["index"]);
        let auditor = token(&store);
        let (code, told) = audited(&server, &auditor).await;
        assert_eq!((code, &report(&told)["withheld"][0]["by"]), (0, &by), "{told}");
        server.stop().await;
        if kind == Kind::Sqlite {
            std::fs::remove_file(store.data().join(BACKUP)).unwrap();
            assert_eq!(holds(store.data(), MARKER), Vec::<String>::new());
        }
    }
}

/// Killed right after the order was acknowledged: it stands, whole.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_order_outlives_a_kill() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let (record, index) = licence(&server, &store).await;
    let department = tokens(store.data())["department"].clone();
    let (status, _) = append(&server, &department, "order", &order(&record, &[1])).await.unwrap();
    assert_eq!(status, 201);
    let killed =
        tokio::process::Command::new("kill").args(["-KILL", &server.id().to_string()]).status().await;
    assert!(killed.unwrap().success());
    drop(server);
    assert_eq!(std::fs::read_to_string(store.data().join("withheld.ndjson")).unwrap().lines().count(), 1);
    let server = Server::start("serve", &store.args()).await;
    withheld(&server, &department, index).await;
    // The files are cleaned by whoever comes next: the projections have passed the order when they say so.
    let position = server.get("/v1/projections", Some(&tokens(store.data())["operator"])).await;
    assert!(position["items"].as_array().unwrap().iter().all(|item| item["withheld"].is_u64()), "{position}");
    server.stop().await;
}
