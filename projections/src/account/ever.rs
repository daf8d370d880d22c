//! Which records concern people: where a process manager begins to look.

use std::collections::BTreeSet;

use eventstore::{
    args,
    sql::{self, Col, Db, RowSet},
};
use proofs::slug::Slug;
use uuid::Uuid;

use crate::{ProjectionError, select::Select};

/// The records of these registers that concern any of these persons, or once did. One query, however many there are; what
/// a record says must be read from its entries.
pub async fn ever_concerned(
    db: &Db,
    persons: &BTreeSet<Uuid>,
    registers: &BTreeSet<Slug>,
) -> Result<BTreeSet<Uuid>, ProjectionError> {
    if persons.is_empty() || registers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut asked = RowSet::new();
    for person in persons {
        asked.push(args![*person]);
    }
    let mut within = RowSet::new();
    for register in registers {
        within.push(args![register]);
    }
    let persons = sql::rows(db.dialect(), "{}", &[("person", Col::Blob)]);
    let registers = sql::rows(db.dialect(), "{}", &[("register", Col::Text)]);
    let mut select = Select::live("SELECT DISTINCT record FROM account_record", "account");
    select.and(&format!("person IN (SELECT p.person FROM {persons} AS p)"), asked);
    select.and(&format!("register IN (SELECT r.register FROM {registers} AS r)"), within);
    let (sql, args) = select.end("");
    let rows = db.fetch_all(&sql, args).await?;
    Ok(rows.iter().map(|row| row.uuid("record")).collect::<Result<_, _>>()?)
}
