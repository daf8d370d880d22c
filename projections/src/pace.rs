//! Steps that find the one entry that cannot be applied: a batch that fails is cut in halves until what is before that
//! entry is applied and it stands alone.

use std::panic::AssertUnwindSafe;

use eventstore::Store;
use futures_util::FutureExt as _;

use crate::{
    ProjectionError, Projector,
    builds::Build,
    catalogue::Catalogue,
    step::{self, Stepped},
};

/// How large the batches of one build are now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    most: u32,
    now: u32,
}

impl Pace {
    /// Batches of `most` entries, while nothing is the matter.
    pub(crate) fn new(most: u32) -> Self {
        Self { most: most.max(1), now: most.max(1) }
    }

    /// Applies the next batch, and moves `build` with it. What fails for how things are with the database is told as it is; what fails for an entry, or
    /// by a panic, is tried again with fewer entries, down to the one that is then told as [`ProjectionError::Poison`].
    pub(crate) async fn step(
        &mut self,
        store: &Store,
        catalogue: &Catalogue,
        projector: &dyn Projector,
        build: &mut Build,
        until: Option<u64>,
    ) -> Result<Stepped, ProjectionError> {
        loop {
            let step = step::step(store, catalogue, projector, *build, until, self.now);
            let why = match AssertUnwindSafe(step).catch_unwind().await {
                Ok(Ok(stepped)) => {
                    self.now = self.now.saturating_mul(2).min(self.most);
                    if let Stepped::Advanced { position, .. } | Stepped::Idle { position } = stepped {
                        build.position = position;
                    }
                    return Ok(stepped);
                }
                Ok(Err(error)) if error.is_poison() => error.to_string(),
                Ok(Err(error)) => return Err(error),
                // What a panic says may hold anything.
                Err(_) => "the projector panicked".to_owned(),
            };
            if self.now > 1 {
                self.now /= 2;
                continue;
            }
            let Some(position) = step::position_of(store, projector, *build).await? else {
                return Ok(Stepped::Moved);
            };
            let (name, build) = (projector.name(), build.number);
            return Err(ProjectionError::Poison { name, build, position: position + 1, why });
        }
    }
}
