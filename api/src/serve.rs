//! Serving: the router on a listener, until it is told to stop.
//!
//! Connections are accepted here and not by `axum::serve`, which gives a client for ever to say what it wants.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tower::ServiceExt as _;

use crate::consents;
use crate::feeds::Hangup;
use crate::http::AppState;
use crate::routes;

/// Other servers' changes of definitions and departments are taken in so often, where no request asks for them sooner.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
/// Requests under way get so long to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(20);
/// A request's head has so long to arrive; a connection without one is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// When no connection can be accepted (no descriptors are left), the next attempt waits for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until `shutdown` completes; then lets requests under way end.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: impl Future<Output = ()>) {
    let following = tokio::spawn(follow(state.clone()));
    // A mirror ends no consents: it is told when they ended.
    let sweeping = (!state.store().is_mirror()).then(|| tokio::spawn(consents::follow(state.clone())));
    let withholding = state.withholding().cloned().map(|orders| tokio::spawn(orders.follow()));
    let feeds = state.feeds().clone();
    // Those who wait or listen would hold up the end for as long as they like.
    let shutdown = async move {
        shutdown.await;
        feeds.stop();
    };
    serve_router(listener, routes::router(state), shutdown).await;
    following.abort();
    sweeping.inspect(tokio::task::JoinHandle::abort);
    if let Some(withholding) = withholding {
        withholding.abort();
    }
}

/// Serves any router in the same way.
pub async fn serve_router(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    accept(listener, router, HEAD_TIMEOUT, shutdown).await;
}

async fn accept(listener: TcpListener, router: Router, head: Duration, shutdown: impl Future<Output = ()>) {
    // Dropping `stop` is the signal to end; the last `open` to be dropped says that every connection has.
    let (stop, stopped) = watch::channel(());
    let (open, mut ended) = mpsc::channel::<()>(1);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, stopped, open) = (router.clone(), stopped.clone(), open.clone());
                tokio::spawn(async move {
                    connection(stream, peer, router, head, stopped).await;
                    drop(open);
                });
            }
            // The peer went away before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                tracing::error!(error = %error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((listener, stop, open));
    if tokio::time::timeout(GRACE, ended.recv()).await.is_err() {
        tracing::warn!("requests that did not end in time were broken off");
    }
}

/// Serves one connection, HTTP/1.1 or HTTP/2, to its end.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head: Duration,
    mut stopped: watch::Receiver<()>,
) {
    // Answers are written whole: waiting for more to send would only delay them. Where that cannot be set, it is slower.
    let _ = stream.set_nodelay(true);
    let hangup = Hangup::default();
    let offered = hangup.clone();
    let begun = Arc::new(AtomicBool::new(false));
    let beginning = Arc::clone(&begun);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        beginning.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(offered.clone());
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(head);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut serving = pin!(serving);
    // Before the first bytes have told which HTTP it is, nobody else counts the time.
    let mut first = pin!(tokio::time::sleep(head));
    let (mut waiting, mut running) = (true, true);
    loop {
        tokio::select! {
            // How a connection ends is its client's affair: every answer has been counted.
            _ = serving.as_mut() => break,
            // Its client takes nothing of what it asked to be told.
            () = hangup.0.notified() => break,
            () = first.as_mut(), if waiting => {
                waiting = false;
                if !begun.load(Ordering::Relaxed) {
                    break;
                }
            }
            _ = stopped.changed(), if running => {
                running = false;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Keeps what is in force fresh: a register redefined through another server is redefined here too.
async fn follow(state: AppState) {
    let mut tick = tokio::time::interval(FOLLOW_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = state.registry().refresh().await {
            tracing::warn!(error = %error, "could not read what is in force");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    /// What a server that waits for a moment answers to these bytes, until it closes the connection.
    async fn answer(sent: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }));
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let serving = tokio::spawn(accept(listener, router, Duration::from_millis(50), shutdown));
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let mine = stream.local_addr().expect("an address").to_string();
        stream.write_all(sent).await.expect("it is sent");
        let mut answer = Vec::new();
        // A connection that is cut with something unread is reset.
        let _ = stream.read_to_end(&mut answer).await;
        drop(stop);
        serving.await.expect("it ends");
        String::from_utf8_lossy(&answer).replace(&mine, "me")
    }

    #[tokio::test]
    async fn a_client_is_answered_and_known_by_its_address() {
        let whole = answer(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with("\r\n\r\nme"), "{whole}");
    }

    /// Nothing, half a preface of HTTP/2, half a head, and nothing after a request: each connection is closed.
    #[tokio::test]
    async fn a_connection_without_a_request_is_closed() {
        for silent in ["", "PRI", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            let got = answer(silent.as_bytes()).await;
            assert!(!got.contains("200"), "{silent}: {got}");
        }
        let kept = answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(kept.matches("200 OK").count(), 1, "{kept}");
    }
}
