//! A receiver of webhooks on this machine, which answers as it is told and keeps what it was sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    Status(u16),
    /// Elsewhere, on the same machine.
    Redirect,
    /// With an error and a wish.
    RetryAfter(u64),
    Never,
}

/// What it was sent.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("it is JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII")).unwrap_or_default()
    }

    pub fn position(&self) -> u64 {
        self.json()["data"]["position"].as_u64().expect("a position")
    }

    /// Does one of its signatures hold under this secret? As the specification says, and with nothing of ours.
    pub fn signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
        mac.update(self.header("webhook-id").as_bytes());
        mac.update(b".");
        mac.update(self.header("webhook-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&self.bytes);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

#[derive(Clone)]
struct Shared {
    /// What it answers next; the last for ever.
    plan: Arc<Mutex<VecDeque<Answering>>>,
    got: mpsc::UnboundedSender<Got>,
}

/// A receiver.
pub struct Receiver {
    address: SocketAddr,
    shared: Shared,
    got: mpsc::UnboundedReceiver<Got>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// That answers so, one after the other; the last for ever.
    pub async fn start(plan: &[Answering]) -> Self {
        let (send, got) = mpsc::unbounded_channel();
        let shared = Shared { plan: Arc::new(Mutex::new(plan.iter().copied().collect())), got: send };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/{*path}", post(receive)).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, shared, got, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn answer(&self, plan: &[Answering]) {
        *self.shared.plan.lock().expect("no panic") = plan.iter().copied().collect();
    }

    /// The next that it is sent.
    pub async fn next(&mut self) -> Got {
        let got = tokio::time::timeout(PATIENCE, self.got.recv()).await.expect("it is sent something");
        got.expect("it goes on")
    }

    /// What it was sent besides.
    pub fn rest(&mut self) -> Vec<Got> {
        std::iter::from_fn(|| self.got.try_recv().ok()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(
    State(shared): State<Shared>,
    axum::extract::Path(path): axum::extract::Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let answering = {
        let mut plan = shared.plan.lock().expect("no panic");
        if plan.len() > 1 { plan.pop_front() } else { plan.front().copied() }
    };
    // The test may have ended.
    let _ = shared.got.send(Got { path, headers, bytes });
    match answering.expect("it has a plan") {
        Answering::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answering::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Answering::RetryAfter(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", seconds.to_string())]).into_response()
        }
        Answering::Never => std::future::pending().await,
    }
}
