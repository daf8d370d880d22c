//! Reading entries. Since whoever appends holds the journal's head, entries become visible in the order of their positions,
//! without gaps, and one statement sees a prefix of that order.

use proofs::body::{Salt, digest};
use proofs::slug::Slug;
use proofs::statement::SignedStatement;
use proofs::time::Timestamp;
use uuid::Uuid;

use crate::args;
use crate::error::StoreError;
use crate::model::StoredEntry;
use crate::shards;
use crate::sql::{Col, Db, Row, RowSet, few_rows, rows};
use crate::store::Store;

/// Entries of one read at most: at 2 KiB each, 10 MB.
pub const READ_ENTRIES_MAX: u32 = 5_000;

/// Entries that one look at what waits counts at most: some 10 ms of an index's work.
pub const WAITING_ENTRIES_MAX: u32 = 100_000;

/// Entries of one register that come after a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The register.
    pub register: Slug,
    /// How many they are.
    pub entries: u64,
    /// When the first of them was recorded.
    pub since: Timestamp,
}

/// Bodies of a register that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bodies {
    /// How many.
    pub bodies: u64,
    /// Their bytes.
    pub bytes: u64,
}

pub(crate) const COLUMNS: &str =
    "e.position, e.register, e.leaf_index, e.record, e.version, e.recorded_at, e.statement, e.body, e.salt,
     CASE WHEN e.body IS NULL THEN (SELECT w.by_index FROM withheld w WHERE w.shard = e.shard AND w.position = e.position)
     END AS withheld_by";

pub(crate) async fn position(db: &Db) -> Result<u64, StoreError> {
    let row = db.fetch_optional("SELECT position FROM journal WHERE id = 1", vec![]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("journal", "id", 1, "no row"))?;
    row.uint("position").map_err(|error| error.at("journal", String::new))
}

impl Store {
    /// Up to `limit` entries after a position, in order, none missing.
    pub async fn read_after(&self, position: u64, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
        let last = position.saturating_add(u64::from(limit.min(READ_ENTRIES_MAX)));
        // Positions have no gap, so that a range says how many: each shard gives its part of it, and nothing more is read. The
        // head comes along, of the same moment, to know that none is missing at the end either.
        let sql = format!(
            "SELECT j.position AS head, {COLUMNS} FROM journal j
             LEFT JOIN entry e ON e.shard {} AND e.position > $1 AND e.position <= $2 WHERE j.id = 1",
            shards::any(self.db().dialect())
        );
        let rows = self.db().fetch_all(&sql, args![position, last]).await?;
        let first = rows.first().ok_or_else(|| StoreError::corrupt("journal", "id", 1, "no row"))?;
        let last = last.min(first.uint("head").map_err(|error| error.at("journal", String::new))?);
        if last <= position {
            return Ok(Vec::new());
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.opt_int("position").map_err(|error| error.at("entry", String::new))?.is_some() {
                entries.push(read(row)?);
            }
        }
        entries.sort_unstable_by_key(|entry| entry.position);
        let mut found = entries.iter().map(|entry| entry.position);
        for expected in position + 1..=last {
            if found.next() != Some(expected) {
                return Err(StoreError::corrupt("entry", "position", expected, "no entry, but later ones"));
            }
        }
        Ok(entries)
    }

