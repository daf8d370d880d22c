//! One connection, HTTP/1.1 or HTTP/2, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Version, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::patient::Patient;
use super::{Times, Tls};
use crate::feeds::Hangup;
use crate::http::admission::Outgoing;

/// A head of 16 KiB has room for the longest token (8 KiB), and 100 lines for what proxies add.
const HEAD_BYTES_MAX: u32 = 16 << 10;
const HEADERS_MAX: usize = 100;
/// Buffers of a connection, for what is read and what is written: of 2,048 connections 256 MiB at most.
const BUFFER_BYTES: usize = 64 << 10;
/// Requests at once on one connection of HTTP/2. Browsers open six connections of HTTP/1.1.
const STREAMS_MAX: u32 = 64;
/// Streams that a client begins and takes back at once, before the connection is cut (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 32;
/// What a client of HTTP/2 may send on one stream, and on all of them, before it is taken in.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;
/// A peer that vanished is asked for after so long without a byte, and so often.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// How far the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Serving,
    /// Each answer is the last on its connection.
    Lingering,
    /// No answer is begun but to who has asked.
    Ending,
}

/// Serves a connection to its end.
pub async fn connection(
    stream: TcpStream,
    tls: Option<Tls>,
    peer: SocketAddr,
    router: Router,
    times: Times,
    phase: watch::Receiver<Phase>,
) {
    settle(&stream, times.stall);
    let stream = Patient::new(stream, times.stall);
    let Some(tls) = tls else { return http(stream, peer, router, times, phase).await };
    // A client that does not agree on keys, in time or at all, is none.
    if let Ok(Ok(stream)) = tokio::time::timeout(times.handshake, tls.acceptor().accept(stream)).await {
        http(stream, peer, router, times, phase).await;
    }
}

/// Options of the socket. Where one cannot be set, the connection is slower, or a peer that vanished is missed later.
pub fn settle(stream: &TcpStream, stall: Duration) {
    // Answers are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    let _ = socket.set_tcp_user_timeout(Some(stall));
}

/// HTTP on what the transport is.
async fn http<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    times: Times,
    mut phase: watch::Receiver<Phase>,
) {
    let (hangup, outgoing) = (Hangup::default(), Outgoing::default());
    let (asking, begun) = watch::channel(false);
    let mut beginning = begun.clone();
    let asked =
        Asked { peer, hangup: hangup.clone(), outgoing: outgoing.clone(), asking, phase: phase.clone() };
    let builder = builder(times);
    let serving = builder.serve_connection(TokioIo::new(stream), asked.service(router));
    let mut serving = pin!(serving);
    // Before the first bytes have told which HTTP it is, nobody else counts the time.
    let mut first = pin!(tokio::time::sleep(times.head));
    let (mut waiting, mut running, mut lingering) = (true, true, false);
    let mut last = None;
    let mut look = tokio::time::interval(times.stall);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // First, so that a request that is there has begun when the end is looked at.
            biased;
            // How a connection ends is its client's affair: every answer has been counted.
            _ = serving.as_mut() => return,
            // Its client takes nothing of what it asked to be told.
            () = hangup.0.notified() => return,
            () = reached(&mut phase, Phase::Ending), if running => {
                running = false;
                if *begun.borrow() {
                    serving.as_mut().graceful_shutdown();
                } else {
                    // Accepted at the very end: what it asks may be on its way.
                    (waiting, lingering) = (true, true);
                    first.as_mut().reset(Instant::now() + times.linger);
                }
            }
            () = reached(&mut beginning, true), if lingering => {
                lingering = false;
                serving.as_mut().graceful_shutdown();
            }
            () = first.as_mut(), if waiting => {
                waiting = false;
                if !*begun.borrow() {
                    return;
                }
            }
            // Over HTTP/2 a client can leave an answer untaken though the socket takes everything.
            _ = look.tick() => {
                let now = outgoing.progress();
                if now.is_some() && now == last {
                    return;
                }
                last = now;
            }
        }
    }
}

/// Completes when what is watched has this value, or will have no other.
async fn reached<T: PartialEq>(watched: &mut watch::Receiver<T>, value: T) {
    drop(watched.wait_for(|now| *now == value).await);
}

fn builder(times: Times) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(times.head)
        .keep_alive_timeout(times.stall)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(BUFFER_BYTES);
    builder
}

/// What every request of a connection is given.
struct Asked {
    peer: SocketAddr,
    hangup: Hangup,
    outgoing: Outgoing,
    asking: watch::Sender<bool>,
    phase: watch::Receiver<Phase>,
}

type Service = TowerToHyperService<BoxCloneSyncService<Request<Incoming>, Response, Infallible>>;

impl Asked {
    fn service(self, router: Router) -> Service {
        let Self { peer, hangup, outgoing, asking, phase } = self;
        let asking = Arc::new(asking);
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            asking.send_if_modified(|begun| !std::mem::replace(begun, true));
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(hangup.clone());
            request.extensions_mut().insert(outgoing.clone());
            let (version, phase) = (request.version(), phase.clone());
            let answering = router.clone().oneshot(request);
            async move {
                let mut response = answering.await?;
                // HTTP/2 says so for the connection itself.
                if version <= Version::HTTP_11 && *phase.borrow() != Phase::Serving {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(response)
            }
        });
        TowerToHyperService::new(BoxCloneSyncService::new(service))
    }
}
