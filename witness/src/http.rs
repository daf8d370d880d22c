//! The protocol over HTTP: `POST add-checkpoint`, and the witness's own key for whoever writes a policy.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use proofs::note::{Cosigner, NoteSignature};
use proofs::time::Timestamp;
use proofs::witness::{AddCheckpoint, REQUEST_BYTES_MAX, Refusal, SIZE_MEDIA_TYPE};
use tower_http::timeout::TimeoutLayer;

use crate::store::{Store, StoreError};

/// A request is answered within this, or not at all: its body arrives slowly, or the disk hangs.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A witness: its key, its store, its clock.
pub struct Witness {
    store: Store,
    cosigner: Cosigner,
    now: Now,
}

impl Witness {
    /// A witness over a store.
    pub fn new(store: Store, cosigner: Cosigner, now: Now) -> Self {
        Self { store, cosigner, now }
    }

    /// Answers a request: the cosignature, once its head is durable, or why there is none.
    async fn add(&self, request: &AddCheckpoint) -> Result<Result<NoteSignature, Refusal>, StoreError> {
        let origin = request.origin();
        let keys = self.store.keys(origin).await?;
        let checkpoint = match request.open(&keys) {
            Ok(checkpoint) => checkpoint,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let now = u64::try_from((self.now)().millis().div_euclid(1_000)).unwrap_or_default();
        let decide = |known| request.decide(&checkpoint, known);
        let time = match self.store.advance(&request.note, origin, now, decide).await? {
            Ok(time) => time,
            Err(refusal) => {
                tell(origin, checkpoint.size, refusal);
                return Ok(Err(refusal));
            }
        };
        Ok(self.cosigner.cosign(request.note.text(), time).map_err(|_| Refusal::Malformed))
    }
}

/// Tells whoever runs the witness of a checkpoint that is validly signed and wrong. Origin and size are public.
fn tell(origin: &str, size: u64, refusal: Refusal) {
    match refusal {
        Refusal::Fork { .. } => tracing::error!(origin, size, "a log has forked; the evidence is kept"),
        Refusal::Proof => {
            tracing::warn!(origin, size, "a checkpoint does not extend the last, as far as is shown");
        }
        _ => {}
    }
}

/// The endpoints, under whatever prefix the caller nests them.
pub fn router(witness: Witness) -> Router {
    let late = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT);
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX)))
        .route("/key", get(key))
        .layer(late)
        .with_state(Arc::new(witness))
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    let Ok(text) = std::str::from_utf8(&body) else {
        return refused(StatusCode::BAD_REQUEST, "the request is not UTF-8");
    };
    let request: AddCheckpoint = match text.parse() {
        Ok(request) => request,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
    };
    match witness.add(&request).await {
        Ok(Ok(line)) => plain(StatusCode::OK, format!("{line}\n")),
        Ok(Err(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            match refusal.size() {
                Some(size) => {
                    (status, [(header::CONTENT_TYPE, SIZE_MEDIA_TYPE)], format!("{size}\n")).into_response()
                }
                None => refused(status, &refusal),
            }
        }
        Err(error) => {
            tracing::error!(%error, "a checkpoint could not be decided on");
            refused(StatusCode::SERVICE_UNAVAILABLE, "the witness cannot use its store now; ask again")
        }
    }
}

async fn key(State(witness): State<Arc<Witness>>) -> Response {
    plain(StatusCode::OK, format!("{}\n", witness.cosigner.verifier()))
}

fn refused(status: StatusCode, why: &(impl ToString + ?Sized)) -> Response {
    plain(status, format!("{}\n", why.to_string()))
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
