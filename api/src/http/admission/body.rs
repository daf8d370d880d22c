//! Bodies of requests: taken whole before anything is done with them, out of a budget of bytes.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use futures_util::StreamExt as _;

use super::{Admission, Client, Hold};
use crate::auth::Caller;
use crate::http::limits::{BODY_TIMEOUT, REQUEST_BYTES_MAX};
use crate::problem::{self, Problem};

/// Bytes of a body of someone unknown: what anyone may send, to look a number up or to ask for a token, is shorter.
const UNKNOWN_BYTES_MAX: usize = 64 << 10;
/// A body of unknown length takes its budget in such steps.
const STEP_BYTES: usize = 64 << 10;

/// The request with its whole body, and what of the budget it holds.
pub async fn take(
    admission: &Admission,
    client: &Client,
    request: Request,
) -> Result<(Request, Option<Hold<Client>>), Problem> {
    if request.body().is_end_stream() {
        return Ok((request, None));
    }
    let known = request.extensions().get::<Caller>().is_some();
    let max = if known { REQUEST_BYTES_MAX } else { UNKNOWN_BYTES_MAX };
    let declared =
        request.body().size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    match declared {
        Some(bytes) if bytes > REQUEST_BYTES_MAX => return Err(too_large()),
        // Whatever is there says what it takes, and reads no more than that.
        Some(bytes) if bytes > max => return Ok((request, None)),
        _ => {}
    }
    let full = || admission.overloaded("Too many bodies are being dealt with.");
    let hold = admission.arriving().take(client, declared.unwrap_or(STEP_BYTES) as u64);
    let mut hold = hold.ok_or_else(full)?;
    let (parts, body) = request.into_parts();
    let mut room = declared.unwrap_or(STEP_BYTES);
    let more = |bytes: usize| {
        if bytes > max {
            return Err(too_large());
        }
        while bytes > room {
            if !hold.grow(STEP_BYTES as u64) {
                return Err(full());
            }
            room += STEP_BYTES;
        }
        Ok(())
    };
    let bytes = arrived(body, BODY_TIMEOUT, more).await?;
    Ok((Request::from_parts(parts, Body::from(bytes)), Some(hold)))
}

fn too_large() -> Problem {
    Problem::new(problem::TOO_LARGE, "The body is longer than this address takes.")
}

/// The whole body, if it arrives in time; `more` is asked before what has arrived is kept.
async fn arrived(
    body: Body,
    within: Duration,
    mut more: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Bytes, Problem> {
    let all = async {
        let mut chunks = body.into_data_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::invalid("The body broke off."))?;
            more(bytes.len() + chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(bytes))
    };
    let late = |_| Problem::new(problem::REQUEST_TIMEOUT, "The body did not arrive in time.");
    tokio::time::timeout(within, all).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::*;

    fn chunked(chunks: usize, bytes: usize) -> Request {
        let chunk = Bytes::from(vec![b' '; bytes]);
        let chunks = (0..chunks).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
        Request::new(Body::from_stream(futures_util::stream::iter(chunks)))
    }

    fn refused(taken: Result<(Request, Option<Hold<Client>>), Problem>) -> &'static problem::Kind {
        taken.err().expect("it is refused").kind()
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let late = arrived(Body::from_stream(never), Duration::ZERO, |_| Ok(())).await;
        assert_eq!(late.expect_err("it never arrives").kind(), problem::REQUEST_TIMEOUT);
        let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]);
        let broken = arrived(Body::from_stream(broken), BODY_TIMEOUT, |_| Ok(())).await;
        assert_eq!(broken.expect_err("it breaks off").kind(), problem::INVALID_REQUEST);
    }

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_it_back() {
        let admission = Admission::new(Bounds::default());
        let client = Client::Token("one".to_owned());
        let (request, hold) = take(&admission, &client, chunked(3, 20_000)).await.expect("it is short");
        assert_eq!(admission.arriving().held(), STEP_BYTES as u64);
        assert_eq!(request.body().size_hint().exact(), Some(60_000));
        drop(hold);
        assert_eq!(admission.arriving().held(), 0);
        let long = take(&admission, &client, chunked(4, 20_000)).await;
        assert_eq!(refused(long), problem::TOO_LARGE, "of someone unknown");
        let declared = Request::new(Body::from(vec![0; REQUEST_BYTES_MAX + 1]));
        assert_eq!(refused(take(&admission, &client, declared).await), problem::TOO_LARGE);
        let all = admission.arriving().take(&client, u64::MAX).expect("its share");
        assert_eq!(refused(take(&admission, &client, chunked(1, 1)).await), problem::OVERLOADED);
        let other = Client::Token("other".to_owned());
        assert!(take(&admission, &other, chunked(1, 1)).await.is_ok(), "a quarter is left for others");
        drop(all);
        assert_eq!(admission.arriving().held(), 0);
    }
}
