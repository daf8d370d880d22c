//! Says of consents whose term is over that it is, and forgets codes and tokens that are good for nothing any more.

use std::time::Duration;

use eventstore::args;
use eventstore::sql::Row;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{append, today};
use crate::http::AppState;
use crate::problem::Problem;
use crate::registry::Reason;

/// Terms are days: so often is often enough.
pub const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// Consents in one sweep, so that a morning on which many end does not hold up appends.
const SWEEP_CONSENTS_MAX: u32 = 200;

/// Sweeps for ever. Any number of servers may: what one has done, the other is refused.
pub async fn follow(state: AppState) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A problem has been logged where it arose; the next sweep tries again.
        while sweep(&state).await.is_ok_and(|ended| ended == SWEEP_CONSENTS_MAX as usize) {}
    }
}

/// One sweep; answers how many consents it ended.
pub async fn sweep(state: &AppState) -> Result<usize, Problem> {
    forget(state).await?;
    let sql = "SELECT record FROM view_record WHERE build = (SELECT build FROM projection WHERE name = 'view' AND live = 1) \
         AND register = 'consents' AND status = 'active' AND valid_until < $1 ORDER BY valid_until LIMIT $2";
    let args = args![today(state).to_string(), SWEEP_CONSENTS_MAX];
    let rows = state.store().db().fetch_all(sql, args).await?;
    let over: Vec<Uuid> = rows.iter().map(|row: &Row| row.uuid("record")).collect::<Result<_, _>>()?;
    let mut ended = 0;
    for consent in over {
        match append(state, Some(consent), "expired", json!({})).await {
            Ok(_) => ended += 1,
            // It was withdrawn, or another server was here first: the projection does not know yet.
            Err(refusal) if matches!(refusal.reason, Reason::Rule(_)) => {}
            Err(refusal) => {
                return Err(crate::routes::v1::registers::entries::refused::problem(&refusal, false));
            }
        }
    }
    Ok(ended)
}

/// Codes whose time is over, and refresh tokens of consents that have ended.
async fn forget(state: &AppState) -> Result<(), Problem> {
    let now = state.store().clock().now();
    let mut tx = state.store().db().begin().await?;
    tx.execute("DELETE FROM oauth_code WHERE expires_at <= $1", args![now]).await?;
    let ended = "DELETE FROM oauth_refresh WHERE consent IN (SELECT v.record FROM view_record v WHERE v.build = \
         (SELECT build FROM projection WHERE name = 'view' AND live = 1) AND v.record = oauth_refresh.consent \
         AND v.register = 'consents' AND v.status <> 'active')";
    tx.execute(ended, Vec::new()).await?;
    Ok(tx.commit().await?)
}
