//! Writes a row for each entry: a step is changed by no later one, but for an order that withholds its body.

use eventstore::{
    args,
    sql::{Col, Dialect, RowSet},
};

use crate::{Batch, ProjectionError, Projector, Write, common::opt_count, table::Table};

pub(super) const STEPS: Table = Table {
    name: "history_step",
    key: 2,
    columns: &[
        ("record", Col::Blob),
        ("version", Col::Int),
        ("register", Col::Text),
        ("position", Col::Int),
        ("leaf_index", Col::Int),
        ("type", Col::Text),
        ("status_before", Col::Text),
        ("status_after", Col::Text),
        ("recorded_at", Col::Int),
        ("effective_at", Col::Int),
        ("issuer", Col::Text),
        ("corrects", Col::Int),
        ("basis", Col::Text),
        ("reason", Col::Text),
    ],
};

/// The projector of the status history.
#[derive(Debug)]
pub struct HistoryProjector;

impl Projector for HistoryProjector {
    fn name(&self) -> &'static str {
        "history"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[STEPS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut rows = RowSet::new();
        for life in &batch.lives {
            for step in life.written() {
                rows.push(args![
                    life.record,
                    step.version,
                    life.register.as_str(),
                    step.position,
                    step.index,
                    step.entry_type.as_str(),
                    step.before.as_ref().map(|state| state.status.as_str()),
                    &step.after.status,
                    step.recorded_at,
                    step.effective_at,
                    step.issuer.as_str(),
                    opt_count(step.corrects),
                    step.basis.as_deref(),
                    step.reason.as_deref(),
                ]);
            }
        }
        Ok(vec![Write::upsert(dialect, &STEPS, rows)])
    }
}
