//! A witness that listens on loopback.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proofs::key::PrivateKey;
use proofs::note::{Cosigner, NoteSignature, SignedNote};
use proofs::time::Timestamp;
use tempfile::TempDir;
use witness::{Store, Witness, router};

/// 1 June 2026, noon.
pub const NOON: i64 = 1_780_315_200;

pub struct Service {
    pub store: Store,
    pub clock: Arc<AtomicI64>,
    url: String,
    client: reqwest::Client,
    serving: tokio::task::JoinHandle<()>,
    directory: TempDir,
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub media: String,
    pub text: String,
}

pub fn cosigner() -> Cosigner {
    Cosigner::new("witness.example", PrivateKey::from_seed(&[77; 32])).unwrap()
}

impl Service {
    pub async fn start() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    async fn over(directory: TempDir) -> Self {
        let store = open(directory.path()).await;
        let clock = Arc::new(AtomicI64::new(NOON));
        let shown = Arc::clone(&clock);
        let now = move || Timestamp::from_millis(shown.load(Ordering::SeqCst) * 1_000);
        let router = router(Witness::new(store.clone(), cosigner(), Arc::new(now)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { store, clock, url, client: reqwest::Client::new(), serving, directory }
    }

    /// Ends it, and starts another over the same file.
    pub async fn restart(self) -> Self {
        self.serving.abort();
        self.store.close().await;
        Self::over(self.directory).await
    }

    pub async fn post(&self, body: impl ToString) -> Answer {
        self.send(reqwest::Method::POST, "/add-checkpoint", body.to_string()).await
    }

    pub async fn send(&self, method: reqwest::Method, path: &str, body: String) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.url)).body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let media = response.headers().get("content-type").map(|media| media.to_str().unwrap().to_owned());
        Answer { status, media: media.unwrap_or_default(), text: response.text().await.unwrap() }
    }
}

pub async fn open(directory: &Path) -> Store {
    Store::open(&directory.join("witness.db")).await.unwrap()
}

impl Answer {
    /// The cosignature's time, of an answer that must hold a good one on this note.
    #[track_caller]
    pub fn cosigned(&self, note: &SignedNote) -> u64 {
        assert_eq!(self.status, 200, "{}", self.text);
        let mut note = note.clone();
        for line in NoteSignature::parse_lines(&self.text).unwrap() {
            note.push(line);
        }
        note.cosigned_at(&cosigner().verifier()).unwrap()
    }

    /// The size that a refusal tells.
    #[track_caller]
    pub fn conflict(&self) -> u64 {
        assert_eq!((self.status, self.media.as_str()), (409, "text/x.tlog.size"), "{}", self.text);
        proofs::witness::parse_size(&self.text).unwrap()
    }
}
