//! Feeds of the real server: entries as a command prints them, a webhook that is parked and replayed by a command, and a server
//! that ends though someone listens.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use reestr_tests::server::{Server, succeed, tokens};
use reestr_tests::store::{BOTH, Store};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::shared::{REGISTER, append, demo, entry};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A receiver that answers with the status that stands in `answer`; gives where it is, and what it gets.
async fn receiver(answer: watch::Receiver<u16>) -> (String, mpsc::UnboundedReceiver<(HeaderMap, Value)>) {
    let (send, got) = mpsc::unbounded_channel();
    let receive = move |headers: HeaderMap, bytes: Bytes| {
        let (send, status) = (send.clone(), *answer.borrow());
        async move {
            // The test may have ended.
            let _ = send.send((headers, serde_json::from_slice(&bytes).expect("JSON")));
            StatusCode::from_u16(status).expect("a status")
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let router = Router::new().route("/hook", post(receive));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, got)
}

async fn next(got: &mut mpsc::UnboundedReceiver<(HeaderMap, Value)>) -> (HeaderMap, Value) {
    tokio::time::timeout(PATIENCE, got.recv()).await.expect("it is sent something").expect("it goes on")
}

/// `reestr` with these words, on the store.
async fn command(store: &Store, words: &[&str]) -> String {
    let mut args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    args.extend(store.args());
    succeed(&args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_does_not_take_is_parked_and_replayed() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let settings = store.data().join("reestr.toml");
        let text = std::fs::read_to_string(&settings).unwrap() + "webhooks_allow_private = true\n";
        std::fs::write(&settings, text).unwrap();
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let (answer, answers) = watch::channel(410);
        let (url, mut got) = receiver(answers).await;
        assert_eq!(command(&store, &["webhook", "list"]).await, "There are no webhooks.\n");
        let made = created(&server, &tokens, &url).await;
        let id = made["id"].as_str().unwrap();

        let (status, appended) =
            append(&server, &tokens["department"], "one", &entry(&store, 1)).await.unwrap();
        assert_eq!(status, 201, "{appended}");
        let (headers, event) = next(&mut got).await;
        assert_eq!(event["data"]["position"], appended["position"], "{kind:?}");
        let message = headers["webhook-id"].to_str().unwrap().to_owned();
        while !command(&store, &["webhook", "list"]).await.contains("disabled") {}
        let parked = command(&store, &["webhook", "parked", "--webhook", id]).await;
        assert!(
            parked.contains(message.trim_start_matches("msg_")) && parked.contains("status 410"),
            "{parked}"
        );

        // What is done while no server runs is done by the next.
        server.stop().await;
        assert_eq!(command(&store, &["webhook", "replay", id]).await, "1 to be sent again\n");
        assert_eq!(command(&store, &["webhook", "parked"]).await, "Nothing is parked.\n");
        answer.send_replace(204);
        let server = Server::start("serve", &store.args()).await;
        let enable = server.request(reqwest::Method::POST, &format!("/v1/webhooks/{id}/enable"));
        let enabled = enable.bearer_auth(&tokens["department"]).send().await.unwrap();
        assert_eq!(enabled.status(), 200);
        let (headers, event) = next(&mut got).await;
        assert_eq!(
            (headers["webhook-id"].to_str().unwrap(), &event["data"]["position"]),
            (&*message, &appended["position"])
        );
        server.stop().await;
    }
}

async fn created(server: &Server, tokens: &BTreeMap<String, String>, url: &str) -> Value {
    let body = json!({ "url": url, "registers": [REGISTER] });
    let request = server.request(reqwest::Method::POST, "/v1/webhooks").bearer_auth(&tokens["department"]);
    let made = request.json(&body).send().await.unwrap();
    assert_eq!(made.status(), 201);
    made.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_printed_and_who_listens_does_not_hold_up_the_end() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let printed = succeed(&["feed", "--url", &server.url]).await;
        let positions: Vec<u64> = printed
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap())
            .collect();
        assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>(), "{kind:?}");
        assert!(positions.len() > 256, "more than a page");
        let few = succeed(&["feed", "--url", &server.url, "--register", REGISTER, "--after", "1"]).await;
        assert!(few.lines().count() > 0 && few.lines().all(|line| line.contains(REGISTER)));

        let mut stream = server
            .request(reqwest::Method::GET, "/v1/events")
            .bearer_auth(&tokens["department"])
            .send()
            .await
            .unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        append(&server, &tokens["department"], "two", &entry(&store, 2)).await.unwrap();
        let mut told = String::new();
        while !told.contains("reestr.entry.appended") {
            let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("it is told").unwrap();
            told.push_str(std::str::from_utf8(&chunk.expect("it goes on")).unwrap());
        }
        let began = Instant::now();
        let waiting = tokio::spawn(wait(format!("{}/v1/entries", server.url), positions.len() as u64));
        let metrics = || async {
            server.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
        };
        while !metrics().await.contains("reestr_feed_waits 1") {}
        server.stop().await;
        assert!(began.elapsed() < Duration::from_secs(15), "{kind:?}: it took {:?}", began.elapsed());
        waiting.await.expect("no page broke off");
        while let Some(chunk) = stream.chunk().await.expect("the stream is ended, not cut") {
            told.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Waits for entries, page after page, until the server is gone; no page may break off.
async fn wait(url: String, mut after: u64) {
    let client = reqwest::Client::new();
    while let Ok(page) = client.get(format!("{url}?after={after}&wait=50")).send().await {
        let text = page.text().await.expect("a whole page");
        let last: Value = serde_json::from_str(text.lines().last().expect("a last line")).expect("JSON");
        after = last["next"].as_u64().expect("where to go on");
    }
}
