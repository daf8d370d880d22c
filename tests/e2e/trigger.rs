//! `reestr trigger` as an operator uses it: a rule is refused with its place, published, listed, tried out on the history of
//! the demo, put down by an interrupt and taken up, explained, and retired.

use std::path::{Path, PathBuf};

use reestr_tests::server::{binary, root, run, succeed};
use reestr_tests::store::{Kind, Store};
use serde_json::{Value, json};

use crate::shared::demo;

/// The rule of a passport at fourteen, with something changed.
fn rule(change: impl FnOnce(&mut Value)) -> Value {
    let text = std::fs::read(root().join("fixtures/triggers/passport-at-14.json")).unwrap();
    let mut rule: Value = serde_json::from_slice(&text).unwrap();
    rule["slug"] = json!("passport-at-15");
    change(&mut rule);
    rule
}

fn file(here: &Path, name: &str, rule: &Value) -> PathBuf {
    let path = here.join(name);
    std::fs::write(&path, rule.to_string()).unwrap();
    path
}

async fn trigger(store: &Store, args: &[&str]) -> String {
    let mut all = vec!["trigger".to_owned()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    all.extend(store.args());
    succeed(&all).await
}

async fn refused(store: &Store, args: &[&str]) -> String {
    let mut all = vec!["trigger".to_owned()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    all.extend(store.args());
    let output = run(&all).await;
    assert!(!output.status.success(), "{args:?} must be refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_checked_published_tried_out_explained_and_retired() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let store = Store::fresh(kind).await;
        demo(&store).await.stop().await;
        let here = tempfile::tempdir().unwrap();
        let path = |name: &str, rule: &Value| file(here.path(), name, rule).display().to_string();

        let wrong = path("wrong.json", &rule(|rule| rule["when"] = json!("person.age =")));
        assert!(refused(&store, &["publish", &wrong]).await.contains("/when: "));
        let absent = path("absent.json", &rule(|rule| rule["department"] = json!("ministry-of-magic")));
        assert!(refused(&store, &["check", &absent]).await.contains("/department: there is no department"));
        assert!(refused(&store, &["publish", &absent]).await.contains("/rule/department"));

        let all = path(
            "all.json",
            &rule(|rule| {
                rule["when"] = json!("true");
                rule["let"] = json!([]);
                rule["effect"] = json!({"inform": {}});
            }),
        );
        assert!(trigger(&store, &["check", &all]).await.contains("right"));
        assert!(trigger(&store, &["publish", &all]).await.contains("version 1"));
        assert!(trigger(&store, &["publish", &all]).await.contains("version 2"));
        assert!(trigger(&store, &["list"]).await.contains("passport-at-15"));

        tried_out(&store, here.path(), &all).await;
        explained(&store).await;

        trigger(&store, &["retire", "passport-at-15", "--reason", "a test"]).await;
        assert!(!trigger(&store, &["list"]).await.contains("passport-at-15"));
        assert!(trigger(&store, &["list", "--all"]).await.contains("passport-at-15"));
        assert!(refused(&store, &["publish", &all]).await.contains("retired"));
    }
}

/// The demo's people as if they had been recorded at birth: everyone who has lived fourteen years turned fourteen once.
async fn tried_out(store: &Store, here: &Path, all: &str) {
    let report = |args: &[&str]| {
        let mut full = vec!["backtest".to_owned(), all.to_owned(), "--json".to_owned()];
        full.extend(args.iter().map(|arg| (*arg).to_owned()));
        async move {
            let full: Vec<&str> = full.iter().map(String::as_str).collect();
            serde_json::from_str::<Value>(&trigger(store, &full).await).unwrap()
        }
    };
    let whole = report(&["--by-effect", "--examples", "2"]).await;
    let people = whole["rules"][0]["people"].as_u64().unwrap();
    assert!(people > 20, "{whole}");
    assert_eq!(whole["rules"][0]["examples"].as_array().unwrap().len(), 2);
    assert_eq!(whole, report(&["--by-effect", "--examples", "2"]).await, "always the same");

    // Compared with the published version, from which it does not differ; and with one for women alone.
    let same = report(&["--by-effect", "--against", "passport-at-15"]).await;
    assert_eq!(
        (&same["comparison"]["same"], &same["comparison"]["gains"]["people"]),
        (&json!(people), &json!(0))
    );
    let women = rule(|rule| {
        rule["when"] = json!("person.sex == 'female'");
        rule["let"] = json!([]);
        rule["effect"] = json!({"inform": {}});
    });
    let women = file(here, "women.json", &women).display().to_string();
    let gained = report(&["--by-effect", "--against", &women]).await;
    let gains = gained["comparison"]["gains"]["people"].as_u64().unwrap();
    assert!(gains > 5 && gains < people, "{gained}");
    assert_eq!(gained["comparison"]["gains"]["why"]["person.sex == 'female'"], json!(gains));

    // By the time of recording, with a state: the same again from the state, and refused for other dates.
    let state = here.join("state.json").display().to_string();
    let far = ["--to", "2040-01-01", "--state", &state];
    let recorded = report(&far).await;
    assert!(recorded["rules"][0]["people"].as_u64().unwrap() > 5, "{recorded}");
    assert_eq!(recorded, report(&far).await);
    assert_eq!(recorded, report(&["--to", "2040-01-01"]).await);
    let other = refused(store, &["backtest", all, "--to", "2041-01-01", "--state", &state]).await;
    assert!(other.contains("other dates"), "{other}");
    std::fs::remove_file(&state).unwrap();
    interrupted(store, all, &state, &recorded).await;
}

/// An interrupt at any moment leaves either nothing or a state, and the same command then comes to the same report.
async fn interrupted(store: &Store, all: &str, state: &str, whole: &Value) {
    let mut args = vec!["trigger", "backtest", all, "--json", "--to", "2040-01-01", "--state", state];
    let more = store.args();
    args.extend(more.iter().map(String::as_str));
    let mut child = tokio::process::Command::new(binary())
        .args(&args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let id = child.id().unwrap().to_string();
    // It may have ended already, and then there is nobody to interrupt.
    let _ = tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    child.wait().await.unwrap();
    let again = trigger(store, &["backtest", all, "--json", "--to", "2040-01-01", "--state", state]).await;
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), *whole);
}

async fn explained(store: &Store) {
    let token = reestr_tests::server::tokens(store.data());
    assert!(!token.is_empty());
    let shown = trigger(store, &["list", "--json"]).await;
    let rules: Value = serde_json::from_str(&shown).unwrap();
    assert!(rules.as_array().unwrap().len() > 20);
    let unknown = "0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7b";
    let why = ["--purpose", "a complaint", "--legal-basis", "59-FZ"];
    let args = [&["explain", "--person", unknown], &why[..]].concat();
    assert!(refused(store, &args).await.contains("there is no person"));
    let report = trigger(
        store,
        &[
            "backtest",
            &root().join("fixtures/triggers/passport-at-14.json").display().to_string(),
            "--to",
            "2040-01-01",
            "--examples",
            "1000",
            "--json",
        ],
    )
    .await;
    let report: Value = serde_json::from_str(&report).unwrap();
    // The last of them turns fourteen in years to come.
    let examples = report["rules"][0]["examples"].as_array().unwrap();
    let person = examples.last().unwrap()["person"].as_str().unwrap().to_owned();
    let args = [&["explain", "--person", &person, "--rule", "passport-at-14", "--json"], &why[..]].concat();
    let explained: Value = serde_json::from_str(&trigger(store, &args).await).unwrap();
    assert_eq!(explained["rules"][0]["causes"][0]["outcome"], "not-yet-due", "{explained}");
    let args = [&["explain", "--person", &person], &why[..]].concat();
    let told = trigger(store, &args).await;
    assert!(told.contains("passport-at-14 (version 1") && told.contains("falls due then"), "{told}");
}