    /// How many entries each register has after a position, and when the first of them was recorded.
    ///
    /// Looks at [`WAITING_ENTRIES_MAX`] entries at most: beyond that the counts are what is known of the nearest.
    pub async fn waiting_after(&self, position: u64) -> Result<Vec<Waiting>, StoreError> {
        let sql = format!(
            "SELECT register, count(*) AS entries, min(recorded_at) AS since FROM entry
             WHERE shard {} AND position > $1 AND position <= $2 GROUP BY register",
            shards::any(self.db().dialect())
        );
        let last = position.saturating_add(u64::from(WAITING_ENTRIES_MAX));
        let rows = self.db().fetch_all(&sql, args![position, last]).await?;
        let read = |row: &Row| -> Result<Waiting, StoreError> {
            let register = row.text("register")?;
            let slug = register.parse();
            Ok(Waiting {
                register: slug.map_err(|error| StoreError::corrupt("entry", "register", &register, error))?,
                entries: row.uint("entries")?,
                since: Timestamp::from_millis(row.int("since")?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Up to `limit` entries of a register from an index, in order, none missing.
    pub async fn read_register(
        &self,
        register: &Slug,
        from_index: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {COLUMNS} FROM entry e WHERE e.shard = $1 AND e.register = $2 AND e.leaf_index >= $3
             ORDER BY e.leaf_index LIMIT $4"
        );
        let arguments = args![shard, register, from_index, limit.min(READ_ENTRIES_MAX)];
        let entries = read_all(&self.db().fetch_all(&sql, arguments).await?)?;
        for (entry, expected) in entries.iter().zip(from_index..) {
            if entry.index != expected {
                let key = format!("{register}/{expected}");
                return Err(StoreError::corrupt("entry", "leaf_index", key, "no entry, but later ones"));
            }
        }
        Ok(entries)
    }

    /// How many of a register's first entries have a body, and the bytes of those bodies: what is withheld has none.
    pub async fn bodies_within(&self, register: &Slug, entries: u64) -> Result<Bodies, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(Bodies { bodies: 0, bytes: 0 }) };
        let sql = "SELECT CAST(count(body) AS BIGINT) AS bodies,
                CAST(COALESCE(sum(octet_length(body)), 0) AS BIGINT) AS bytes
            FROM entry WHERE shard = $1 AND register = $2 AND leaf_index < $3";
        let row = self.db().fetch_optional(sql, args![shard, register, entries]).await?;
        let row = row.ok_or_else(|| StoreError::corrupt("entry", "body", register, "no answer"))?;
        let named = |error: StoreError| error.at("entry", || register.to_string());
        Ok(Bodies { bodies: row.uint("bodies").map_err(named)?, bytes: row.uint("bytes").map_err(named)? })
    }

    /// The index of a register's first entry after a position: its size when there is none, nothing when there is no such log.
    /// Within a register positions grow with indexes, so that it is found by halving: 20 look-ups in a million.
    pub async fn index_after(&self, register: &Slug, position: u64) -> Result<Option<u64>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let sql = "WITH RECURSIVE search (low, high) AS (
                SELECT CAST(0 AS BIGINT), size FROM log WHERE shard = $1 AND register = $2
                UNION ALL
                SELECT CASE WHEN e.position > $3 THEN s.low ELSE (s.low + s.high) / 2 + 1 END,
                       CASE WHEN e.position > $3 THEN (s.low + s.high) / 2 ELSE s.high END
                FROM search s CROSS JOIN entry e
                WHERE s.low < s.high AND e.shard = $1 AND e.register = $2 AND e.leaf_index = (s.low + s.high) / 2
            ) SELECT low FROM search WHERE low >= high";
        let row = self.db().fetch_optional(sql, args![shard, register, position]).await?;
        row.map(|row| row.uint("low").map_err(|error| error.at("entry", || register.to_string()))).transpose()
    }

    /// The entries of a record by version; none when there is no such record.
    pub async fn read_record(&self, record: Uuid) -> Result<Vec<StoredEntry>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entry e WHERE e.shard {} AND e.record = $1 ORDER BY e.version",
            shards::any(self.db().dialect())
        );
        let entries = read_all(&self.db().fetch_all(&sql, args![record]).await?)?;
        check_versions(&entries)?;
        Ok(entries)
    }

    /// The entries of several records, by record and version. Records that do not exist have none.
    pub async fn read_records(&self, records: &[Uuid]) -> Result<Vec<StoredEntry>, StoreError> {
        self.read_records_until(records, u64::MAX).await
    }

    /// The same, of those at a position or before: what comes later is not read, and so cannot be in the way.
    pub async fn read_records_until(
        &self,
        records: &[Uuid],
        position: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let mut wanted = RowSet::new();
        let mut distinct = records.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        for record in distinct {
            wanted.push(args![record]);
        }
        // The sign keeps SQLite from the index of positions, which would be walked whole for each record.
        let sql = format!(
            "SELECT {COLUMNS} FROM {} AS r CROSS JOIN entry e WHERE e.shard {} AND e.record = r.id
             AND +e.position <= $2 ORDER BY e.record, e.version",
            few_rows(self.db().dialect(), "$1", &[("id", Col::Blob)]),
            shards::any(self.db().dialect())
        );
        let entries = read_all(&self.db().fetch_all(&sql, args![wanted, position]).await?)?;
        check_versions(&entries)?;
        Ok(entries)
    }

    /// Which of these are records of a register.
    pub async fn records_of(&self, register: &Slug, records: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(Vec::new()) };
        let mut wanted = RowSet::new();
        for record in records {
            wanted.push(args![*record]);
        }
        let sql = format!(
            "SELECT e.record FROM {} AS r CROSS JOIN entry e
             WHERE e.shard = $2 AND e.record = r.id AND e.version = 1 AND e.register = $3",
            rows(self.db().dialect(), "$1", &[("id", Col::Blob)])
        );
        let found = self.db().fetch_all(&sql, args![wanted, shard, register]).await?;
        let read = |row: &Row| row.uuid("record").map_err(|error| error.at("entry", || register.to_string()));
        found.iter().map(read).collect()
    }

    /// The entry of a register at an index.
    pub async fn entry(&self, register: &Slug, index: u64) -> Result<Option<StoredEntry>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM entry e WHERE e.shard = $1 AND e.register = $2 AND e.leaf_index = $3"
        );
        let row = self.db().fetch_optional(&sql, args![shard, register, index]).await?;
        row.as_ref().map(read).transpose()
    }

    /// The record that holds an official number in a register.
    pub async fn number(&self, register: &Slug, number: &str) -> Result<Option<Uuid>, StoreError> {
        // PostgreSQL refuses the parameter; no number has it.
        if number.contains('\0') {
            return Ok(None);
        }
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let sql = "SELECT record FROM number WHERE shard = $1 AND register = $2 AND number = $3";
        let row = self.db().fetch_optional(sql, args![shard, register, number]).await?;
        row.map(|row| row.uuid("record").map_err(|error| error.at("number", || register.to_string())))
            .transpose()
    }

    /// Of these official numbers of a register, those that are held, each with the record that holds it.
    pub async fn numbers(
        &self,
        register: &Slug,
        numbers: &[&str],
    ) -> Result<Vec<(String, Uuid)>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(Vec::new()) };
        let mut wanted = RowSet::new();
        for number in numbers {
            wanted.push(args![*number]);
        }
        let sql = format!(
            "SELECT n.number, n.record FROM {} AS r CROSS JOIN number n
             WHERE n.shard = $2 AND n.register = $3 AND n.number = r.number",
            rows(self.db().dialect(), "$1", &[("number", Col::Text)])
        );
        let found = self.db().fetch_all(&sql, args![wanted, shard, register]).await?;
        let read = |row: &Row| Ok((row.text("number")?, row.uuid("record")?));
        let named = |error: StoreError| error.at("number", || register.to_string());
        found.iter().map(|row| read(row).map_err(named)).collect()
    }
}

