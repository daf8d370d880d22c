//! Writes what was decided. PostgreSQL takes it all in one statement; SQLite in a few, since each costs it next to nothing.

use sqlx::{AssertSqlSafe, PgConnection, Row as _, Sqlite, Transaction};

use super::decide::{Accepted, Decided, NewNumber, Touched};
use super::tiles::FullTile;
use crate::args;
use crate::error::StoreError;
use crate::heads::older_text;
use crate::listen::CHANNEL;
use crate::sql::{Col, Db, DbInner, RowSet, Tx, TxInner, WRITE, rows, unless_refused, within};
use crate::withheld;

/// Rows of an SQLite INSERT: few shapes keep few statements prepared. 11 parameters a row stay far under its 32,766.
const CHUNKS: [usize; 4] = [128, 32, 8, 1];
const PARAMETERS: usize = 11;

pub(crate) async fn write(tx: &mut Tx, decided: &Decided, tiles: &[FullTile]) -> Result<(), StoreError> {
    for log in &decided.logs {
        if log.opened {
            open(tx, log).await?;
        }
    }
    match &mut tx.0 {
        TxInner::Postgres(postgres) => {
            let placed = all_at_once(postgres, decided, tiles).await?;
            expect_rows("journal", u64::from(placed), 1)?;
        }
        TxInner::Sqlite(sqlite) => {
            entries(sqlite, decided).await?;
            numbers_and_keys(tx, decided).await?;
            full_tiles(tx, tiles).await?;
            heads(tx, decided).await?;
        }
    }
    if decided.withholds.is_empty() {
        return Ok(());
    }
    withheld::withhold(tx, &decided.withholds, decided.before).await
}

/// Writes a batch that was decided without a lock, which changes logs that are there: false, and nothing is changed, when the
/// journal does not end any more where it did. An error that leaves open whether it was written is [`StoreError::OutcomeUnknown`].
pub(super) async fn write_unlocked(
    db: &Db,
    decided: &Decided,
    tiles: &[FullTile],
) -> Result<bool, StoreError> {
    let DbInner::Postgres { ready, .. } = &db.0 else {
        return Err(StoreError::Internal("SQLite is written to under its lock".to_owned()));
    };
    // Until it is lent nothing was written, whatever becomes of it.
    let mut lent = ready.lend().await?;
    let limit = lent.limit(WRITE);
    let placed = within(limit, all_at_once(lent.connection(), decided, tiles)).await;
    let placed = placed.map_err(|error| unless_refused(error.into()))?;
    lent.keep();
    Ok(placed)
}

/// An empty log's row. Its head is written with all the others.
async fn open(tx: &mut Tx, log: &Touched) -> Result<(), StoreError> {
    let sql = "INSERT INTO log (shard, register, size, root, frontier, checkpoint, recorded_at, kid, vkey)
        VALUES ($1, $2, 0, $3, $4, '', NULL, $5, $6)";
    let arguments = args![
        log.shard,
        &log.register,
        proofs::hash::EMPTY_ROOT,
        Vec::<u8>::new(),
        &log.key.key().kid(),
        log.key.to_string()
    ];
    tx.execute(sql, arguments).await?;
    Ok(())
}

fn peaks(log: &Touched) -> Vec<u8> {
    log.frontier.peaks().iter().flat_map(|peak| peak.0).collect()
}

/// A log that is only opened, or only signed anew, has no new last entry.
fn log_recorded_at(decided: &Decided, log: &Touched) -> Option<i64> {
    (!log.new_hashes.is_empty()).then(|| decided.recorded_at.millis())
}

