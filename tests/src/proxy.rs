//! A network of our own between the server and PostgreSQL: it delays, resets, cuts, repeats and falls silent.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It arrives.
    Fair,
    /// It arrives so much later.
    Slow(Duration),
    /// Each connection is reset with the next thing sent.
    Reset,
    /// Half of the next thing sent arrives, then the connection ends.
    Cut,
    /// Nothing arrives, not even that a connection has ended, and what was sent into it is lost for good.
    Silent,
    /// The next thing that the client sends arrives twice.
    RepeatedToServer,
    /// The next thing that the server sends arrives twice.
    RepeatedToClient,
}

/// A proxy on a port of 127.0.0.1.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    weather: watch::Sender<(u32, Weather)>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// In front of `HOST:PORT`.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let (weather, seen) = watch::channel((0, Weather::Fair));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, seen) = (server.clone(), seen.clone());
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        join(client, server, seen).await;
                    }
                });
            }
        });
        Self { port, weather, task }
    }

    /// From now on, for what is sent from now on.
    pub fn weather(&self, weather: Weather) {
        self.weather.send_modify(|now| *now = (now.0 + 1, weather));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(client: TcpStream, server: TcpStream, seen: watch::Receiver<(u32, Weather)>) {
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let since = seen.borrow().0;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // Whichever ends first ends both: their streams are dropped here.
    tokio::select! {
        () = pass(from_client, to_server, seen.clone(), (since, Weather::RepeatedToServer)) => {}
        () = pass(from_server, to_client, seen, (since, Weather::RepeatedToClient)) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    seen: watch::Receiver<(u32, Weather)>,
    (since, repeated): (u32, Weather),
) {
    let mut buffer = vec![0; 65_536];
    let mut suffered = since;
    let mut lost = false;
    loop {
        let read = from.read(&mut buffer).await;
        let (change, weather) = *seen.borrow();
        lost |= weather == Weather::Silent;
        let Ok(count @ 1..) = read else {
            if lost {
                std::future::pending::<()>().await;
            }
            return;
        };
        if lost {
            continue;
        }
        let old = change != since;
        let mut sent = &buffer[..count];
        match weather {
            // The delay is the fault that is made, and not a wait for something: no test goes on by it.
            Weather::Slow(by) => tokio::time::sleep(by).await,
            Weather::Reset => {
                let _ = to.as_ref().set_zero_linger();
                let _ = from.as_ref().set_zero_linger();
                return;
            }
            Weather::Cut if old => sent = &sent[..count / 2],
            weather if weather == repeated && suffered != change => {
                suffered = change;
                if to.write_all(sent).await.is_err() {
                    return;
                }
            }
            _ => {}
        }
        if to.write_all(sent).await.is_err() || (weather == Weather::Cut && old) {
            return;
        }
    }
}
