//! Accepting connections, as many as there may be, and the end.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::connection::{Phase, connection};
use super::{Listening, Times, Tls};
use crate::http::admission::{Budget, network};
use crate::problem::{self, Problem};

/// When no connection can be accepted (no descriptors are left), the next attempt waits for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Clients at once that are told that there are too many. Those beyond are cut off.
const TURNED_AWAY_MAX: usize = 64;
/// They are given so long to read that, and so much of what they say is read meanwhile: unread, it would reset the connection.
const TURNED_AWAY_TIME: Duration = Duration::from_secs(2);
const TURNED_AWAY_BYTES: u64 = 64 << 10;

/// What connections share.
struct Accepting {
    router: Router,
    times: Times,
    connections: Budget<IpAddr>,
    tls: Option<Tls>,
    phase: watch::Receiver<Phase>,
    turned_away: Arc<Semaphore>,
    busy: Arc<[u8]>,
    /// The last to be dropped says that every connection has ended.
    open: mpsc::Sender<()>,
}

/// Accepts until `shutdown` completes, then ends.
pub async fn accept(listening: Listening, router: Router, shutdown: impl Future<Output = ()>) {
    let Listening { listener, times, connections, tls } = listening;
    let (tell, phase) = watch::channel(Phase::Serving);
    let (open, mut ended) = mpsc::channel::<()>(1);
    let accepting = Accepting {
        router,
        times,
        connections,
        tls,
        phase,
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
        busy: busy().into(),
        open,
    };
    accepting.until(&listener, shutdown).await;
    // Every answer says from now on that it is the last on its connection, so that nobody sends into one that is being closed.
    tell.send_replace(Phase::Lingering);
    if accepting.connections.held() > 0 {
        accepting.until(&listener, tokio::time::sleep(times.linger)).await;
    }
    // Whoever is in the kernel's queue was accepted, as far as they can tell.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                accepting.begin(stream, peer);
            }
        }
    }
    tell.send_replace(Phase::Ending);
    drop(accepting);
    if tokio::time::timeout(times.grace, ended.recv()).await.is_err() {
        tracing::warn!("requests that did not end in time were broken off");
    }
}

impl Accepting {
    async fn until(&self, listener: &TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => return,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer),
                // The peer went away before it was its turn.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionAborted
                            | ErrorKind::ConnectionReset
                            | ErrorKind::ConnectionRefused
                    ) => {}
                Err(error) => {
                    tracing::error!(error = %error, "no connection can be accepted");
                    tokio::select! {
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                        () = &mut stop => return,
                    }
                }
            }
        }
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr) {
        let open = self.open.clone();
        let Some(counted) = self.connections.take(&network(peer.ip()), 1) else {
            // Over TLS it would take what there is too little of to say so.
            if self.tls.is_none()
                && let Ok(turn) = Arc::clone(&self.turned_away).try_acquire_owned()
            {
                let busy = Arc::clone(&self.busy);
                tokio::spawn(async move {
                    // Whether they hear it is their affair.
                    let _ = tokio::time::timeout(TURNED_AWAY_TIME, turn_away(stream, &busy)).await;
                    drop((turn, open));
                });
            }
            return;
        };
        let (router, phase, times) = (self.router.clone(), self.phase.clone(), self.times);
        let tls = self.tls.clone();
        tokio::spawn(async move {
            connection(stream, tls, peer, router, times, phase).await;
            drop((counted, open));
        });
    }
}

async fn turn_away(mut stream: TcpStream, busy: &[u8]) -> std::io::Result<()> {
    stream.write_all(busy).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(TURNED_AWAY_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

/// What is said on a connection beyond those that may be open.
fn busy() -> Vec<u8> {
    let document = Problem::new(problem::OVERLOADED, "Too many connections are open.").document();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
    .into_bytes()
}
