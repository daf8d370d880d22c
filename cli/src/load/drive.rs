//! An open loop: a request is sent when it is due, whatever became of those before.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::calls::{Call, Kind};
use super::tally::Tally;
use super::world::World;
use crate::failure::Failure;

/// Requests under way at most, so that this process is bounded too: more than a server lets wait, and fewer than the connections that it
/// takes from one address, of which a client opens some too many.
const UNDER_WAY_MAX: u32 = 1_024;

/// Asks at a rate for so long, then waits for the answers.
pub async fn phase(world: &Arc<World>, rate: f64, length: Duration) -> Result<Tally, Failure> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX as usize));
    let began = Instant::now();
    for at in 0_u32.. {
        let after = Duration::from_secs_f64(f64::from(at) / rate);
        if after >= length {
            break;
        }
        let due = began + after;
        tokio::time::sleep_until(due).await;
        let number = world.asked.fetch_add(1, Ordering::Relaxed);
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tally.lock().unwrap_or_else(PoisonError::into_inner).unsent += 1;
            continue;
        };
        let (world, tally) = (Arc::clone(world), Arc::clone(&tally));
        tokio::spawn(async move {
            ask(&world, number, due, &tally).await;
            drop(place);
        });
    }
    // Each ends: the client gives up a request that is not answered.
    let all = places.acquire_many(UNDER_WAY_MAX).await;
    all.map_err(|error| Failure::because("the requests", &error))?.forget();
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *tally))
}

/// What an answer says.
struct Answer {
    status: u16,
    retry_after: bool,
    index: Option<u64>,
    /// What it says, where it is odd.
    odd: Option<String>,
}

async fn ask(world: &World, number: u64, due: Instant, tally: &Mutex<Tally>) {
    let call = match Call::choose(world, number).await {
        Ok(call) => call,
        Err(failure) => {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.unsent += 1;
            tally.odd.get_or_insert_with(|| failure.to_string());
            return;
        }
    };
    let (kind, place) = (call.kind, call.place);
    let answer = send(world, call).await;
    let micros = u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX);
    if let (Ok(Answer { status: 201, index: Some(index), .. }), Some(place)) = (&answer, place) {
        let mut acknowledged = world.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.push((place, *index));
    }
    note(&mut tally.lock().unwrap_or_else(PoisonError::into_inner), kind, micros, answer);
}

fn note(tally: &mut Tally, kind: Kind, micros: u32, answer: Result<Answer, reqwest::Error>) {
    let of = tally.kinds.entry(kind).or_default();
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            of.unanswered += 1;
            tally.odd.get_or_insert_with(|| crate::failure::chain(&error));
            return;
        }
    };
    *of.statuses.entry(answer.status).or_default() += 1;
    match answer.status {
        200..300 => of.micros.push(micros),
        429 | 503 if answer.retry_after => tally.turned_away += 1,
        429 | 503 => tally.without_retry_after += 1,
        _ => tally.failed += 1,
    }
    if let Some(odd) = answer.odd {
        tally.odd.get_or_insert(odd);
    }
}

async fn send(world: &World, call: Call) -> Result<Answer, reqwest::Error> {
    let url = format!("{}{}", world.url, call.path);
    let mut request = world.client.request(call.method, url);
    if let Some(token) = &call.token {
        request = request.bearer_auth(token);
    }
    if let Some(place) = call.place {
        request = request.header("idempotency-key", place.to_string());
    }
    if let Some(body) = call.body {
        request = request.header("content-type", "application/json").body(body);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    let retry_after = response.headers().contains_key("retry-after");
    let bytes = response.bytes().await?;
    let index = (status == 201)
        .then(|| serde_json::from_slice::<Value>(&bytes).ok())
        .and_then(|answer| answer?["index"].as_u64());
    let fine = (200..300).contains(&status) || (matches!(status, 429 | 503) && retry_after);
    let odd =
        (!fine).then(|| format!("{} answered {status}: {}", call.path, String::from_utf8_lossy(&bytes)));
    Ok(Answer { status, retry_after, index, odd })
}
