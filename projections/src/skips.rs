//! Entries that a projection leaves out, because an operator said so: they are entries themselves, in the register
//! `interventions`, so that every build leaves out the same, whenever it is made (`docs/decisions/0018-poison-entries.md`).

use std::collections::{BTreeMap, BTreeSet};

use domain::platform::INTERVENTIONS;
use eventstore::{Store, StoredEntry};
use proofs::{slug::Slug, time::Timestamp};
use serde_json::Value;

use crate::{ProjectionError, batch::fault};

/// Entries of `interventions` read at once.
const READ_ENTRIES: u32 = 200;

/// The type of entry that leaves another out of a projection.
const SKIPPED: &str = "skipped";

/// An entry that a projection leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The projection.
    pub projection: String,
    /// The entry's position.
    pub position: u64,
    /// Its register.
    pub register: String,
    /// Why it is left out.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// When.
    pub recorded_at: Timestamp,
}

/// The positions that each projection leaves out.
pub(crate) type Positions = BTreeMap<String, BTreeSet<u64>>;

/// All entries that projections leave out, in the order in which it was said.
pub async fn skips(store: &Store) -> Result<Vec<Skip>, ProjectionError> {
    let mut all = Vec::new();
    let mut next = 0;
    while let Some((some, after)) = read_from(store, next).await? {
        all.extend(some);
        next = after;
    }
    Ok(all)
}

/// What `interventions` has from an index, and the index after it; nothing when there is no more.
pub(crate) async fn read_from(
    store: &Store,
    index: u64,
) -> Result<Option<(Vec<Skip>, u64)>, ProjectionError> {
    let register: Slug = INTERVENTIONS.parse().map_err(|why| fault(0, why))?;
    let entries = store.read_register(&register, index, READ_ENTRIES).await?;
    let next = entries.last().map(|last| last.index + 1);
    Ok(next.map(|next| (entries.iter().filter_map(skip_of).collect(), next)))
}

/// What an entry leaves out. One of another type, or of a form that the register does not have, leaves nothing out.
fn skip_of(entry: &StoredEntry) -> Option<Skip> {
    if entry.statement.statement().entry_type.as_str() != SKIPPED {
        return None;
    }
    let body: Value = serde_json::from_slice(entry.body.as_deref()?).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Skip {
        projection: text("projection")?,
        position: body.get("position").and_then(Value::as_u64)?,
        register: text("register")?,
        reason: text("reason").unwrap_or_default(),
        by: text("by").unwrap_or_default(),
        recorded_at: entry.recorded_at,
    })
}
