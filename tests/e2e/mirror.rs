//! Mirrors: made from archives, the same to the last byte, for reading only.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reestr_tests::server::{self, Server, binary, root, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::archive::{audit_files, export};
use crate::shared::{REGISTER, append, audit, demo, entry, rules};
use crate::withholding::command;

/// A register of the demo with more entries than a bundle takes.
const LONG: &str = "tax-notices";

/// Exports these registers, or all; gives their files.
async fn export_all(store: &Store, registers: &[&str], directory: &Path) -> Vec<PathBuf> {
    let mut args = vec!["export", "archive", "--output", directory.to_str().unwrap()];
    for register in registers {
        args.extend(["--register", register]);
    }
    let of_store = store.args();
    args.extend(of_store.iter().map(String::as_str));
    server::succeed(&args).await;
    fs::read_dir(directory).unwrap().map(|item| item.unwrap().path()).collect()
}

fn import_args(store: &Store, files: &[PathBuf]) -> Vec<String> {
    let files = files.iter().map(|file| file.display().to_string());
    ["import", "archive"].map(str::to_owned).into_iter().chain(files).chain(store.args()).collect()
}

/// Imports archives; gives the exit code and what was said.
async fn import(store: &Store, files: &[PathBuf]) -> (i32, String) {
    let output = server::run(&import_args(store, files)).await;
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it was not killed"), String::from_utf8_lossy(&said).into_owned())
}

/// A token that the store's own issuer makes.
async fn token(store: &Store, role: &str, subject: &str, more: &[&str]) -> String {
    let mut args = vec!["token", "--role", role, "--subject", subject];
    args.extend(more);
    let of_store = store.args();
    args.extend(of_store.iter().map(String::as_str));
    server::succeed(&args).await.trim().to_owned()
}

/// Whom a token stands for.
fn subject(token: &str) -> String {
    let payload = token.split('.').nth(1).expect("a JWT");
    let bytes = b64u(payload);
    let claims: Value = serde_json::from_slice(&bytes).expect("claims");
    claims["sub"].as_str().expect("a subject").to_owned()
}

/// The bytes of a text in base64url without padding.
fn b64u(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    bytes
}

async fn checkpoint(server: &Server, register: &str) -> String {
    let path = format!("/v1/registers/{register}/checkpoint");
    server.request(Method::GET, &path).send().await.unwrap().text().await.unwrap()
}

/// Status and problem of an answer.
async fn problem(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, problem["type"].as_str().unwrap_or_default().to_owned())
}

const MIRROR: (u16, &str) = (403, "/problems/mirror");

