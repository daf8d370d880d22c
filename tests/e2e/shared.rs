//! What several of the tests do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::MasterKey;
use reestr_tests::server::{self, Server};
use reestr_tests::store::Store;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// People in the demos of tests: one block of households, enough for every register to have records.
pub const PEOPLE: &str = "100";

/// Arguments of a small demo on a store.
pub fn demo_args(store: &Store) -> Vec<String> {
    let mut args = store.args();
    args.extend(["--people".to_owned(), PEOPLE.to_owned()]);
    args
}

/// A small demo, serving.
pub async fn demo(store: &Store) -> Server {
    Server::start("demo", &demo_args(store)).await
}

/// The body of a registration of mass media that no sample has; the register is public.
pub fn entry(store: &Store, serial: u64) -> Value {
    let text =
        std::fs::read_to_string(store.data().join("try/entry.json")).expect("the demo writes try/entry.json");
    let mut entry: Value = serde_json::from_str(&text).expect("JSON");
    entry["body"]["number"] = json!(format!("99 {:02} {:06}", serial / 1_000_000 % 100, serial % 1_000_000));
    entry
}

/// The register that [`entry`] is for.
pub const REGISTER: &str = "driving-licences";

/// Appends an entry and gives status and answer.
pub async fn append(
    server: &Server,
    token: &str,
    key: &str,
    entry: &Value,
) -> Result<(u16, Value), reqwest::Error> {
    let response = server
        .request(reqwest::Method::POST, &format!("/v1/registers/{REGISTER}/entries"))
        .bearer_auth(token)
        .header("idempotency-key", key)
        .json(entry)
        .send()
        .await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// Why an audit with a token reads bodies.
pub const WHY: [&str; 4] =
    ["--purpose", "an audit of every body", "--legal-basis", "Federal Law 41-FZ, article 14"];

/// Audits a server; gives the exit code and the report.
pub async fn audit(url: &str, more: &[&str]) -> (i32, Value) {
    let mut args = vec!["audit", "--url", url, "--json"];
    args.extend(more);
    let output = server::run(&args).await;
    let code = output.status.code().expect("it was not killed");
    (code, serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// The rules that a report's faults break, each once.
pub fn rules(report: &Value) -> Vec<String> {
    let mut rules: Vec<String> = report["registers"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|register| register["faults"].as_array().into_iter().flatten())
        .filter_map(|fault| fault["rule"].as_str().map(str::to_owned))
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

/// The key in the key file of a store that was opened before.
pub fn master_key(store: &Store) -> MasterKey {
    let text = std::fs::read_to_string(store.data().join("seal.key")).expect("the first start makes it");
    let bytes = URL_SAFE_NO_PAD.decode(text.trim()).expect("base64url");
    MasterKey::Bytes(Zeroizing::new(bytes.try_into().expect("32 bytes")))
}
