//! Writes a row for each access.

use domain::platform::ACCESSES;
use eventstore::{
    args,
    sql::{Arg, Col, Dialect, RowSet},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Batch, ProjectionError, Projector, Write, batch::Life, table::Table};

const RECORDS: Table = Table {
    name: "access_record",
    key: 1,
    columns: &[
        ("record", Col::Blob),
        ("position", Col::Int),
        ("at", Col::Int),
        ("status", Col::Text),
        ("version", Col::Int),
        ("person", Col::Blob),
        ("role", Col::Text),
        ("official", Col::Blob),
        ("department", Col::Text),
        ("purpose", Col::Text),
        ("content", Col::Text),
    ],
};

/// Makes `accesses`.
pub struct AccessProjector;

impl Projector for AccessProjector {
    fn name(&self) -> &'static str {
        "accesses"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[RECORDS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut rows = RowSet::new();
        for life in batch.lives.iter().filter(|life| life.register == *ACCESSES) {
            row(&mut rows, life);
        }
        Ok(vec![Write::upsert(dialect, &RECORDS, rows)])
    }
}

fn row(rows: &mut RowSet, life: &Life) {
    let (first, last) = (life.first(), life.last());
    let content = last.content.to_json();
    let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let person = last.after.subjects.iter().find_map(domain::subject::Subject::person);
    // Who looked in office; a representative is a person, and no official.
    let official = text("/by/person").filter(|_| content["by"]["role"] == "official");
    let official = official.and_then(|official| official.parse::<Uuid>().ok());
    rows.push(args![
        life.record,
        first.position,
        first.recorded_at,
        &last.after.status,
        last.version,
        opt_uuid(person),
        text("/by/role").unwrap_or_default(),
        opt_uuid(official),
        text("/department"),
        text("/purpose"),
        content.to_string(),
    ]);
}

fn opt_uuid(id: Option<Uuid>) -> Arg {
    Arg::OptBlob(id.map(|id| id.as_bytes().to_vec()))
}
