//! Reading one's own writes: `Wait-For: <position>`, or `?wait_for=<position>`, holds a read until the projection is there.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;

use super::AppState;
use super::limits::WAIT_TIMEOUT;
use crate::problem::Problem;

/// The header's name.
pub const HEADER: &str = "wait-for";
/// The parameter's name, which any address takes.
pub const PARAMETER: &str = "wait_for";

/// The position that a read is to wait for.
#[derive(Debug, Clone, Copy)]
pub struct WaitFor(Option<u64>);

#[derive(Deserialize)]
struct Parameter {
    wait_for: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for WaitFor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bad = || Problem::invalid("`Wait-For` is the position that an append answered with.");
        if let Some(value) = parts.headers.get(HEADER) {
            let position = value.to_str().ok().and_then(|value| value.trim().parse().ok());
            return position.map(|position| Self(Some(position))).ok_or_else(bad);
        }
        let query = axum::extract::Query::<Parameter>::try_from_uri(&parts.uri).map_err(|_| bad())?;
        Ok(Self(query.wait_for))
    }
}

impl WaitFor {
    /// Waits until the projection has come so far, for [`WAIT_TIMEOUT`] at most.
    pub async fn hold(self, state: &AppState, projection: &str) -> Result<(), Problem> {
        let Some(position) = self.0 else { return Ok(()) };
        // A position that no entry has would be waited for in vain.
        let last = state.store().position().await?;
        if position > last {
            return Err(Problem::invalid(format!("No entry has this position yet; the last is {last}.")));
        }
        Ok(state.projections().wait_for(projection, position, WAIT_TIMEOUT).await?)
    }

    /// Waits until what follows from the position is there too: the rules that it causes were judged, and the projection has
    /// what they wrote. Where this process runs no engine, or it stands still, only the position itself is waited for.
    pub async fn hold_consequences(self, state: &AppState, projection: &str) -> Result<(), Problem> {
        self.hold(state, projection).await?;
        let (Some(position), Some(engine)) = (self.0, state.proactive()) else { return Ok(()) };
        if engine.wait_for(position, WAIT_TIMEOUT).await {
            let written = state.store().position().await?;
            state.projections().wait_for(projection, written, WAIT_TIMEOUT).await?;
        }
        Ok(())
    }
}