fn read_all(rows: &[Row]) -> Result<Vec<StoredEntry>, StoreError> {
    rows.iter().map(read).collect()
}

/// An entry, checked against itself: columns repeat what the statement says, and the body must be the one it was signed with.
pub(crate) fn read(row: &Row) -> Result<StoredEntry, StoreError> {
    let position = row.uint("position").map_err(|error| error.at("entry", String::new))?;
    let key = || position.to_string();
    let named = |error: StoreError| error.at("entry", key);
    let corrupt = |column, why: &str| StoreError::corrupt("entry", column, position, why);
    let packed = row.bytes("statement").map_err(named)?;
    let signed = SignedStatement::from_packed(packed)
        .map_err(|error| StoreError::corrupt("entry", "statement", position, error))?;
    let statement = signed.statement();
    let register: Slug = row.parse("register").map_err(named)?;
    if register != statement.register {
        return Err(corrupt("register", "is not the statement's"));
    }
    if row.uuid("record").map_err(named)? != statement.record {
        return Err(corrupt("record", "is not the statement's"));
    }
    if row.uint("version").map_err(named)? != statement.version {
        return Err(corrupt("version", "is not the statement's"));
    }
    let body = row.opt_blob("body").map_err(named)?;
    let salt = row.opt_bytes("salt").map_err(named)?.map(Salt::from_slice).transpose();
    let salt = salt.map_err(|error| StoreError::corrupt("entry", "salt", position, error))?;
    match (&body, &salt) {
        (Some(body), Some(salt)) if digest(salt, body) != statement.body => {
            return Err(corrupt("body", "is not the one whose digest was signed"));
        }
        (Some(_), None) | (None, Some(_)) => return Err(corrupt("salt", "body and salt go together")),
        _ => {}
    }
    let index = row.uint("leaf_index").map_err(named)?;
    let recorded_at = row.time("recorded_at").map_err(named)?;
    // Counts what was stored: it is not negative.
    let withheld_by = row.opt_int("withheld_by").map_err(named)?.map(i64::cast_unsigned);
    Ok(StoredEntry { position, register, index, recorded_at, statement: signed, body, salt, withheld_by })
}

/// Within each record versions count from 1 without gaps.
fn check_versions(entries: &[StoredEntry]) -> Result<(), StoreError> {
    let mut previous: Option<(Uuid, u64)> = None;
    for entry in entries {
        let (record, version) = (entry.record(), entry.version());
        let expected = match previous {
            Some((same, before)) if same == record => before + 1,
            _ => 1,
        };
        if version != expected {
            return Err(StoreError::corrupt(
                "entry",
                "version",
                format!("record {record}"),
                "versions have a gap",
            ));
        }
        previous = Some((record, version));
    }
    Ok(())
}
