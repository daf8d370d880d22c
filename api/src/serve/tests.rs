//! Over real connections, with times short enough to be waited for.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::http::admission::{Outgoing, held};

const SHORT: Duration = Duration::from_millis(50);
/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_mins(1);
/// More than the kernel keeps for a client that does not read.
const LONG_BYTES: usize = 32 << 20;

/// Each of them so long that another is what a test sees.
fn long() -> Times {
    Times {
        handshake: PATIENCE,
        head: PATIENCE,
        stall: PATIENCE,
        notice: Duration::ZERO,
        linger: SHORT,
        grace: PATIENCE,
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(times: Times, connections: u64, router: Router) -> Self {
        Self::start_with(None, times, connections, router).await
    }

    async fn start_with(tls: Option<Tls>, times: Times, connections: u64, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let listening = Listening { listener, times, connections: Budget::new(connections), tls };
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve_router(listening, router, shutdown));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn stop(self) {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").expect("it does not panic");
    }
}

/// Everything that comes until the connection ends. One that is cut with something unread is reset.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut got)).await.expect("it ends");
    got
}

fn plain() -> Router {
    Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route(
            "/long",
            get(|outgoing: Option<Extension<Outgoing>>| async {
                let Extension(outgoing) = outgoing.expect("each request has it");
                held(Body::from(vec![7; LONG_BYTES]), outgoing, ())
            }),
        )
}

/// What a server answers to these bytes, until it closes the connection.
async fn answer(times: Times, sent: &[u8]) -> String {
    let server = Running::start(times, 8, plain()).await;
    let mut stream = server.connect().await;
    stream.write_all(sent).await.expect("it is sent");
    let answer = rest(&mut stream).await;
    server.stop().await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_client_is_answered_and_known_by_its_address() {
    let whole = answer(long(), b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with("\r\n\r\n127.0.0.1"), "{whole}");
}

/// Nothing, half a preface of HTTP/2, half a head, and nothing after a request: each connection is closed.
#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let times = Times { head: SHORT, ..long() };
    for silent in ["", "PRI", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let got = answer(times, silent.as_bytes()).await;
        assert!(!got.contains("200"), "{silent}: {got}");
    }
    let kept = answer(times, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(kept.matches("200 OK").count(), 1, "{kept}");
}

/// Nothing, half the head of a record, and a record that has not all arrived: none of them is waited for longer than a handshake may take.
#[tokio::test]
async fn a_handshake_that_is_not_ended_is_cut() {
    let certificate = include_bytes!("../../../tests/e2e/faults/tls/server.crt");
    let tls = Tls::new(certificate, include_bytes!("../../../tests/e2e/faults/tls/server.key")).expect("TLS");
    let times = Times { handshake: SHORT, ..long() };
    let server = Running::start_with(Some(tls), times, 8, plain()).await;
    for sent in [&b""[..], b"\x16\x03", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut stream = server.connect().await;
        stream.write_all(sent).await.expect("it is sent");
        assert!(rest(&mut stream).await.is_empty(), "nothing is said to who sent {sent:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let many: String = "x: y\r\n".repeat(201);
    let long_one = format!("x: {}\r\n", "y".repeat(100_000));
    for lines in [many, long_one] {
        let got = answer(long(), format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes()).await;
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 431 "), "{got}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let server = Running::start(Times { stall: SHORT, ..long() }, 8, plain()).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("it is set");
    let mut stream = socket.connect(server.address).await.expect("a connection");
    stream.write_all(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
    // It has nothing to do with the connection any more: told to stop, it has no one to wait for.
    server.stop().await;
    assert!(rest(&mut stream).await.len() < LONG_BYTES);
}

#[tokio::test]
async fn a_peer_that_vanished_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let _client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    let (stream, _) = listener.accept().await.expect("it is accepted");
    connection::settle(&stream, SHORT);
    let socket = socket2::SockRef::from(&stream);
    assert!(socket.keepalive().expect("it is read") && socket.tcp_nodelay().expect("it is read"));
    assert_eq!(socket.tcp_user_timeout().expect("it is read"), Some(SHORT));
}

#[tokio::test]
async fn connections_have_a_bound_and_one_network_leaves_some_to_others() {
    let server = Running::start(long(), 4, plain()).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
        let mut got = [0; 15];
        stream.read_exact(&mut got).await.expect("it is answered");
        assert_eq!(&got, b"HTTP/1.1 200 OK");
        kept.push(stream);
    }
    let mut fourth = server.connect().await;
    fourth.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
    let refused = String::from_utf8_lossy(&rest(&mut fourth).await).into_owned();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    let document = refused.split("\r\n\r\n").nth(1).expect("a body");
    let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
    assert_eq!(document["type"], "/problems/overloaded");
    let elsewhere = TcpSocket::new_v4().expect("a socket");
    elsewhere.bind("127.0.0.2:0".parse().expect("an address")).expect("all of 127 is this machine");
    let mut elsewhere = elsewhere.connect(server.address).await.expect("a connection");
    let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    elsewhere.write_all(close).await.expect("it is sent");
    let answer = String::from_utf8_lossy(&rest(&mut elsewhere).await).into_owned();
    assert!(answer.ends_with("\r\n\r\n127.0.0.2"), "{answer}");
    drop(kept);
    server.stop().await;
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The preface, and settings of which streams have no window, so that no answer can be sent.
fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    bytes
}

/// A request: `GET path`, complete.
fn request(stream: u32, path: &str) -> Vec<u8> {
    let mut head = vec![0x82, 0x86, 0x41, 1, b'x', 0x04, u8::try_from(path.len()).expect("it is short")];
    head.extend(path.as_bytes());
    frame(1, 5, stream, &head)
}

/// Kinds of the frames in what came, and the payload of the last.
fn frames(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut kinds, mut last, mut rest) = (Vec::new(), &[][..], bytes);
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).expect("24 bits");
        let Some((payload, after)) = after.split_at_checked(length) else { break };
        kinds.push(*kind);
        (last, rest) = (payload, after);
    }
    (kinds, last)
}

