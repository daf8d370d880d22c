//! Kinds of proposals that a person does not want. A setting and no legal fact, so an ordinary row.

use std::collections::{BTreeMap, BTreeSet};

use domain::definition::Group;
use eventstore::sql::{self, Col, Db, Row, RowSet};
use eventstore::{StoreError, args};
use proofs::time::Timestamp;
use uuid::Uuid;

/// The kinds that a person has switched off.
pub async fn off(db: &Db, person: Uuid) -> Result<BTreeSet<Group>, StoreError> {
    Ok(off_of(db, [person]).await?.remove(&person).unwrap_or_default())
}

/// The kinds that each of these persons has switched off; nothing for one who has not.
pub async fn off_of(
    db: &Db,
    persons: impl IntoIterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, BTreeSet<Group>>, StoreError> {
    let mut asked = RowSet::new();
    for person in persons {
        asked.push(args![person]);
    }
    let from = sql::rows(db.dialect(), "$1", &[("person", Col::Blob)]);
    let sql = format!(
        "SELECT o.person, o.kinds FROM {from} AS r CROSS JOIN proposal_off o WHERE o.person = r.person"
    );
    let rows = db.fetch_all(&sql, args![asked]).await?;
    rows.iter().map(|row| Ok((row.uuid("person")?, kinds_of(row)?))).collect()
}

/// Words that this version does not know narrow nothing.
fn kinds_of(row: &Row) -> Result<BTreeSet<Group>, StoreError> {
    Ok(row.text("kinds")?.split(' ').filter_map(|kind| kind.parse().ok()).collect())
}

/// Switches off these kinds and no others.
pub async fn set(db: &Db, person: Uuid, kinds: &BTreeSet<Group>, now: Timestamp) -> Result<(), StoreError> {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let mut tx = db.begin().await?;
    let sql = "INSERT INTO proposal_off (person, kinds, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (person) DO UPDATE SET kinds = excluded.kinds, updated_at = excluded.updated_at";
    tx.execute(sql, args![person, words.join(" "), now]).await?;
    tx.commit().await
}
