//! Finds records by whom they concern, for those who decide on the records themselves: identifiers only.

use eventstore::{
    args,
    sql::{self, Arg, Col, Db, Row, RowSet},
};
use proofs::slug::Slug;
use uuid::Uuid;

use super::holder::Holder;
use crate::ProjectionError;

const LIVE: &str = "(SELECT build FROM projection WHERE name = 'account' AND live = 1)";
const LIVE_ORGANISATIONS: &str = "(SELECT build FROM projection WHERE name = 'organisations' AND live = 1)";

/// The records of these registers that concern any of these persons now; the newest first, `limit` at most.
pub async fn concerning(
    db: &Db,
    persons: &[Uuid],
    registers: &[Slug],
    limit: u32,
) -> Result<Vec<Uuid>, ProjectionError> {
    let mut wanted = RowSet::new();
    for person in persons {
        wanted.push(args![*person]);
    }
    let sql = format!(
        "SELECT a.record FROM {persons} AS p CROSS JOIN account_record a WHERE a.build = {LIVE} AND a.person = p.person \
         AND a.former_version IS NULL AND a.register IN (SELECT r.register FROM {registers} AS r) \
         GROUP BY a.record ORDER BY MAX(a.opened_position) DESC LIMIT $3",
        persons = sql::rows(db.dialect(), "$1", &[("person", Col::Blob)]),
        registers = sql::rows(db.dialect(), "$2", &[("register", Col::Text)]),
    );
    found(db, &sql, vec![wanted.into_arg(), named(registers), limit.into()]).await
}

/// The records of these registers that concern both a person and someone else now.
pub async fn between(
    db: &Db,
    person: Uuid,
    other: Holder,
    registers: &[Slug],
) -> Result<Vec<Uuid>, ProjectionError> {
    let (table, key, live, other): (_, _, _, Arg) = match other {
        Holder::Person(other) => ("account_record", "person", LIVE, other.into()),
        Holder::Organisation(ogrn) => ("organisation_record", "ogrn", LIVE_ORGANISATIONS, ogrn.into()),
    };
    let sql = format!(
        "SELECT a.record FROM account_record a WHERE a.build = {LIVE} AND a.person = $1 AND a.former_version IS NULL \
         AND a.register IN (SELECT r.register FROM {registers} AS r) AND EXISTS (SELECT 1 FROM {table} b \
         WHERE b.build = {live} AND b.{key} = $2 AND b.record = a.record AND b.former_version IS NULL)",
        registers = sql::rows(db.dialect(), "$3", &[("register", Col::Text)]),
    );
    found(db, &sql, vec![person.into(), other, named(registers)]).await
}

fn named(registers: &[Slug]) -> Arg {
    let mut rows = RowSet::new();
    for register in registers {
        rows.push(args![register]);
    }
    rows.into_arg()
}

async fn found(db: &Db, sql: &str, args: Vec<Arg>) -> Result<Vec<Uuid>, ProjectionError> {
    let record = |row: &Row| row.uuid("record").map_err(|error| error.at("account_record", String::new));
    Ok(db.fetch_all(sql, args).await?.iter().map(record).collect::<Result<_, _>>()?)
}