async fn entries(tx: &mut Transaction<'static, Sqlite>, decided: &Decided) -> Result<(), StoreError> {
    let mut rest: &[Accepted] = &decided.entries;
    for size in CHUNKS {
        let sql = insert_entries(size);
        while rest.len() >= size {
            let (chunk, after) = rest.split_at(size);
            rest = after;
            let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
            for entry in chunk {
                let statement = entry.statement.statement();
                query = query
                    .bind(entry.shard)
                    .bind(entry.position.cast_signed())
                    .bind(statement.register.as_str())
                    .bind(entry.index.cast_signed())
                    .bind(statement.record.as_bytes().as_slice())
                    .bind(statement.version.cast_signed())
                    .bind(entry.recorded_at.millis())
                    .bind(entry.statement.to_packed())
                    .bind(entry.leaf_hash.0.as_slice())
                    .bind(entry.body.as_deref())
                    .bind(entry.salt.as_ref().map(|salt| salt.0.as_slice()));
            }
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

fn insert_entries(rows: usize) -> String {
    let row = |at: usize| {
        let parameters: Vec<_> = (1..=PARAMETERS).map(|n| format!("${}", at * PARAMETERS + n)).collect();
        format!("({})", parameters.join(", "))
    };
    let values: Vec<_> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO entry (shard, position, register, leaf_index, record, version, recorded_at, statement, leaf_hash, body, salt)
         VALUES {}",
        values.join(", ")
    )
}

async fn numbers_and_keys(tx: &mut Tx, decided: &Decided) -> Result<(), StoreError> {
    if !decided.numbers.is_empty() {
        let mut numbers = RowSet::new();
        for NewNumber { shard, register, number, record } in &decided.numbers {
            numbers.push(args![*shard, register, number, record]);
        }
        let columns =
            [("place", Col::Int), ("register", Col::Text), ("number", Col::Text), ("record", Col::Blob)];
        let sql = format!(
            "INSERT INTO number (shard, register, number, record) SELECT r.place, r.register, r.number, r.record FROM {} AS r",
            rows(tx.dialect(), "$1", &columns)
        );
        tx.execute(&sql, args![numbers]).await?;
    }
    if !decided.keys.is_empty() {
        let mut used = RowSet::new();
        for key in &decided.keys {
            let (scope, name) = &key.name;
            used.push(args![key.shard, scope, name, key.digest.as_slice(), key.first_position, key.entries]);
        }
        let columns = [
            ("place", Col::Int),
            ("scope", Col::Text),
            ("name", Col::Text),
            ("digest", Col::Blob),
            ("first", Col::Int),
            ("entries", Col::Int),
        ];
        let sql = format!(
            "INSERT INTO idempotency (shard, scope, key, digest, first_position, entries)
             SELECT r.place, r.scope, r.name, r.digest, r.first, r.entries FROM {} AS r",
            rows(tx.dialect(), "$1", &columns)
        );
        tx.execute(&sql, args![used]).await?;
    }
    Ok(())
}

async fn full_tiles(tx: &mut Tx, tiles: &[FullTile]) -> Result<(), StoreError> {
    for tile in tiles {
        let sql = "INSERT INTO tile (shard, register, level, tile_index, hashes, root) VALUES ($1, $2, $3, $4, $5, $6)";
        let arguments =
            args![tile.shard, &tile.register, tile.level, tile.index, tile.hashes.as_slice(), &tile.root];
        tx.execute(sql, arguments).await?;
    }
    Ok(())
}

async fn heads(tx: &mut Tx, decided: &Decided) -> Result<(), StoreError> {
    for log in &decided.logs {
        let sql = "UPDATE log SET size = $3, root = $4, frontier = $5, checkpoint = $6,
                recorded_at = COALESCE($7, recorded_at), kid = $8, vkey = $9, older_vkeys = $10
            WHERE shard = $1 AND register = $2";
        let arguments = args![
            log.shard,
            &log.register,
            log.frontier.size(),
            &log.root,
            peaks(log),
            log.checkpoint.as_str(),
            log_recorded_at(decided, log),
            &log.key.key().kid(),
            log.key.to_string(),
            older_text(&log.older_keys)
        ];
        expect_rows("log", tx.execute(sql, arguments).await?, 1)?;
    }
    let sql =
        "UPDATE journal SET position = $1, recorded_at = $2 WHERE id = 1 AND position = $3 AND shards = $4";
    let arguments = args![decided.position, decided.recorded_at, decided.before, decided.shards];
    expect_rows("journal", tx.execute(sql, arguments).await?, 1)
}

/// The heads are locked: a row that is not there was taken away under the lock.
fn expect_rows(table: &'static str, found: u64, expected: u64) -> Result<(), StoreError> {
    if found == expected {
        Ok(())
    } else {
        let why = format!("{found} rows changed where {expected} must");
        Err(StoreError::corrupt(table, "position", "its head", why))
    }
}

/// Everything in one round trip, or nothing when the journal's head is not where it was. The sub-statements touch different tables,
/// so that their order does not matter.
const ALL_AT_ONCE: &str = "
WITH place AS (
    UPDATE journal SET position = $38, recorded_at = $39 WHERE id = 1 AND position = $40 AND shards = $41 RETURNING 1
), new_entry AS (
    INSERT INTO entry (shard, position, register, leaf_index, record, version, recorded_at, statement, leaf_hash, body, salt)
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bytea[],
        $9::bytea[], $10::bytea[], $11::bytea[]) WHERE EXISTS (SELECT FROM place)
), new_tile AS (
    INSERT INTO tile (shard, register, level, tile_index, hashes, root)
    SELECT * FROM UNNEST($12::bigint[], $13::text[], $14::bigint[], $15::bigint[], $16::bytea[], $17::bytea[])
    WHERE EXISTS (SELECT FROM place)
), new_number AS (
    INSERT INTO number (shard, register, number, record)
    SELECT * FROM UNNEST($18::bigint[], $19::text[], $20::text[], $21::bytea[]) WHERE EXISTS (SELECT FROM place)
), new_key AS (
    INSERT INTO idempotency (shard, scope, key, digest, first_position, entries)
    SELECT * FROM UNNEST($22::bigint[], $23::text[], $24::text[], $25::bytea[], $26::bigint[], $27::bigint[])
    WHERE EXISTS (SELECT FROM place)
), head AS (
    UPDATE log SET size = u.size, root = u.root, frontier = u.frontier, checkpoint = u.checkpoint,
        recorded_at = COALESCE(u.recorded_at, log.recorded_at), kid = u.kid, vkey = u.vkey, older_vkeys = u.older_vkeys
    FROM UNNEST($28::bigint[], $29::text[], $30::bigint[], $31::bytea[], $32::bytea[], $33::text[], $34::bigint[], $35::text[],
        $36::text[], $37::text[]) AS u (shard, register, size, root, frontier, checkpoint, recorded_at, kid, vkey, older_vkeys)
    -- The shards once more, as parameters: by these a cluster knows where to write.
    WHERE log.shard = ANY ($28) AND log.shard = u.shard AND log.register = u.register AND EXISTS (SELECT FROM place) RETURNING 1
)
SELECT (SELECT COUNT(*) FROM place) AS places,
    (SELECT pg_notify($42, $38::text)::text FROM place),
    -- A head that is not there ends the statement, and with it all else.
    1 / (CASE WHEN (SELECT COUNT(*) FROM head) = $43 OR NOT EXISTS (SELECT FROM place) THEN 1 ELSE 0 END)";

async fn all_at_once(
    connection: &mut PgConnection,
    decided: &Decided,
    tiles: &[FullTile],
) -> Result<bool, sqlx::Error> {
    let (entries, numbers, keys, logs) = (&decided.entries, &decided.numbers, &decided.keys, &decided.logs);
    let rows = sqlx::query(ALL_AT_ONCE)
        .bind(list(entries, |one| one.shard))
        .bind(list(entries, |one| one.position.cast_signed()))
        .bind(list(entries, |one| one.statement.statement().register.as_str()))
        .bind(list(entries, |one| one.index.cast_signed()))
        .bind(list(entries, |one| one.statement.statement().record.as_bytes().as_slice()))
        .bind(list(entries, |one| one.statement.statement().version.cast_signed()))
        .bind(list(entries, |one| one.recorded_at.millis()))
        .bind(list(entries, |one| one.statement.to_packed()))
        .bind(list(entries, |one| one.leaf_hash.0.as_slice()))
        .bind(list(entries, |one| one.body.as_deref()))
        .bind(list(entries, |one| one.salt.as_ref().map(|salt| salt.0.as_slice())))
        .bind(list(tiles, |one| one.shard))
        .bind(list(tiles, |one| one.register.as_str()))
        .bind(list(tiles, |one| i64::from(one.level)))
        .bind(list(tiles, |one| one.index.cast_signed()))
        .bind(list(tiles, |one| one.hashes.as_slice()))
        .bind(list(tiles, |one| one.root.0.as_slice()))
        .bind(list(numbers, |one| one.shard))
        .bind(list(numbers, |one| one.register.as_str()))
        .bind(list(numbers, |one| one.number.as_str()))
        .bind(list(numbers, |one| one.record.as_bytes().as_slice()))
        .bind(list(keys, |one| one.shard))
        .bind(list(keys, |one| one.name.0.as_str()))
        .bind(list(keys, |one| one.name.1.as_str()))
        .bind(list(keys, |one| one.digest.as_slice()))
        .bind(list(keys, |one| one.first_position.cast_signed()))
        .bind(list(keys, |one| one.entries.cast_signed()))
        .bind(list(logs, |one| one.shard))
        .bind(list(logs, |one| one.register.as_str()))
        .bind(list(logs, |one| one.frontier.size().cast_signed()))
        .bind(list(logs, |one| one.root.0.as_slice()))
        .bind(list(logs, peaks))
        .bind(list(logs, |one| one.checkpoint.as_str()))
        .bind(list(logs, |one| log_recorded_at(decided, one)))
        .bind(list(logs, |one| one.key.key().kid().to_string()))
        .bind(list(logs, |one| one.key.to_string()))
        .bind(list(logs, |one| older_text(&one.older_keys)))
        .bind(decided.position.cast_signed())
        .bind(decided.recorded_at.millis())
        .bind(decided.before.cast_signed())
        .bind(decided.shards)
        .bind(CHANNEL)
        .bind(i64::try_from(logs.len()).unwrap_or(i64::MAX))
        // To the end: without a transaction around it the statement commits after its row was given, and may still fail.
        .fetch_all(connection)
        .await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(row.try_get::<i64, _>("places")? == 1)
}

fn list<'a, T, V>(items: &'a [T], value: impl FnMut(&'a T) -> V) -> Vec<V> {
    items.iter().map(value).collect()
}