/// CVE-2023-44487: streams that are begun and taken back as fast as can be.
#[tokio::test]
async fn requests_begun_and_taken_back_end_the_connection() {
    let server = Running::start(long(), 8, plain()).await;
    let mut stream = server.connect().await;
    let mut sent = preface();
    for at in 0..10_000 {
        sent.extend(request(2 * at + 1, "/"));
        sent.extend(frame(3, 0, 2 * at + 1, &8_u32.to_be_bytes()));
    }
    let (mut read, mut write) = stream.split();
    let mut got = Vec::new();
    let (_, ended) =
        tokio::join!(write.write_all(&sent), tokio::time::timeout(PATIENCE, read.read_to_end(&mut got)));
    let _ = ended.expect("the server ends it");
    let (kinds, last) = frames(&got);
    if kinds.last() == Some(&7) {
        assert_eq!(last[4..8], 11_u32.to_be_bytes(), "ENHANCE_YOUR_CALM");
    }
    server.stop().await;
}

/// A client of HTTP/2 that takes the bytes of the connection, and nothing of its answer; and one that says nothing any more.
#[tokio::test]
async fn a_stream_that_is_not_taken_ends_the_connection() {
    for times in [Times { stall: SHORT, ..long() }, Times { head: SHORT, stall: SHORT, ..long() }] {
        let server = Running::start(times, 8, plain()).await;
        let mut stream = server.connect().await;
        let mut sent = preface();
        sent.extend(request(1, "/long"));
        stream.write_all(&sent).await.expect("it is sent");
        let got = rest(&mut stream).await;
        let (kinds, _) = frames(&got);
        assert!(kinds.contains(&1) && !kinds.contains(&0), "a head, and no data: {kinds:?}");
        server.stop().await;
    }
}

/// Whoever was connected when the server was told to stop, and asked, is answered, and told that the connection ends.
#[tokio::test]
async fn who_has_asked_is_answered_before_the_end() {
    let (begun, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, free) = (Arc::clone(&begun), Arc::clone(&release));
    let slow = get(move || {
        let (count, free) = (Arc::clone(&count), Arc::clone(&free));
        async move {
            let released = free.notified();
            count.fetch_add(1, Ordering::SeqCst);
            released.await;
            "done"
        }
    });
    let server = Running::start(long(), 1_000, plain().route("/slow", slow)).await;
    let address = server.address;
    let ask = |path: &'static str| async move {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.expect("who was accepted is heard");
        Some(String::from_utf8_lossy(&rest(&mut stream).await).into_owned())
    };
    let mut idle = server.connect().await;
    let waiting: Vec<_> = (0..16).map(|_| tokio::spawn(ask("/slow"))).collect();
    while begun.load(Ordering::SeqCst) < 16 {
        tokio::task::yield_now().await;
    }
    let Running { stop, task, .. } = server;
    drop(stop);
    // These come while it ends: each is answered, or was never accepted.
    let late = join_all((0..64).map(|_| ask("/"))).await;
    assert!(rest(&mut idle).await.is_empty(), "one that asks nothing is closed");
    release.notify_waiters();
    let answers = join_all(waiting).await.into_iter().map(|answer| answer.expect("it does not panic"));
    let answers: Vec<_> = answers.map(|answer| answer.expect("it was accepted")).collect();
    assert!(answers.iter().all(|answer| answer.ends_with("\r\n\r\ndone")), "{answers:?}");
    for answer in answers.iter().chain(late.iter().flatten()) {
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    tokio::time::timeout(PATIENCE, task).await.expect("it ends").expect("it does not panic");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_broken_off() {
    let begun = Arc::new(Notify::new());
    let beginning = Arc::clone(&begun);
    let never = get(move || {
        beginning.notify_one();
        std::future::pending::<&str>()
    });
    let server = Running::start(Times { grace: SHORT, ..long() }, 8, Router::new().route("/", never)).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is sent");
    begun.notified().await;
    server.stop().await;
}
