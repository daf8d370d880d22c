//! Parquet files of a register: DuckDB and pandas read in them what the API says.

use std::path::Path;

use proofs::checkpoint::Checkpoint;
use proofs::leaf::Leaf;
use proofs::note::SignedNote;
use proofs::statement::SignedStatement;
use proofs::time::Timestamp;
use reestr_tests::server::{self, Server, root, tokens};
use reestr_tests::store::{BOTH, Store};
use serde_json::{Value, json};

use crate::shared::{WHY, demo};

/// A register whose bodies anyone may read, and two whose bodies concern people; the last has more entries than a page of
/// the export.
const PUBLIC: &str = "country";
const LICENCES: &str = "driving-licences";
const LONG: &str = "tax-notices";

/// Python with DuckDB, pandas and pyarrow.
#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where it put them")]
fn python() -> String {
    std::env::var("ANALYSTS_PYTHON").expect(
        "ANALYSTS_PYTHON is not set: run `bash tests/run`, which makes a Python with DuckDB and pandas",
    )
}

async fn export(store: &Store, register: &str, output: &Path, more: &[&str]) -> std::process::Output {
    let mut args = vec!["export", "parquet", "--register", register, "--output", output.to_str().unwrap()];
    args.extend(more);
    let store = store.args();
    args.extend(store.iter().map(String::as_str));
    server::run(&args).await
}

/// What both tools read in an export, and what is said of its files.
async fn read(directory: &Path, effective: &str) -> Value {
    let moment = effective.parse::<Timestamp>().unwrap().millis().to_string();
    let output = tokio::process::Command::new(python())
        .arg(root().join("tests/analysts/read.py"))
        .arg(directory)
        .arg(moment)
        .output()
        .await
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

async fn pages(server: &Server, path: &str, token: &str, cursor: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), String::new());
    loop {
        let request = server.request(reqwest::Method::GET, &format!("{path}{next}")).bearer_auth(token);
        let request = request.header("purpose", WHY[1]).header("legal-basis", WHY[3]);
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        items.extend(page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone());
        match page["next"].as_str() {
            Some(value) => next = format!("&{cursor}={value}"),
            None => return items,
        }
    }
}

/// The rows that the entries of the API should have become.
async fn entries(server: &Server, token: &str, register: &str, bodies: bool) -> Vec<Value> {
    let items = pages(server, &format!("/v1/registers/{register}/entries?limit=256"), token, "after").await;
    let row = |item: &Value| {
        let signed = SignedStatement::parse(item["statement"].as_str().unwrap()).unwrap();
        let recorded_at: Timestamp = item["recorded_at"].as_str().unwrap().parse().unwrap();
        let hash = Leaf { recorded_at, statement: signed.clone() }.hash().hex();
        let statement = signed.statement();
        let body = bodies.then(|| proofs::jcs::canonical(&item["body"]).unwrap());
        let body = body.map(|body| String::from_utf8(body).unwrap());
        let is = if bodies { "here" } else { "left-out" };
        json!([
            register,
            item["index"],
            item["position"],
            statement.record.to_string(),
            statement.version,
            statement.entry_type.as_str(),
            statement.issuer.as_str(),
            signed.kid().as_str(),
            hash,
            is,
            body,
            statement.effective_at.millis(),
            recorded_at.millis(),
        ])
    };
    items.iter().map(row).collect()
}

/// The status of each record as of a moment of effect.
async fn statuses(server: &Server, token: &str, register: &str, effective: &str) -> Vec<Value> {
    let path = format!("/v1/registers/{register}/records?limit=200&effective_at={effective}");
    let items = pages(server, &path, token, "cursor").await;
    let mut rows: Vec<Value> = items.iter().map(|item| json!([item["record"], item["status"]])).collect();
    rows.sort_by_key(Value::to_string);
    rows
}

/// Both tools answer as the API does, and the file names the checkpoint that the server serves.
async fn compare(server: &Server, store: &Store, register: &str, directory: &Path, bodies: bool) {
    let token = &tokens(store.data())["auditor"];
    let mut told = 0;
    for effective in ["2020-06-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"] {
        let answers = read(directory, effective).await;
        let expected = entries(server, token, register, bodies).await;
        let then = statuses(server, token, register, effective).await;
        told += then.len();
        for tool in ["duckdb", "pandas"] {
            assert_eq!(answers[tool]["entries"], json!(expected), "{tool} on {register}");
            assert_eq!(answers[tool]["then"], json!(then), "{tool} on {register} as of {effective}");
        }
        let path = format!("/v1/registers/{register}/checkpoint");
        let checkpoint = server.request(reqwest::Method::GET, &path).send().await.unwrap();
        let checkpoint = checkpoint.text().await.unwrap();
        let head = Checkpoint::parse(SignedNote::parse(&checkpoint).unwrap().text()).unwrap();
        let files = &answers["files"];
        for file in ["entries", "statuses"] {
            let words = &files[file]["words"];
            assert_eq!(words["reestr.register"], register);
            assert_eq!(words["reestr.size"], head.size.to_string());
            assert_eq!(words["reestr.root"], head.root.to_string());
            assert_eq!(words["reestr.checkpoint"], checkpoint);
        }
        assert_eq!(files["entries"]["rows"], head.size);
        assert_eq!(files["entries"]["dictionary"], json!(["register", "type", "issuer", "kid", "body_is"]));
        assert_eq!(files["statuses"]["dictionary"], json!(["register", "status"]));
    }
    assert!(told > 0, "no record of {register} was compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_and_pandas_read_what_the_api_says() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        for (register, bodies) in [(PUBLIC, true), (LICENCES, false), (LONG, false)] {
            let directory = store.data().join(register);
            let output = export(&store, register, &directory, &[]).await;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            compare(&server, &store, register, &directory, bodies).await;

            let again = store.data().join(format!("{register}-again"));
            export(&store, register, &again, &[]).await;
            for file in ["entries.parquet", "statuses.parquet"] {
                let [one, other] =
                    [&directory, &again].map(|directory| std::fs::read(directory.join(file)).unwrap());
                assert!(one == other, "{file} of {register} on {kind:?} came out otherwise");
            }
        }
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_concern_people_are_written_only_on_record() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let directory = store.data().join("licences");
        let refused = export(&store, LICENCES, &directory, &["--bodies"]).await;
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--legal-basis"));
        assert!(!directory.exists(), "nothing is written for who has not said why");

        let why = ["--bodies", "--purpose", "a study of licences", "--legal-basis", "196-FZ"];
        let output = export(&store, LICENCES, &directory, &why).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        compare(&server, &store, LICENCES, &directory, true).await;
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(directory.join("entries.parquet")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "open to its owner alone");

        let token = &tokens(store.data())["auditor"];
        let accesses = pages(&server, "/v1/registers/accesses/entries?limit=256", token, "after").await;
        let ours: Vec<&Value> =
            accesses.iter().map(|item| &item["body"]).filter(|body| body["endpoint"] == "export").collect();
        assert!(ours.len() > 10, "only {} accesses were recorded", ours.len());
        assert!(ours.iter().all(|body| body["purpose"] == "a study of licences"));
        server.stop().await;
    }
}
