//! Where the engine is: its place in the journal, and through which day each rule of dates was run.

use chrono::NaiveDate;
use eventstore::sql::Db;
use eventstore::{StoreError, args};
use proofs::time::Timestamp;
use uuid::Uuid;

/// The one engine that there is, whatever server runs it.
const NAME: &str = "engine";

/// The place in the journal; nothing before the engine first ran.
pub async fn position(db: &Db) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT position FROM proactive_position WHERE name = $1";
    let row = db.fetch_optional(sql, args![NAME]).await?;
    row.map(|row| row.uint("position").map_err(|error| error.at("proactive_position", || NAME.to_owned())))
        .transpose()
}

/// Begins at a place, unless another server has begun.
pub async fn begin(db: &Db, position: u64, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let sql = "INSERT INTO proactive_position (name, position, updated_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.execute(sql, args![NAME, position, now]).await?;
    tx.commit().await
}

/// Moves on. Another server may have been faster: the place never goes back.
pub async fn advance(db: &Db, position: u64, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let sql =
        "UPDATE proactive_position SET position = $2, updated_at = $3 WHERE name = $1 AND position < $2";
    tx.execute(sql, args![NAME, position, now]).await?;
    tx.commit().await
}

/// Through which day a rule was run; nothing before its first day.
pub async fn through(db: &Db, rule: Uuid) -> Result<Option<NaiveDate>, StoreError> {
    let row = db.fetch_optional("SELECT through FROM proactive_day WHERE rule = $1", args![rule]).await?;
    row.map(|row| row.parse("through").map_err(|error| error.at("proactive_day", || rule.to_string())))
        .transpose()
}

/// A rule was run through this day. A day never comes back.
pub async fn run_through(db: &Db, rule: Uuid, day: NaiveDate, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let sql = "INSERT INTO proactive_day (rule, through, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (rule) DO UPDATE SET through = excluded.through, updated_at = excluded.updated_at
        WHERE proactive_day.through < excluded.through";
    tx.execute(sql, args![rule, day.to_string(), now]).await?;
    tx.commit().await
}
