//! A stream that waits for its peer to take what is written for so long, and no longer.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// So much must be taken in that time, or all of it: 2 kB/s in 30 seconds.
const PROGRESS_BYTES: usize = 64 << 10;

/// Fails with a time-out when its peer does not read.
pub struct Patient<S> {
    inner: S,
    stall: Duration,
    /// Since when the peer has left something untaken, and how much it has taken since.
    blocked: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Patient<S> {
    pub fn new(inner: S, stall: Duration) -> Self {
        Self { inner, stall, blocked: None }
    }

    /// Takes note of how a write went.
    fn noted(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                if let Some((_, taken)) = &mut self.blocked {
                    *taken += bytes;
                    if *taken >= PROGRESS_BYTES {
                        self.blocked = None;
                    }
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let stall = self.stall;
                let (timer, _) = self.blocked.get_or_insert_with(|| (Box::pin(tokio::time::sleep(stall)), 0));
                ready!(timer.as_mut().poll(context));
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
        }
        wrote
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.noted(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.noted(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Asked for once everything was written: nothing is left untaken.
        self.blocked = None;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Writes more than fits, to a peer that takes so many bytes of it, one by one, and then no more.
    async fn write_to_one_who_takes(bytes: usize) -> io::Result<()> {
        let (ours, mut theirs) = duplex(PROGRESS_BYTES);
        let mut patient = Patient::new(ours, Duration::from_millis(50));
        let taking = async {
            for _ in 0..bytes {
                theirs.read_u8().await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let writing = async {
            patient.write_all(&vec![7; PROGRESS_BYTES * 2]).await?;
            patient.flush().await
        };
        tokio::select! {
            wrote = writing => wrote,
            () = taking => unreachable!("it never ends"),
        }
    }

    #[tokio::test]
    async fn a_peer_that_takes_something_now_and_then_is_not_waited_for() {
        for bytes in [0, 1, 1_000] {
            let late = write_to_one_who_takes(bytes).await.expect_err("it does not take it all");
            assert_eq!(late.kind(), ErrorKind::TimedOut);
        }
        write_to_one_who_takes(PROGRESS_BYTES).await.expect("the rest fits");
    }
}