fn same(found: &(u16, String)) -> (u16, &str) {
    (found.0, &found.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_the_same_registers_and_serves_every_read() {
    let source = Store::fresh(Kind::Sqlite).await;
    let server = demo(&source).await;
    let citizen = tokens(source.data())["citizen"].clone();
    let account = server.get("/v1/account/records?limit=100", Some(&citizen)).await;
    let status = server.get("/v1/registers/driving-licences/statistics", None).await;
    let state = source.data().join("audit-state");
    let state = ["--state", state.to_str().unwrap()];
    assert_eq!(audit(&server.url, &state).await.0, 0);
    let registers = server.get("/v1/registers", None).await;
    let slugs: Vec<&str> =
        registers["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap()).collect();
    let mut heads = Vec::new();
    for slug in &slugs {
        heads.push(checkpoint(&server, slug).await);
    }
    assert_eq!(registers["mirror"], Value::Null);
    server.stop().await;
    let files = tempfile::tempdir().unwrap();
    let all = export_all(&source, &[], files.path()).await;
    for kind in BOTH {
        let mirror = Store::fresh(kind).await;
        let (code, said) = import(&mirror, &all).await;
        assert_eq!(code, 0, "{said}");
        let server = Server::start("serve", &mirror.args()).await;
        for (slug, head) in slugs.iter().zip(&heads) {
            assert_eq!(&checkpoint(&server, slug).await, head, "{slug}: as it was signed");
        }
        let (code, report) = audit(&server.url, &state).await;
        assert_eq!(code, 0, "{kind:?}: what was pinned at the source: {report}");
        for register in [LONG, "registers", "departments"] {
            let verified = tokio::process::Command::new("python3")
                .arg(root().join("tests/verify/verify.py"))
                .args(["url", &server.url, "--register", register])
                .output();
            let verified = verified.await.unwrap();
            assert!(verified.status.success(), "{register}: {}", String::from_utf8_lossy(&verified.stderr));
        }
        let own = token(&mirror, "citizen", &subject(&citizen), &[]).await;
        let position = server.get("/v1/registers/driving-licences/statistics", None).await;
        assert_eq!(position["records"], status["records"], "projections are made of the same entries");
        let seen = server.get("/v1/account/records?limit=100", Some(&own)).await;
        let records = |page: &Value| -> BTreeSet<String> {
            let items = page["items"].as_array().unwrap().iter();
            items.map(|item| item["record"].as_str().unwrap().to_owned()).collect()
        };
        assert!(!records(&account).is_empty());
        assert_eq!(records(&seen), records(&account), "a person reads their account");
        refuses(&mirror, &server, &own).await;
        server.stop().await;
        for register in [REGISTER, LONG, "departments", "interventions"] {
            let again = files.path().join("again.tar.x");
            assert!(export(&mirror, register, &again).await.status.success());
            let (original, again) = (files.path().join(format!("{register}.tar")), fs::read(&again).unwrap());
            assert!(
                fs::read(original).unwrap() == again,
                "{register}: out of the mirror come the same bytes"
            );
        }
    }
}

/// Nothing is taken, by whatever door; and what would have to be recorded is not shown.
async fn refuses(mirror: &Store, server: &Server, citizen: &str) {
    let official = token(mirror, "department", "a-system", &["--department", "gibdd"]).await;
    let post = |path: &str, token: &str, body: Value| {
        server.request(Method::POST, path).bearer_auth(token).json(&body)
    };
    let body = json!({"type": "issued", "body": {}});
    let entries = format!("/v1/registers/{REGISTER}/entries");
    assert_eq!(same(&problem(post(&entries, &official, body)).await), MIRROR);
    let consent = format!("/v1/account/consents/{}/withdraw", uuid::Uuid::nil());
    assert_eq!(same(&problem(post(&consent, citizen, json!({}))).await), MIRROR);
    assert_eq!(same(&problem(post("/v1/webhooks", &official, json!({}))).await), MIRROR);
    let settings = server.request(Method::PUT, "/v1/account/settings/notifications").bearer_auth(citizen);
    assert_eq!(same(&problem(settings.json(&json!({}))).await), MIRROR);
    let (status, _) = problem(post("/v1/account/search", citizen, json!({"query": "licence"}))).await;
    assert_eq!(status, 200, "what only reads is served, though it is asked by POST");
    let read = server.request(Method::GET, &format!("{entries}?limit=1")).bearer_auth(&official);
    let read = read.header("purpose", "a check").header("legal-basis", "1-FZ, article 1");
    assert_eq!(same(&problem(read).await), MIRROR, "whoever reads in office is recorded first");
    let mut args =
        ["import", "rsf", "fixtures/real/country.rsf", "--register", "x-country", "--department", "gibdd"]
            .map(str::to_owned)
            .to_vec();
    args.extend(mirror.args());
    let refused = server::run(&args).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("mirror"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_some_registers_says_what_it_lacks_and_hides_nothing() {
    let source = Store::fresh(Kind::Sqlite).await;
    demo(&source).await.stop().await;
    let files = tempfile::tempdir().unwrap();
    let some = export_all(&source, &[REGISTER, "country"], files.path()).await;
    let mirror = Store::fresh(Kind::Sqlite).await;
    assert_eq!(import(&mirror, &some).await.0, 0);
    let server = Server::start("serve", &mirror.args()).await;
    let listed = server.get("/v1/registers", None).await;
    let mut slugs: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap()).collect();
    slugs.sort_unstable();
    assert_eq!(slugs, ["country", "departments", REGISTER, "registers"]);
    let lacks = listed["mirror"]["lacks"].as_array().unwrap();
    assert!(lacks.iter().any(|slug| slug == "persons") && listed["mirror"]["of"] == "reestr.localhost");
    assert_eq!(problem(server.request(Method::GET, "/v1/registers/persons")).await.0, 404);
    // What it says of itself is no excuse: whoever audits all of it is told what is not there.
    let (code, report) = audit(&server.url, &[]).await;
    assert_eq!((code, rules(&report)), (1, vec!["register-hidden".to_owned()]), "{report}");
    for register in ["country", REGISTER] {
        let (code, report) = audit(&server.url, &["--register", register]).await;
        assert_eq!(code, 0, "{report}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_extended_by_newer_archives_only() {
    for kind in BOTH {
        let source = Store::fresh(kind).await;
        demo(&source).await.stop().await;
        let files = tempfile::tempdir().unwrap();
        let old = export_all(&source, &[REGISTER, LONG], &files.path().join("old")).await;
        let mirror = Store::fresh(kind).await;
        assert_eq!(import(&mirror, &old).await.0, 0);
        let (code, said) = import(&mirror, &old).await;
        assert!(code == 0 && said.contains("0 new entries"), "twice is once: {said}");

        let server = Server::start("serve", &source.args()).await;
        let token = &tokens(source.data())["department"];
        let mut record = String::new();
        for serial in 0..3 {
            let (status, made) =
                append(&server, token, &format!("later-{serial}"), &entry(&source, serial)).await.unwrap();
            assert_eq!(status, 201);
            made["record"].as_str().unwrap().clone_into(&mut record);
        }
        let head = checkpoint(&server, REGISTER).await;
        server.stop().await;
        let new = export_all(&source, &[REGISTER, LONG], &files.path().join("new")).await;
        let serving = Server::start("serve", &mirror.args()).await;
        let (code, said) = import(&mirror, &new).await;
        assert!(code == 0 && said.contains("3 new entries"), "while it is served: {said}");
        assert_eq!(checkpoint(&serving, REGISTER).await, head);
        let (code, report) = audit(&serving.url, &["--register", REGISTER]).await;
        assert_eq!(code, 0, "{report}");
        serving.stop().await;
        let (code, said) = import(&mirror, &old).await;
        assert!(code == 1 && said.contains("newer archive already"), "{said}");
        // What is withheld at the source goes here too, with the order that says so.
        server::succeed(&command(&source, &record)).await;
        let without = export_all(&source, &[REGISTER, LONG], &files.path().join("without")).await;
        let (code, said) = import(&mirror, &without).await;
        assert!(code == 0 && said.contains("1 new entries"), "{said}");
        let (again, original) = (files.path().join("again.tar.x"), files.path().join("without"));
        assert!(export(&mirror, REGISTER, &again).await.status.success());
        let original = fs::read(original.join(format!("{REGISTER}.tar"))).unwrap();
        assert!(fs::read(again).unwrap() == original, "and out of the mirror come the same bytes");
        assert!(original.windows(12).any(|window| window == br#"{"body":null"#));
        // A register that it has not had is older than what it has: there is no place for it any more.
        let country = export_all(&source, &["country", REGISTER], &files.path().join("other")).await;
        let (code, said) = import(&mirror, &country).await;
        assert!(code == 1 && said.contains("into an empty store"), "{said}");
        let (code, said) = import(&source, &new).await;
        assert!(code == 1 && said.contains("made in an empty one"), "an installation is no mirror: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_verified_is_not_imported_and_what_is_interrupted_leaves_nothing() {
    let source = Store::fresh(Kind::Sqlite).await;
    demo(&source).await.stop().await;
    let files = tempfile::tempdir().unwrap();
    let good = export_all(&source, &[REGISTER, LONG], &files.path().join("good")).await;
    let mut bytes = fs::read(&good[0]).unwrap();
    let at = bytes.windows(8).rposition(|window| window == b"{\"body\":").unwrap();
    bytes[at + 12] ^= 1;
    let bad = files.path().join("bad.tar");
    fs::write(&bad, bytes).unwrap();
    assert_eq!(audit_files(&[&bad], &[]).await.0, 1);
    for kind in BOTH {
        let mirror = Store::fresh(kind).await;
        let (code, said) = import(&mirror, &[good[1].clone(), bad.clone()]).await;
        assert!(code == 1 && said.contains("nothing was imported"), "{said}");
        // Killed again and again, later each time: whatever it had done is not there.
        for millis in [200, 500, 900] {
            let mut child = std::process::Command::new(binary())
                .args(import_args(&mirror, &good))
                .current_dir(root())
                .stderr(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let until = std::time::Instant::now() + std::time::Duration::from_millis(millis);
            while std::time::Instant::now() < until && child.try_wait().unwrap().is_none() {}
            let _ = child.kill();
            child.wait().unwrap();
        }
        let (code, said) = import(&mirror, &good).await;
        assert_eq!(code, 0, "{said}");
        let server = Server::start("serve", &mirror.args()).await;
        for register in [REGISTER, LONG] {
            let (code, report) = audit(&server.url, &["--register", register]).await;
            assert_eq!(code, 0, "{report}");
        }
        server.stop().await;
    }
}
