//! How far projections fall behind while something is measured.

use std::pin::pin;
use std::time::Duration;

use eventstore::{Clock as _, Store};
use futures_util::future::{Either, select};
use tokio::time::MissedTickBehavior;

use crate::failure::Failure;
use crate::system::SystemClock;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// Runs a measurement, and looks meanwhile how long the oldest entry has waited that a projection has not applied. Gives the longest.
pub async fn during<T>(
    store: &Store,
    measuring: impl Future<Output = Result<T, Failure>>,
) -> Result<(T, Duration), Failure> {
    let mut measuring = pin!(measuring);
    let mut most = Duration::ZERO;
    let mut pace = tokio::time::interval(LOOK);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let look = async {
            pace.tick().await;
            let since = projections::waiting_since(store).await;
            since.map_err(|error| Failure::because("where projections stand", &error))
        };
        match select(measuring, pin!(look)).await {
            Either::Left((measured, _)) => return Ok((measured?, most)),
            Either::Right((since, rest)) => {
                let now = SystemClock.now();
                let waited = since?.map_or(0, |since| now.millis() - since.millis());
                most = most.max(Duration::from_millis(u64::try_from(waited).unwrap_or(0)));
                measuring = rest;
            }
        }
    }
}
