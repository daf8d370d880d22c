//! A server that lies: between the audit and an honest server stands one that shows something else.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use reestr_tests::server::{self, Server};
use reestr_tests::store::{Kind, Store};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::shared::{audit, demo, rules};

/// A register of the demo that is public.
const PUBLIC: &str = "country";

/// What becomes of an answer: by its path, its status and its bytes.
type Lie = fn(&str, StatusCode, Vec<u8>) -> (StatusCode, Vec<u8>);

#[derive(Clone)]
struct Proxy {
    server: Arc<str>,
    client: reqwest::Client,
    lie: Arc<Mutex<Lie>>,
}

async fn pass(State(proxy): State<Proxy>, uri: Uri) -> (StatusCode, Vec<u8>) {
    let answer =
        proxy.client.get(format!("{}{uri}", proxy.server)).send().await.expect("the honest one answers");
    let (status, bytes) = (answer.status(), answer.bytes().await.expect("a whole answer").to_vec());
    let lie = *proxy.lie.lock().unwrap_or_else(PoisonError::into_inner);
    lie(uri.path(), status, bytes)
}

/// Changes the items of the answers to one path.
fn items(path: &str, of: &str, bytes: Vec<u8>, change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    if path != of {
        return bytes;
    }
    let mut page: Value = serde_json::from_slice(&bytes).expect("JSON");
    change(page["items"].as_array_mut().expect("a list"));
    page.to_string().into_bytes()
}

const REGISTERS: &str = "/v1/registers";
const ENTRIES: &str = "/v1/registers/country/entries";

fn honest(_: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    (status, bytes)
}

fn hides_a_register(path: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    (status, items(path, REGISTERS, bytes, |items| items.retain(|item| item["slug"] != PUBLIC)))
}

fn shows_no_entries(path: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    if path == ENTRIES { (StatusCode::FORBIDDEN, Vec::new()) } else { (status, bytes) }
}

fn hides_a_body(path: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let hide = |items: &mut Vec<Value>| {
        items[2]["body"] = Value::Null;
        items[2]["salt"] = Value::Null;
    };
    (status, items(path, ENTRIES, bytes, hide))
}

fn shows_a_false_body_without_salt(path: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let change = |items: &mut Vec<Value>| {
        items[2]["body"] = serde_json::json!({"name": "Atlantis"});
        items[2]["salt"] = Value::Null;
    };
    (status, items(path, ENTRIES, bytes, change))
}

fn shows_an_entry_twice(path: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let twice = |items: &mut Vec<Value>| {
        let mut other = items[2].clone();
        other["body"] = serde_json::json!({"name": "Atlantis"});
        items.insert(2, other);
    };
    (status, items(path, ENTRIES, bytes, twice))
}

/// Starts to stand between; gives its address, what it lies, and its task.
async fn stand_between(server: &Server) -> (String, Arc<Mutex<Lie>>, JoinHandle<std::io::Result<()>>) {
    let lie = Arc::new(Mutex::new(honest as Lie));
    let proxy =
        Proxy { server: server.url.as_str().into(), client: reqwest::Client::new(), lie: lie.clone() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let serving = axum::serve(listener, Router::new().fallback(pass).with_state(proxy)).into_future();
    (url, lie, tokio::spawn(serving))
}

/// Answers of earlier, each given once.
static EARLIER: Mutex<Vec<(String, Vec<u8>)>> = Mutex::new(Vec::new());

fn answers_as_earlier(path: &str, status: StatusCode, bytes: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let mut earlier = EARLIER.lock().unwrap_or_else(PoisonError::into_inner);
    match earlier.iter().position(|(of, _)| of == path) {
        Some(at) => (StatusCode::OK, earlier.swap_remove(at).1),
        None => (status, bytes),
    }
}

/// An auditor may read a checkpoint, and `registers` only after a key that signed it has ended: nothing is wrong then. But if the old
/// checkpoint is all that is ever shown, it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_from_before_the_end_of_its_key_is_fetched_again() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let (url, lie, serving) = stand_between(&server).await;
    for register in [PUBLIC, "departments"] {
        let mut earlier = Vec::new();
        for what in ["checkpoint", "key"] {
            let path = format!("/v1/registers/{register}/{what}");
            let answer = server.request(reqwest::Method::GET, &path).send().await.expect("an answer");
            earlier.push((path, answer.bytes().await.expect("a whole answer").to_vec()));
        }
        for step in ["rotate", "retire"] {
            let mut args = words(&["keys", step, "--register", register]);
            args.extend(store.args());
            server::succeed(&args).await;
        }
        for (times, expected) in [(1, &[][..]), (20, &["checkpoint-key"][..])] {
            let all = std::iter::repeat_n(&earlier, times).flatten().cloned().collect();
            *EARLIER.lock().unwrap_or_else(PoisonError::into_inner) = all;
            *lie.lock().unwrap_or_else(PoisonError::into_inner) = answers_as_earlier;
            let (code, report) = audit(&url, &["--register", PUBLIC]).await;
            assert_eq!(
                (code, rules(&report)),
                (i32::from(times > 1), words(expected)),
                "{register}: {report}"
            );
            let left = std::mem::take(&mut *EARLIER.lock().unwrap_or_else(PoisonError::into_inner)).len();
            assert!(left < 2 * times, "{register}: nothing of earlier was answered");
        }
    }
    serving.abort();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_is_found_out() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let (url, lie, serving) = stand_between(&server).await;

    let lies: [(&str, Lie, &[&str]); 6] = [
        ("nothing", honest, &[]),
        ("a register is not listed", hides_a_register, &["register-hidden"]),
        ("the entries of a public register are not shown", shows_no_entries, &["listing"]),
        ("a public body is not shown", hides_a_body, &["body-missing"]),
        ("a false body comes without salt", shows_a_false_body_without_salt, &["digest"]),
        ("an entry is listed twice", shows_an_entry_twice, &["listing"]),
    ];
    let state = tempfile::tempdir().expect("a temporary directory");
    let state = state.path().to_str().expect("UTF-8");
    for (what, one, expected) in lies {
        *lie.lock().unwrap_or_else(PoisonError::into_inner) = one;
        let (code, report) = audit(&url, &[]).await;
        assert_eq!(
            (code, rules(&report)),
            (i32::from(!expected.is_empty()), words(expected)),
            "{what}: {report}"
        );
        if expected.is_empty() {
            assert_eq!(audit(&url, &["--state", state]).await.0, 0, "{what}");
        }
    }
    *lie.lock().unwrap_or_else(PoisonError::into_inner) = hides_a_register;
    let (code, report) = audit(&url, &["--state", state, "--register", PUBLIC]).await;
    assert_eq!(
        (code, rules(&report)),
        (1, words(&["register-missing"])),
        "asked for, kept, and gone: {report}"
    );
    serving.abort();
    server.stop().await;
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
