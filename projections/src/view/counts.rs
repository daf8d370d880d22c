//! Counts of a register: records by status, entries by type.

use eventstore::{
    StoreError,
    sql::{Db, Row},
};
use proofs::slug::Slug;

use crate::{ProjectionError, select::Select};

const TABLE: &str = "view_count";

/// How many there are of one status or type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The status or type.
    pub code: String,
    /// How many.
    pub n: u64,
}

/// The counts of a register. What there is none of has no row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records by the status they are in, in the order of codes.
    pub by_status: Vec<Count>,
    /// Entries by their type, in the order of codes.
    pub by_type: Vec<Count>,
}

/// Counts of one register.
pub async fn counts(db: &Db, register: &Slug) -> Result<Counts, ProjectionError> {
    let mut select = Select::live("SELECT counted, code, n FROM view_count", "view");
    select.and("register = {}", register);
    let (sql, args) = select.end("ORDER BY counted, code");
    let mut counts = Counts::default();
    for row in db.fetch_all(&sql, args).await? {
        let count = Count { code: row.text("code")?, n: row.uint("n")? };
        match row.text("counted")?.as_str() {
            "status" => counts.by_status.push(count),
            "type" => counts.by_type.push(count),
            _ => {
                return Err(StoreError::corrupt(TABLE, "counted", register, "neither status nor type").into());
            }
        }
    }
    Ok(counts)
}

/// How many records are in one status: of one register, or of all that have such a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCount {
    /// The register, where it was asked for.
    pub register: Option<String>,
    /// The status.
    pub status: String,
    /// How many.
    pub n: u64,
}

/// Records by status, in one register or in all.
pub async fn by_status(
    db: &Db,
    register: Option<&Slug>,
    by_register: bool,
) -> Result<Vec<StatusCount>, ProjectionError> {
    let key = if by_register { "register, code" } else { "code" };
    let mut select =
        Select::live(&format!("SELECT {key}, CAST(SUM(n) AS BIGINT) AS n FROM view_count"), "view");
    select.and("counted = {}", "status").and_some("register = {}", register);
    let (sql, args) = select.end(&format!("GROUP BY {key} ORDER BY {key}"));
    let rows = db.fetch_all(&sql, args).await?;
    let count = |row: &Row| {
        let register = by_register.then(|| row.text("register")).transpose()?;
        Ok(StatusCount { register, status: row.text("code")?, n: row.uint("n")? })
    };
    rows.iter().map(count).collect()
}
