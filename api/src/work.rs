//! Work off the async threads, with a bound: tokio has 512 threads for it and a queue without end, and whoever stands in that queue
//! stands before the appender too.

use std::num::NonZero;
use std::sync::LazyLock;

use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Calls to a device that holds keys: it takes one at a time, and may not answer.
const CALLS_MAX: usize = 16;

static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)));
static CALLS: Semaphore = Semaphore::const_new(CALLS_MAX);

/// Computes something that takes milliseconds: as many at once as there are cores, in the order of asking.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    run(&CORES, work).await
}

/// Asks something outside that blocks the thread.
pub async fn call<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    run(&CALLS, work).await
}

async fn run<T: Send + 'static>(
    turns: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // The semaphore is never closed. The turn goes along, and not with whoever asked: work goes on when they give up.
    let turn = turns.acquire().await.ok();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    })
    .await
}
