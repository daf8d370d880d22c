//! A server of its own, in this process, and callers over HTTP on threads of their own.

use std::sync::Arc;
use std::time::Duration;

use api::auth::{Grant, Role};
use eventstore::Clock as _;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::append::{Door, department};
use super::cpu::CLIENT_THREADS;
use super::entries::Signed;
use super::store::Bench;
use crate::failure::Failure;
use crate::serving::{Serving, token_issuer};
use crate::system::SystemClock;

/// A token is good for as long as the longest run.
const TOKEN_DAYS: i64 = 7;
/// Times that a request is sent while the server has too much to do.
const ATTEMPTS: u32 = 60;
/// A caller waits for so long at most before it comes again.
const WAIT_SECONDS_MAX: u64 = 10;

/// Threads for callers, with a name that their processor time is found by.
pub struct Callers(Option<Runtime>);

impl Callers {
    /// As many threads as cores: the server is not to wait for its clients more than it must.
    pub fn start(cores: usize) -> Result<Self, Failure> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(cores.max(1)).thread_name(CLIENT_THREADS).enable_all().build();
        runtime
            .map(|runtime| Self(Some(runtime)))
            .map_err(|error| Failure::because("threads for callers", &error))
    }

    /// Where to spawn them.
    pub fn handle(&self) -> Handle {
        self.0.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Not waited for: it may be dropped where nothing may block.
            runtime.shutdown_background();
        }
    }
}

/// A server under way on a store.
pub struct Server {
    /// Its base URL.
    pub url: String,
    /// How far its projectors are.
    pub projections: projections::Handle,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), Failure>>,
}

impl Server {
    /// Serves a store, as `reestr serve` does. With the server the store is closed.
    pub async fn start(bench: &Bench) -> Result<Self, Failure> {
        let serving = Serving::prepare(bench.opened.share(), Some(([127, 0, 0, 1], 0).into())).await?;
        let (url, projections) = (serving.url.clone(), serving.projections());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // An error says that nobody is left to stop it: that is a stop too.
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serving.until(shutdown));
        Ok(Self { url, projections, stop, serving })
    }

    /// Ends it.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        self.serving.await.map_err(|error| Failure::because("the server has ended", &error))?
    }
}

/// A client of a server.
#[derive(Clone)]
pub struct Http {
    client: Client,
    url: Arc<str>,
    token: Arc<str>,
    callers: Handle,
}

/// Whose token a client has.
pub enum Who {
    /// The department's system.
    Department,
    /// A person.
    Citizen(Uuid),
}

impl Http {
    /// A client with a token of the server's own issuer.
    pub async fn new(bench: &Bench, server: &Server, callers: &Callers, who: Who) -> Result<Self, Failure> {
        let issuer = token_issuer(&bench.opened).await?;
        let issued_at = SystemClock.now();
        let (subject, role, department) = match who {
            Who::Department => ("bench-system".to_owned(), Role::Department, Some(department()?)),
            Who::Citizen(person) => (person.to_string(), Role::Citizen, None),
        };
        let expires_at = issued_at.plus_millis(TOKEN_DAYS * 86_400_000);
        let grant = Grant { subject, role, department, scope: None, issued_at, expires_at };
        let token = issuer.mint(grant).map_err(|error| Failure::because("a token", &error))?;
        // Connections are kept: each caller has one.
        let client = Client::builder().no_proxy().tcp_nodelay(true).pool_max_idle_per_host(1_024).build();
        let client = client.map_err(|error| Failure::because("the HTTP client", &error))?;
        Ok(Self { client, url: server.url.as_str().into(), token: token.into(), callers: callers.handle() })
    }

    /// Where its callers run.
    pub fn on(&self) -> Handle {
        self.callers.clone()
    }

    /// The same client, of another server.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.into(), ..self.clone() }
    }

    /// GET, read to its end. Gives the bytes of the answer.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let request = || self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        patiently(request, path).await
    }
}

/// Sends a request again while the server has too much to do, as often as it says; all of that is one call.
async fn patiently(request: impl Fn() -> reqwest::RequestBuilder, path: &str) -> Result<Vec<u8>, Failure> {
    for _ in 0..ATTEMPTS {
        match answer(request(), path).await? {
            Ok(answer) => return Ok(answer),
            Err(wait) => tokio::time::sleep(Duration::from_secs(wait.min(WAIT_SECONDS_MAX))).await,
        }
    }
    Err(Failure::failed(format!("{path}: {ATTEMPTS} times told to come again")))
}

/// What was answered, or the number of seconds after which to ask again.
async fn answer(request: reqwest::RequestBuilder, path: &str) -> Result<Result<Vec<u8>, u64>, Failure> {
    let failed = |error: reqwest::Error| Failure::because(path, &error);
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let wait = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
    let bytes = response.bytes().await.map_err(failed)?;
    match (status, wait) {
        (StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => Ok(Err(wait)),
        _ if status.is_success() => Ok(Ok(bytes.to_vec())),
        _ => Err(Failure::failed(format!("{path}: {status}: {}", String::from_utf8_lossy(&bytes)))),
    }
}

/// A request that is ready to be sent.
pub struct Ready {
    path: String,
    key: String,
    body: String,
    entries: u64,
}

impl Door for Http {
    type Call = Ready;

    fn prepare(&self, entries: Vec<Signed>) -> Ready {
        let register = entries.first().map(|entry| entry.register.to_string()).unwrap_or_default();
        let documents: Vec<String> = entries.iter().map(Signed::to_json).collect();
        let body = match documents.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(",")),
        };
        Ready {
            path: format!("/v1/registers/{register}/entries"),
            key: entries.first().map(|entry| entry.salt.to_string()).unwrap_or_default(),
            entries: entries.len() as u64,
            body,
        }
    }

    /// Under an idempotency key, as a client that must not lose an answer sends it; one entry with its receipt in the answer. A
    /// caller that is told to come again does, and all of that counts as one call.
    async fn call(&self, call: Ready) -> Result<u64, Failure> {
        let represent = if call.entries == 1 { "return=representation" } else { "return=minimal" };
        let request = || {
            let request = self.client.post(format!("{}{}", self.url, call.path)).bearer_auth(&self.token);
            let request = request.header("content-type", "application/json").header("prefer", represent);
            request.header("idempotency-key", &call.key).body(call.body.clone())
        };
        let answer = patiently(request, &call.path).await?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| Failure::because("an answer", &error))?;
        let whole = match answer["items"].as_array() {
            Some(items) => items.len() as u64 == call.entries,
            None => answer["receipt"].is_object(),
        };
        if whole {
            Ok(call.entries)
        } else {
            Err(Failure::failed("an answer came without all its entries, or without its receipt"))
        }
    }

    fn callers(&self) -> Handle {
        self.on()
    }
}
