//! Publishing through witnesses: real witnesses on loopback, that go away, come back, know better, or lie.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::witnesses::{Fault, Options, Publisher, Witnesses};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use proofs::checkpoint::Checkpoint;
use proofs::key::PrivateKey;
use proofs::note::{Cosigner, SignedNote};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Who, World};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a witness of a test does instead of answering.
#[derive(Clone, Default)]
struct Mood {
    away: Arc<AtomicBool>,
    lies: Arc<AtomicBool>,
}

/// A witness that listens.
struct Peer {
    cosigner: Cosigner,
    store: witness::Store,
    mood: Mood,
    url: String,
    serving: tokio::task::JoinHandle<()>,
    _directory: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Peer {
    async fn start(n: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = witness::Store::open(&directory.path().join("witness.db")).await.unwrap();
        let cosigner = Cosigner::new(&format!("w{n}.example"), PrivateKey::from_seed(&[n; 32])).unwrap();
        let now = Arc::new(|| Timestamp::from_millis(1_780_315_200_000));
        let mood = Mood::default();
        let router = witness::router(witness::Witness::new(store.clone(), cosigner.clone(), now))
            .layer(from_fn_with_state(mood.clone(), moody));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { cosigner, store, mood, url, serving, _directory: directory }
    }

    /// As many witnesses, that know the logs of these worlds.
    async fn some(count: u8, worlds: &[&World]) -> Vec<Self> {
        let mut peers = Vec::new();
        for n in 1..=count {
            let peer = Self::start(n).await;
            for world in worlds {
                for log in world.store.logs().await.unwrap() {
                    peer.store.add(&log.key).await.unwrap();
                }
            }
            peers.push(peer);
        }
        peers
    }

    fn away(&self, away: bool) {
        self.mood.away.store(away, Ordering::SeqCst);
    }

    async fn size(&self, world: &World, register: &str) -> Option<u64> {
        let origin = world.store.origin(&slug(register));
        let logs = self.store.logs().await.unwrap();
        logs.into_iter().find(|log| log.origin == origin)?.cosigned.map(|(head, _)| head.size)
    }
}

async fn moody(State(mood): State<Mood>, request: Request, next: Next) -> Response {
    if mood.away.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::OK && mood.lies.load(Ordering::SeqCst) {
        let liar = Cosigner::new("w1.example", PrivateKey::from_seed(&[1; 32])).unwrap();
        return format!("{}\n", liar.cosign("another\n", 5).unwrap()).into_response();
    }
    response
}

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

/// The witnesses of a world, by a policy that ends so. What an append waits for its receipt is given.
fn witnesses(peers: &[Peer], rule: &str, append_wait: Duration) -> Witnesses {
    let mut text = String::new();
    for (peer, n) in peers.iter().zip(1..) {
        let _ = writeln!(text, "witness w{n} {} {}", peer.cosigner.verifier(), peer.url);
    }
    text.push_str(rule);
    let options = Options {
        append_wait,
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        ..Options::default()
    };
    Witnesses::new(text, options).unwrap()
}

const TWO_OF_THREE: &str = "group two 2 w1 w2 w3\nquorum two\n";

async fn published(world: &World, register: &str, size: u64, peers: &[Peer], rule: &str) {
    let patient = witnesses(peers, rule, PATIENCE);
    assert!(
        patient.wait(&world.store, &slug(register), size).await.unwrap(),
        "{register} is not published in time"
    );
}

async fn until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes about in time");
}

