//! `?recorded_at=` and `?effective_at=`, as every endpoint that shows the past takes them.

use domain::asof::{AsOf, AsOfError, Moment};
use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{Problem, sentence};

/// As of when an answer is. A time that was not asked for is null, and does not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AsOfItem {
    /// What was recorded by then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recorded_at: Option<Timestamp>,
    /// What has effect by then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub effective_at: Option<Timestamp>,
}

impl From<AsOf> for AsOfItem {
    fn from(as_of: AsOf) -> Self {
        let bound = |time: Timestamp| (time != Timestamp::MAX).then_some(time);
        Self { recorded_at: bound(as_of.recorded), effective_at: bound(as_of.effective) }
    }
}

/// The times that a query names; nothing when it names none, and so asks for the present.
pub fn as_of(
    recorded_at: Option<&str>,
    effective_at: Option<&str>,
    now: Timestamp,
) -> Result<Option<AsOf>, Problem> {
    if recorded_at.is_none() && effective_at.is_none() {
        return Ok(None);
    }
    let moment = |name: &str, text: Option<&str>| {
        text.map(str::parse::<Moment>).transpose().map_err(|error| refused(name, error))
    };
    let (recorded, effective) = (moment("recorded_at", recorded_at)?, moment("effective_at", effective_at)?);
    AsOf::new(recorded, effective, now).map(Some).map_err(|error| refused("recorded_at", error))
}

fn refused(name: &str, error: AsOfError) -> Problem {
    Problem::invalid(sentence(&format!("`{name}`: {error}")))
}
