//! What a server serves, held in memory: recorded from an honest one, or made by a forger; changed at will, and served again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use proofs::checkpoint::Checkpoint;
use proofs::tile;
use serde_json::Value;

use crate::shared::audit;

/// Answers by path and query.
#[derive(Clone, Default)]
pub struct Site(BTreeMap<String, (StatusCode, Vec<u8>)>);

/// Path of something of a register.
pub fn of(register: &str, name: &str) -> String {
    format!("/v1/registers/{register}/{name}")
}

/// The page of a register's list of entries that begins with this index, as an audit asks for it.
pub fn page(register: &str, first: u64) -> String {
    let after = first.checked_sub(1).map_or(String::new(), |after| format!("&after={after}"));
    of(register, &format!("entries?limit=256{after}"))
}

impl Site {
    /// What is answered.
    pub fn get(&self, path: &str) -> &[u8] {
        &self.0.get(path).unwrap_or_else(|| panic!("{path} was not asked for")).1
    }

    /// Answers this from now on.
    pub fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.0.insert(path.to_owned(), (StatusCode::OK, bytes.into()));
    }

    /// Answers with a status and nothing else.
    pub fn refuse(&mut self, path: &str, status: StatusCode) {
        self.get(path);
        self.0.insert(path.to_owned(), (status, Vec::new()));
    }

    /// Changes an answer's bytes.
    pub fn bytes(&mut self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.get(path).to_vec();
        change(&mut bytes);
        self.put(path, bytes);
    }

    /// Changes one bit of a byte.
    pub fn flip(&mut self, path: &str, at: usize) {
        self.bytes(path, |bytes| bytes[at] ^= 1);
    }

    /// Changes an answer's text.
    pub fn text(&mut self, path: &str, change: impl FnOnce(String) -> String) {
        let text = String::from_utf8(self.get(path).to_vec()).expect("text");
        self.put(path, change(text));
    }

    /// Changes the items of a list.
    pub fn items(&mut self, path: &str, change: impl FnOnce(&mut Vec<Value>)) {
        let mut page: Value = serde_json::from_slice(self.get(path)).expect("JSON");
        change(page["items"].as_array_mut().expect("a list"));
        self.put(path, page.to_string());
    }

    /// Changes the leaves of an entry bundle.
    pub fn leaves(&mut self, path: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let mut leaves = tile::bundle_decode(self.get(path)).expect("a bundle");
        change(&mut leaves);
        self.put(path, tile::bundle_encode(&leaves).expect("leaves fit"));
    }

    /// The leaves of a bundle.
    pub fn leaf(&self, path: &str, index: usize) -> Vec<u8> {
        tile::bundle_decode(self.get(path)).expect("a bundle").swap_remove(index)
    }

    /// A register's tree head.
    pub fn checkpoint(&self, register: &str) -> Checkpoint {
        let note = std::str::from_utf8(self.get(&of(register, "checkpoint"))).expect("text");
        let text = note.find("\n\n").expect("signatures");
        Checkpoint::parse(&note[..=text]).expect("a checkpoint")
    }

    /// All that is answered well.
    pub fn answers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .filter(|(_, (status, _))| *status == StatusCode::OK)
            .map(|(path, (_, bytes))| (path.as_str(), bytes.as_slice()))
    }

    fn answer(&self, path: &str) -> (StatusCode, Vec<u8>) {
        self.0.get(path).cloned().unwrap_or((StatusCode::NOT_FOUND, Vec::new()))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(router: Router) -> (String, tokio::task::JoinHandle<std::io::Result<()>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    (url, tokio::spawn(axum::serve(listener, router).into_future()))
}

fn asked(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.path().to_owned(), |asked| asked.as_str().to_owned())
}

/// Serves a site, which can be changed while it is served.
pub struct Stage {
    /// Where.
    pub url: String,
    site: Arc<Mutex<Site>>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Stage {
    /// Serves nothing yet.
    pub async fn open() -> Self {
        let site = Arc::new(Mutex::new(Site::default()));
        let answer =
            async |State(site): State<Arc<Mutex<Site>>>, uri: Uri| locked(&site).answer(&asked(&uri));
        let (url, serving) = serve(Router::new().fallback(answer).with_state(site.clone())).await;
        Self { url, site, serving }
    }

    /// Serves this from now on.
    pub fn show(&self, site: Site) {
        *locked(&self.site) = site;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Recorder {
    server: String,
    client: reqwest::Client,
    site: Mutex<Site>,
}

async fn pass(State(recorder): State<Arc<Recorder>>, uri: Uri) -> (StatusCode, Vec<u8>) {
    let answer = recorder.client.get(format!("{}{uri}", recorder.server)).send().await.expect("an answer");
    let (status, bytes) = (answer.status(), answer.bytes().await.expect("a whole answer").to_vec());
    locked(&recorder.site).0.insert(asked(&uri), (status, bytes.clone()));
    (status, bytes)
}

/// All that an audit of a server asks for, and what it is answered.
pub async fn record(server: &str) -> Site {
    let site = Mutex::new(Site::default());
    let recorder = Arc::new(Recorder { server: server.to_owned(), client: reqwest::Client::new(), site });
    let (url, serving) = serve(Router::new().fallback(pass).with_state(recorder.clone())).await;
    let (code, report) = audit(&url, &[]).await;
    assert_eq!(code, 0, "the honest server: {report}");
    serving.abort();
    locked(&recorder.site).clone()
}
