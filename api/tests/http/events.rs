//! `/v1/events`: who is told of what, where a stream goes on, and what a client that does not read costs.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::world::{Who, World};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A stream of events as its client reads it.
struct Listener {
    chunks: BoxStream<'static, Result<Bytes, axum::Error>>,
    text: String,
}

/// What a stream said: an event with its id, or an id alone.
#[derive(Debug, PartialEq)]
enum Said {
    Event(u64, Box<Value>),
    Reached(u64),
}

impl Listener {
    async fn open(world: &World, who: Who, path: &str, last: Option<u64>) -> Self {
        let mut request = Request::builder().uri(path);
        if let Some(token) = world.token(who) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = world.router.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
        let response = response.expect("it is answered");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut listener =
            Self { chunks: response.into_body().into_data_stream().boxed(), text: String::new() };
        // The first thing said is when to come back: from here on, nothing is missed.
        assert_eq!(listener.block().await.as_deref(), Some("retry: 2000"));
        listener
    }

    /// Up to the next empty line; nothing when the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.chunks.next()).await.expect("it says something")?;
            self.text.push_str(std::str::from_utf8(&chunk.expect("it does not break off")).expect("UTF-8"));
        }
    }

    async fn next(&mut self) -> Option<Said> {
        loop {
            let block = self.block().await?;
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            let id = field("id: ").map(|id| id.parse().expect("a position"));
            match (id, field("data: ")) {
                (Some(id), Some(data)) => {
                    return Some(Said::Event(id, Box::new(serde_json::from_str(&data).expect("JSON"))));
                }
                (Some(id), None) => return Some(Said::Reached(id)),
                (None, None) => assert!(block.starts_with(':'), "{block}"),
                (None, Some(_)) => panic!("an event without an id: {block}"),
            }
        }
    }

    async fn event(&mut self) -> (u64, Value) {
        loop {
            match self.next().await.expect("the stream goes on") {
                Said::Event(id, event) => return (id, *event),
                Said::Reached(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn an_event_is_a_cloud_event_without_a_body() {
    for world in World::both().await {
        let mut listener = Listener::open(&world, Who::Citizen, "/v1/events", None).await;
        let entry = world.permit("notices", "A001").await;
        let (id, event) = listener.event().await;
        assert_eq!(json!(id), entry["position"]);
        let statement = event["data"]["statement"].clone();
        assert!(statement.as_str().is_some_and(|jws| jws.split('.').count() == 3));
        let record = &entry["record"];
        assert_eq!(
            event,
            json!({
                "specversion": "1.0",
                "id": "0",
                "source": "//log.test/registers/notices",
                "type": "reestr.entry.appended",
                "subject": record,
                "time": "2026-06-01T12:00:00.000Z",
                "datacontenttype": "application/json",
                "data": {
                    "position": id, "register": "notices", "index": 0, "record": record, "version": 1, "type": "issued",
                    "status": "valid", "effective_at": "2026-06-01T12:00:00.000Z", "issuer": "roads",
                    "statement": statement,
                },
            })
        );
        world.end().await;
    }
}

/// One entry of each kind; each listener is told of theirs, and of the last one by the operator's entry or the end.
#[tokio::test]
async fn each_is_told_of_what_is_theirs() {
    for world in World::both().await {
        let after = world.store.position().await.expect("it is read");
        let entry = world.permit("notices", "A001").await;
        let pass = json!({ "record": entry["record"], "type": "amended",
            "body": { "subjects": [{ "role": "holder", "person": world.other_citizen }] } });
        world.post(Who::System, "/v1/registers/notices/entries", pass).await.expect(201);
        let felling = json!({ "type": "issued", "body": world.body("A001") });
        world.post(Who::OtherSystem, "/v1/registers/felling/entries", felling).await.expect(201);
        crate::world::appoint(&world.registry, "roads", world.citizen).await;
        let [issued, passed, felled, appointed] = [1, 2, 3, 4].map(|n| after + n);
        for (who, expected) in [
            // Who ceases to be concerned is told of that, and of nothing later.
            (Who::Citizen, vec![issued, passed, felled]),
            (Who::OtherCitizen, vec![passed]),
            (Who::Official, vec![issued, passed]),
            (Who::System, vec![issued, passed]),
            (Who::OtherOfficial, vec![felled]),
            (Who::OtherSystem, vec![felled]),
            (Who::Auditor, vec![issued, passed, felled, appointed]),
            (Who::BareAuditor, vec![issued, passed, felled, appointed]),
            (Who::Operator, vec![appointed]),
        ] {
            let mut listener = Listener::open(&world, who, "/v1/events", Some(after)).await;
            let mut told = Vec::new();
            for _ in &expected {
                told.push(listener.event().await.0);
            }
            assert_eq!(told, expected, "{who:?}");
        }
        // And of nothing else: the stream ends with what it has told.
        let mut listener = Listener::open(&world, Who::OtherCitizen, "/v1/events", Some(after)).await;
        assert_eq!(listener.event().await.0, passed);
        world.permit("notices", "A002").await;
        let pass = json!({ "type": "issued", "body": { "number": "A003", "valid_from": "2026-01-01",
            "subjects": [{ "role": "holder", "person": world.other_citizen }] } });
        let mine = world.post(Who::System, "/v1/registers/permits/entries", pass).await.expect(201);
        assert_eq!(json!(listener.event().await.0), mine["position"]);
        let mut narrow =
            Listener::open(&world, Who::Auditor, "/v1/events?register=felling", Some(after)).await;
        assert_eq!(narrow.event().await.0, felled);
        world.end().await;
    }
}

/// However many listen, the journal is read once: the reads are as many for fifty as for one.
#[tokio::test]
async fn many_listeners_cost_the_reads_of_one() {
    for world in World::both().await {
        let reads_of = async |count: usize, number: &str| {
            let mut listeners = Vec::new();
            for _ in 0..count {
                listeners.push(Listener::open(&world, Who::Citizen, "/v1/events", None).await);
            }
            // Everyone is level with the journal once they have been told of this.
            let level = world.permit("permits", &format!("A{number}0")).await;
            for listener in &mut listeners {
                assert_eq!(json!(listener.event().await.0), level["position"]);
            }
            let before = world.state.feeds().reads();
            for n in 1..=5 {
                let entry = world.permit("permits", &format!("A{number}{n}")).await;
                for listener in &mut listeners {
                    assert_eq!(json!(listener.event().await.0), entry["position"]);
                }
            }
            world.state.feeds().reads() - before
        };
        // Each append is two looks at most: one that finds it, and one that finds nothing after it; a poll may add some.
        let one = reads_of(1, "10").await;
        let fifty = reads_of(50, "20").await;
        assert!(one >= 5 && fifty >= 5, "{one} {fifty}");
        assert!(fifty <= 5 * 2 + 10, "{fifty} reads for fifty listeners, {one} for one");
        world.end().await;
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event() {
    for world in World::both().await {
        // More than are read at once.
        let positions = append_many(&world, 'A', 300).await;
        let mut listener = Listener::open(&world, Who::Citizen, "/v1/events", Some(positions[9])).await;
        for expected in &positions[10..] {
            assert_eq!(listener.event().await.0, *expected);
        }
        // It has caught up, and is told of what comes.
        let next = world.permit("open-permits", "A001").await;
        assert_eq!(json!(listener.event().await.0), next["position"]);
        let last = world.store.position().await.expect("it is read");
        for (bad, path) in [("x", "/v1/events"), ("-1", "/v1/events"), ("", "/v1/events")] {
            let answer = world.send(Who::Citizen, "GET", path, &[("last-event-id", bad)], None).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{bad}");
        }
        let ahead = (last + 1).to_string();
        let answer = world.send(Who::Citizen, "GET", "/v1/events", &[("last-event-id", &ahead)], None).await;
        assert_eq!(answer.problem(400).0, "invalid-request");
        let headers = [("on-behalf-of", &*format!("person={}", world.other_citizen))];
        let answer = world.send(Who::Citizen, "GET", "/v1/events", &headers, None).await;
        assert_eq!(answer.problem(400).0, "invalid-request");
        assert_eq!(world.get(Who::Citizen, "/v1/events?register=nothing").await.problem(404).0, "not-found");
        world.end().await;
    }
}

/// A client that takes nothing is let go; what it missed it is told when it comes back. Others do not notice.
#[tokio::test]
async fn who_does_not_read_is_let_go_and_nobody_waits() {
    for world in World::both_with(quick(), api::webhooks::Settings::default()).await {
        let mut deaf = Listener::open(&world, Who::System, "/v1/events", None).await;
        let mut other = Listener::open(&world, Who::Official, "/v1/events", None).await;
        let mut positions = Vec::new();
        for n in 0..40 {
            let entry = world.permit("permits", &format!("A{n:03}")).await;
            positions.push(entry["position"].as_u64().expect("one"));
            assert_eq!(json!(other.event().await.0), entry["position"]);
        }
        // Only `other` is left.
        while world.state.feeds().streams() > 1 {
            tokio::task::yield_now().await;
        }
        let mut told = Vec::new();
        while let Some(said) = deaf.next().await {
            if let Said::Event(id, _) = said {
                told.push(id);
            }
        }
        assert!(!told.is_empty() && told.len() < 40, "it was told {} of 40", told.len());
        assert_eq!(told, positions[..told.len()]);
        let mut again = Listener::open(&world, Who::System, "/v1/events", told.last().copied()).await;
        for expected in &positions[told.len()..] {
            assert_eq!(again.event().await.0, *expected);
        }
        world.end().await;
    }
}

/// A stream that has nothing to tell says so, and how far the journal is.
#[tokio::test]
async fn a_quiet_stream_says_how_far_it_is() {
    for world in World::both_with(quick(), api::webhooks::Settings::default()).await {
        let mut listener = Listener::open(&world, Who::OtherCitizen, "/v1/events", None).await;
        let entry = world.permit("permits", "A001").await;
        assert_eq!(listener.next().await, Some(Said::Reached(entry["position"].as_u64().expect("one"))));
        assert!(listener.block().await.is_some_and(|said| said.starts_with(':')));
        world.end().await;
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_token_and_with_the_office() {
    for world in World::both_with(quick(), api::webhooks::Settings::default()).await {
        let mut official = Listener::open(&world, Who::Official, "/v1/events", None).await;
        let mut system = Listener::open(&world, Who::System, "/v1/events", None).await;
        crate::world::dismiss(&world.registry, "roads", world.other_citizen).await;
        world.permit("permits", "A001").await;
        while let Some(said) = official.next().await {
            assert!(matches!(said, Said::Reached(_)), "who is no official any more is told {said:?}");
        }
        system.event().await;
        world.clock.advance(3_600_000);
        crate::world::append(&world.registry, "permits", "roads", "issued", world.body("A002")).await;
        while let Some(said) = system.next().await {
            assert!(matches!(said, Said::Reached(_)), "who has no token any more is told {said:?}");
        }
        world.end().await;
    }
}

/// What another server appends is told here too.
#[tokio::test]
async fn a_stream_tells_of_what_other_servers_append() {
    for world in World::both().await {
        let there = world.another(31).await;
        let mut listener = Listener::open(&world, Who::Citizen, "/v1/events", None).await;
        for number in ["A001", "A002", "A003"] {
            let made =
                crate::world::append(there.registry(), "permits", "roads", "issued", world.body(number))
                    .await;
            assert_eq!(listener.event().await.0, made.appended.position);
        }
        there.store().close().await;
        world.end().await;
    }
}

/// Over a real connection: a client that does not read is cut off, however much the kernel would keep for it.
#[tokio::test]
async fn a_connection_that_is_not_read_is_cut() {
    for world in World::both_with(quick(), api::webhooks::Settings::default()).await {
        let listener = keeping_little();
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let serving = tokio::spawn(api::serve(api::Listening::new(listener), world.state.clone(), shutdown));
        let mut stream = connect(address, &world.token(Who::System).expect("a token")).await;
        while world.state.feeds().streams() == 0 {
            tokio::task::yield_now().await;
        }
        let mut letter = b'A';
        while world.state.feeds().streams() > 0 {
            assert!(letter <= b'Z', "26,000 events were written to a client that reads none");
            append_many(&world, char::from(letter), 1_000).await;
            letter += 1;
        }
        // What is left in between comes, and then the end; a reset is one too.
        let mut left = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut left)).await.expect("it was cut");
        assert!(ended.is_err() || !left.ends_with(b"0\r\n\r\n"), "it was cut, not ended");
        drop(stop);
        serving.await.expect("it ends");
        world.end().await;
    }
}

/// A server's socket for which the kernel keeps as little as it can of what is not read.
fn keeping_little() -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(4_096).expect("it is set");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    socket.listen(8).expect("it listens")
}

/// So many permits at once, up to 1,000: their positions.
async fn append_many(world: &World, letter: char, count: u32) -> Vec<u64> {
    use api::registry::{Actor, AppendRequest, EntryRequest};
    let entry = |number: u32| EntryRequest::Platform {
        record: None,
        version: None,
        entry_type: "issued".parse().expect("a type"),
        effective_at: None,
        body: world.body(&format!("{letter}{number:03}")),
    };
    let by = Actor::local("roads".parse().expect("a slug"));
    let request = AppendRequest::new("permits".parse().expect("a slug"), by, (0..count).map(entry).collect());
    let appended = world.registry.append(request).await.expect("they are appended");
    appended.iter().map(|outcome| outcome.appended.position).collect()
}

/// Over a real connection: a stream that is open does not hold up the end.
#[tokio::test]
async fn streams_end_with_the_server() {
    for world in World::both().await {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let serving = tokio::spawn(api::serve(api::Listening::new(listener), world.state.clone(), shutdown));
        let mut stream = connect(address, &world.token(Who::Citizen).expect("a token")).await;
        let mut text = String::new();
        while !text.contains("retry:") {
            read_some(&mut stream, &mut text).await;
        }
        world.permit("permits", "A001").await;
        while !text.contains("reestr.entry.appended") {
            read_some(&mut stream, &mut text).await;
        }
        let began = std::time::Instant::now();
        drop(stop);
        // The chunked body is ended as it should be: the client knows that nothing was cut.
        while !text.ends_with("0\r\n\r\n") {
            read_some(&mut stream, &mut text).await;
        }
        serving.await.expect("it ends");
        assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
        world.end().await;
    }
}

async fn connect(address: SocketAddr, token: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    // The kernel keeps as little as it can for who does not read.
    socket.set_recv_buffer_size(4_096).expect("it is set");
    let mut stream = socket.connect(address).await.expect("a connection");
    let request = format!("GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    stream
}

async fn read_some(stream: &mut TcpStream, text: &mut String) {
    let mut bytes = [0; 4096];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.expect("something comes");
    let read = read.expect("it is read");
    assert!(read > 0, "the connection ended early: {text}");
    text.push_str(&String::from_utf8_lossy(&bytes[..read]));
}

/// Feeds whose times are short enough to be waited for.
fn quick() -> api::feeds::Settings {
    api::feeds::Settings {
        poll: Duration::from_millis(20),
        keep_alive: Duration::from_millis(40),
        stall: Duration::from_millis(40),
    }
}