/// Who cosigned what is served now, and the size of it.
async fn served(world: &World, register: &str, peers: &[Peer]) -> (u64, Vec<usize>) {
    let answer = world.get(Who::Anyone, &format!("/v1/registers/{register}/checkpoint")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    cosigned(answer.text(), peers)
}

fn cosigned(note: &str, peers: &[Peer]) -> (u64, Vec<usize>) {
    let note = SignedNote::parse(note).unwrap();
    let by = |peer: &Peer| note.cosigned_at(&peer.cosigner.verifier()).is_ok();
    let who = peers.iter().enumerate().filter(|(_, peer)| by(peer)).map(|(n, _)| n + 1).collect();
    (Checkpoint::parse(note.text()).unwrap().size, who)
}

fn entry(world: &World, number: &str) -> serde_json::Value {
    json!({ "type": "issued", "body": world.body(number) })
}

const ENTRIES: &str = "/v1/registers/permits/entries";
const REPRESENT: [(&str, &str); 1] = [("prefer", "return=representation")];

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_three_away_two_publish_and_a_receipt_is_cosigned() {
    for world in World::both_witnessed().await {
        let peers = Peer::some(3, &[&world]).await;
        peers[2].away(true);
        let ours = witnesses(&peers, TWO_OF_THREE, PATIENCE);
        drop(world.state.clone().with_witnesses(ours.clone()));
        let (kind, _) = world.get(Who::Anyone, "/v1/registers/permits/checkpoint").await.problem(503);
        assert_eq!(kind, "not-published", "nothing is shown before it is cosigned");
        assert_eq!(world.get(Who::Anyone, "/v1/registers/none/checkpoint").await.problem(404).0, "not-found");
        let publisher = Publisher::start(&world.store, &ours).unwrap();
        let answer = world
            .send(Who::System, "POST", ENTRIES, &REPRESENT, Some(entry(&world, "A001")))
            .await
            .expect(201);
        let proof = answer["receipt"]["proof"].as_str().expect("a receipt");
        let note = proof.split_once("\n\n").expect("a checkpoint").1;
        assert_eq!(cosigned(note, &peers), (1, vec![1, 2]));
        for register in ["registers", "departments", "persons", "felling"] {
            published(&world, register, 0, &peers, TWO_OF_THREE).await;
            assert_eq!(served(&world, register, &peers).await.1, [1, 2], "{register}");
        }
        // The third comes back, and its cosignature is added to what is published.
        peers[2].away(false);
        until(async || served(&world, "permits", &peers).await == (1, vec![1, 2, 3])).await;
        let record = answer["record"].as_str().expect("a record");
        let witnessed = crate::receipts::witnessed(&world, record).await;
        assert_eq!(witnessed, ["w1", "w2", "w3"], "who cosigned stands in a person's receipt");
        let metrics = world.get(Who::Anyone, "/metrics").await;
        assert!(metrics.text().contains("reestr_register_unpublished_entries{register=\"permits\"} 0"));
        assert!(metrics.text().contains("reestr_witness_answers_total{witness=\"w3\",answer=\"status\"}"));
        publisher.stop().await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_of_three_away_the_entry_stands_and_is_published_later() {
    for world in World::both_witnessed().await {
        let peers = Peer::some(3, &[&world]).await;
        let ours = witnesses(&peers, TWO_OF_THREE, Duration::from_millis(300));
        drop(world.state.clone().with_witnesses(ours.clone()));
        let publisher = Publisher::start(&world.store, &ours).unwrap();
        published(&world, "permits", 0, &peers, TWO_OF_THREE).await;
        peers[0].away(true);
        peers[2].away(true);
        let entries = json!([entry(&world, "A001"), entry(&world, "A002")]);
        let answer = world.send(Who::System, "POST", ENTRIES, &REPRESENT, Some(entries)).await.expect(201);
        let last = &answer["items"][1];
        assert!(last["receipt"].is_null(), "no receipt that is not cosigned: {last}");
        assert_eq!(last["receipt_later"], format!("{ENTRIES}/1/receipt"));
        let (kind, _) = world.get(Who::Anyone, &format!("{ENTRIES}/1/receipt")).await.problem(503);
        assert_eq!(kind, "not-published");
        assert_eq!(world.get(Who::Anyone, &format!("{ENTRIES}/2/receipt")).await.problem(404).0, "not-found");
        assert_eq!(served(&world, "permits", &peers).await.0, 0, "what was published stays");
        assert!(
            world
                .get(Who::Anyone, "/metrics")
                .await
                .text()
                .contains("unpublished_entries{register=\"permits\"} 2")
        );
        peers[0].away(false);
        published(&world, "permits", 2, &peers, TWO_OF_THREE).await;
        let receipt = world.get(Who::Anyone, &format!("{ENTRIES}/1/receipt")).await.expect(200);
        assert!(receipt["proof"].as_str().is_some_and(|proof| proof.contains("— w1.example ")));
        publisher.stop().await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_asks_for_none_publishes_at_once_and_adds_who_comes() {
    for world in World::both_witnessed().await {
        let peers = Peer::some(1, &[&world]).await;
        peers[0].away(true);
        let ours = witnesses(&peers, "quorum none\n", PATIENCE);
        let publisher = Publisher::start(&world.store, &ours).unwrap();
        world.permit("permits", "A001").await;
        published(&world, "permits", 1, &peers, "quorum none\n").await;
        assert_eq!(served(&world, "permits", &peers).await, (1, vec![]));
        peers[0].away(false);
        until(async || served(&world, "permits", &peers).await == (1, vec![1])).await;
        publisher.stop().await;
        world.end().await;
    }
}

/// A store put back to last week, then one that went on from there: another with the same keys has gone further.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_rolled_back_or_forked_publishes_nothing_and_says_so() {
    for rule in [TWO_OF_THREE, "quorum none\n"] {
        let now = World::both_witnessed().await;
        let last_week = World::both_witnessed().await;
        for (now, old) in now.into_iter().zip(last_week) {
            let peers = Peer::some(3, &[&now, &old]).await;
            peers[2].away(true);
            let publisher = Publisher::start(&now.store, &witnesses(&peers, rule, PATIENCE)).unwrap();
            now.permit("permits", "A001").await;
            now.permit("permits", "A002").await;
            until(async || {
                peers[0].size(&now, "permits").await == Some(2)
                    && peers[1].size(&now, "permits").await == Some(2)
            })
            .await;
            publisher.stop().await;

            let ours = witnesses(&peers, rule, PATIENCE);
            drop(old.state.clone().with_witnesses(ours.clone()));
            let publisher = Publisher::start(&old.store, &ours).unwrap();
            let fault = async || {
                let faulty = ours.faulty(&old.store).await.unwrap();
                let mine = faulty.into_iter().filter(|found| found.register == slug("permits"));
                mine.map(|found| (found.witness, found.fault, found.size)).collect::<Vec<_>>()
            };
            let both = |fault: Fault| vec![("w1".to_owned(), fault, 2), ("w2".to_owned(), fault, 2)];
            until(async || fault().await == both(Fault::Ahead)).await;
            let health = old.get(Who::Anyone, "/health/ready").await.expect(200);
            assert_eq!(health["status"], "a register was rolled back or forked");
            assert!(health["contradicted"].as_array().unwrap().iter().any(|found| found["register"]
                == "permits"
                && found["fault"] == "ahead"
                && found["size"] == 2
                && found["witness"] == "w1"));
            // Somebody appends as if nothing were, up to where the witnesses are and past it.
            for number in ["B001", "B002", "B003"] {
                old.permit("permits", number).await;
            }
            until(async || fault().await == both(Fault::Forked)).await;
            assert!(
                old.get(Who::Anyone, "/metrics")
                    .await
                    .text()
                    .contains("reestr_register_contradicted{register=\"permits\"} 2")
            );
            let (kind, _) = old.get(Who::Anyone, "/v1/registers/permits/checkpoint").await.problem(503);
            assert_eq!(kind, "not-published", "{rule}");
            for peer in &peers[..2] {
                assert_eq!(peer.size(&old, "permits").await, Some(2), "no witness follows a fork");
            }
            publisher.stop().await;
            now.end().await;
            old.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_lies_is_not_counted() {
    for world in World::both_witnessed().await {
        let peers = Peer::some(3, &[&world]).await;
        peers[0].mood.lies.store(true, Ordering::SeqCst);
        let ours = witnesses(&peers, TWO_OF_THREE, PATIENCE);
        let publisher = Publisher::start(&world.store, &ours).unwrap();
        published(&world, "permits", 0, &peers, TWO_OF_THREE).await;
        assert_eq!(served(&world, "permits", &peers).await, (0, vec![2, 3]));
        // Two answers were enough: the third may come later.
        let lied = |(witness, answer): &(String, &str)| witness == "w1" && *answer == "false-cosignature";
        until(async || ours.answers().keys().any(lied)).await;
        publisher.stop().await;
        world.end().await;
    }
}

/// One asks; when it ends the other goes on; and both at once never take back what was published.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_take_turns_and_what_is_published_never_goes_back() {
    for world in World::both_witnessed().await {
        let peers = Peer::some(2, &[&world]).await;
        let rule = "group all all w1 w2\nquorum all\n";
        let other = world.again_witnessed(99).await;
        let here = Publisher::start(&world.store, &witnesses(&peers, rule, PATIENCE)).unwrap();
        published(&world, "permits", 0, &peers, rule).await;
        let there = Publisher::start(&other, &witnesses(&peers, rule, PATIENCE)).unwrap();
        let watching = Arc::new(AtomicBool::new(true));
        let watcher = {
            let (store, watching) = (other.clone(), Arc::clone(&watching));
            tokio::spawn(async move {
                let mut last = 0;
                while watching.load(Ordering::SeqCst) {
                    let shown = store.published(&slug("permits")).await.unwrap().unwrap();
                    assert!(shown.size >= last, "from {last} back to {}", shown.size);
                    last = shown.size;
                    tokio::task::yield_now().await;
                }
                last
            })
        };
        for n in 0..10 {
            world.permit("permits", &format!("A{n:03}")).await;
        }
        published(&world, "permits", 10, &peers, rule).await;
        here.stop().await;
        for n in 10..15 {
            world.permit("permits", &format!("A{n:03}")).await;
        }
        published(&world, "permits", 15, &peers, rule).await;
        // Two that both believe that they may: an old one comes late.
        let late = other.published(&slug("permits")).await.unwrap().unwrap();
        world.permit("permits", "A015").await;
        published(&world, "permits", 16, &peers, rule).await;
        let late = SignedNote::parse(&late.note).unwrap();
        assert!(!world.store.publish(&slug("permits"), &late, 9).await.unwrap());
        let bare =
            SignedNote::parse(&world.store.log(&slug("permits")).await.unwrap().unwrap().checkpoint).unwrap();
        assert!(
            !world.store.publish(&slug("permits"), &bare, 0).await.unwrap(),
            "nor do cosignatures get lost"
        );
        watching.store(false, Ordering::SeqCst);
        assert!(watcher.await.unwrap() >= 15);
        assert_eq!(served(&world, "permits", &peers).await, (16, vec![1, 2]));
        there.stop().await;
        other.close().await;
        world.end().await;
    }
}

#[test]
fn a_policy_to_publish_by_says_where_its_witnesses_are() {
    let key = Cosigner::new("w1.example", PrivateKey::from_seed(&[1; 32])).unwrap().verifier();
    let refused = |text: String| Witnesses::new(text, Options::default()).err().expect("refused").to_string();
    assert!(refused(format!("witness w1 {key}\nquorum w1\n")).contains("w1 has no URL"));
    for url in ["w1.example", "ftp://w1.example/", "http:///"] {
        assert!(refused(format!("witness w1 {key} {url}\nquorum w1\n")).contains("is not http"), "{url}");
    }
    assert!(refused("quorum w1\n".to_owned()).starts_with("line 1"));
}
