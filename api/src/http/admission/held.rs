//! A body with something that is held until it was sent, or its client is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// A longer answer goes out in pieces: until the last is taken, it is held and counted.
const PIECE_BYTES: usize = 64 << 10;

/// What goes out on a connection: whether there is something, and how much has gone.
#[derive(Debug, Clone, Default)]
pub struct Outgoing(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    bytes: AtomicU64,
}

impl Outgoing {
    /// Bytes of answers that were taken so far, while one is not taken whole.
    pub fn progress(&self) -> Option<u64> {
        let open = self.0.open.load(Ordering::Relaxed) > 0;
        open.then(|| self.0.bytes.load(Ordering::Relaxed))
    }
}

struct Held<T> {
    body: Body,
    piece: Bytes,
    counted: Counted,
    _until_sent: T,
}

struct Counted(Outgoing);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The same body; `held` is dropped with it.
pub fn held<T: Send + Unpin + 'static>(body: Body, outgoing: Outgoing, held: T) -> Body {
    outgoing.0.open.fetch_add(1, Ordering::Relaxed);
    Body::new(Held { body, piece: Bytes::new(), counted: Counted(outgoing), _until_sent: held })
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.piece.is_empty() {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other.map_err(Into::into),
            };
            match frame.into_data() {
                Ok(data) => self.piece = data,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let bytes = self.piece.len().min(PIECE_BYTES);
        self.counted.0.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let piece = self.piece.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.piece.len() as u64, self.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_long_answer_goes_out_in_pieces_and_is_held_until_the_last() {
        let bytes: Vec<u8> = (0..=255).cycle().take(PIECE_BYTES * 2 + 5).collect();
        let (outgoing, alive) = (Outgoing::default(), Arc::new(()));
        let body = held(Body::from(bytes.clone()), outgoing.clone(), Arc::clone(&alive));
        assert_eq!(HttpBody::size_hint(&body).exact(), Some(bytes.len() as u64));
        let mut pieces = body.into_data_stream();
        let mut got = Vec::new();
        for expected in [PIECE_BYTES, PIECE_BYTES * 2, bytes.len()] {
            assert_eq!(Arc::strong_count(&alive), 2);
            got.extend_from_slice(&pieces.next().await.expect("a piece").expect("no fault"));
            assert_eq!((got.len() as u64, outgoing.progress()), (expected as u64, Some(expected as u64)));
        }
        assert!(pieces.next().await.is_none());
        drop(pieces);
        assert_eq!((Arc::strong_count(&alive), outgoing.progress()), (1, None));
        assert_eq!(got, bytes);
        let empty = held(Body::empty(), outgoing, ());
        assert!(to_bytes(empty, 1).await.expect("no fault").is_empty());
    }
}
