//! Organisations: for each, by its number in the register of legal entities, every record that concerns it in any role.
//!
//! The rows are those of [`account`](crate::account), which reads them: see [`Holder`](crate::account::Holder). An organisation
//! that is no longer a subject keeps its row, marked as former. One that is named without that number has no account.

use domain::{platform, subject::Subject};
use eventstore::sql::{Col, Dialect, RowSet};

use crate::{Batch, ProjectionError, Projector, Write, account::concerned, table::Table};

const RECORDS: Table = Table {
    name: "organisation_record",
    key: 2,
    columns: &[
        ("ogrn", Col::Text),
        ("record", Col::Blob),
        ("register", Col::Text),
        ("roles", Col::Text),
        ("status", Col::Text),
        ("number", Col::Text),
        ("valid_from", Col::Text),
        ("valid_until", Col::Text),
        ("version", Col::Int),
        ("opened_position", Col::Int),
        ("opened_at", Col::Int),
        ("changed_position", Col::Int),
        ("changed_type", Col::Text),
        ("changed_at", Col::Int),
        ("changed_effective_at", Col::Int),
        ("changed_issuer", Col::Text),
        ("former_version", Col::Int),
        ("former_at", Col::Int),
    ],
};

/// The projector of organisations' accounts.
#[derive(Debug)]
pub struct OrganisationsProjector;

impl Projector for OrganisationsProjector {
    fn name(&self) -> &'static str {
        "organisations"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[RECORDS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut records = RowSet::new();
        for life in batch.lives.iter().filter(|life| life.register != *platform::ACCESSES) {
            concerned(&mut records, life, ogrn);
        }
        Ok(vec![
            Write::forget(dialect, &RECORDS, batch.rewritten()),
            Write::upsert(dialect, &RECORDS, records),
        ])
    }
}

fn ogrn(subject: &Subject) -> Option<String> {
    subject.organisation()?.ogrn.clone()
}
