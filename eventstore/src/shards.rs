//! Shards: in which one the log of a register is, and how many there are.
//!
//! A shard is what those who append lock, and the first part of each key of the log. It is no order of its own: positions are one
//! order over all shards. A register stays in the shard that its log was opened in, and the number of shards only grows, so that
//! what is remembered here is never wrong; at worst it is not all.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use proofs::hash::sha256;
use proofs::slug::Slug;

use crate::args;
use crate::error::StoreError;
use crate::heads::Head;
use crate::model::Submission;
use crate::sql::{Col, Db, Dialect, Row, RowSet, Tx, rows};
use crate::store::Store;

/// Shards of a store at most. Each has a connection of its own on every server, and all commits are one after the other: beyond a
/// few, a shard more costs a connection and gains nothing.
pub const SHARDS_MAX: u32 = 16;
/// The shard that a store begins with.
pub(crate) const FIRST: i64 = 0;

/// What a column of shards is compared with to find any of them, however many there have come to be. An index whose first column
/// it is serves: PostgreSQL plans for an array as it would for one value.
pub(crate) fn any(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "IN (SELECT shard FROM shard)",
        Dialect::Postgres => "= ANY (ARRAY(SELECT shard FROM shard))",
    }
}

/// The same for these shards.
pub(crate) fn one_of(shards: &[i64]) -> String {
    let numbers: Vec<_> = shards.iter().map(i64::to_string).collect();
    format!("IN ({})", numbers.join(", "))
}

/// The numbers of the first `count` shards as a sub-select, whose alias has one column, `shard`. With one it is a constant.
pub(crate) fn listed(count: i64) -> String {
    let numbers: Vec<_> =
        (FIRST..count).map(|shard| format!("SELECT CAST({shard} AS BIGINT) AS shard")).collect();
    format!("({})", numbers.join(" UNION ALL "))
}

/// The registers whose trees a submission touches.
pub(crate) fn registers(submission: &Submission) -> impl Iterator<Item = &Slug> {
    let entries = submission.entries.iter().map(|new| &new.statement.statement().register);
    let opens = submission.opens.iter().map(|open| &open.register);
    entries.chain(opens).chain(submission.rekeys.iter().map(|rekey| &rekey.register))
}

/// Which register is in which shard.
pub(crate) type Places = HashMap<Slug, i64>;

/// What a process knows of the shards.
pub(crate) struct Shards {
    /// Registers that are opened in the first shard.
    first: BTreeSet<Slug>,
    count: AtomicI64,
    places: RwLock<Places>,
}

impl Shards {
    pub(crate) fn new(first: impl IntoIterator<Item = Slug>, count: i64, heads: &[Head]) -> Self {
        let places = heads.iter().map(|head| (head.log.register.clone(), head.shard)).collect();
        Self { first: first.into_iter().collect(), count: AtomicI64::new(count), places: RwLock::new(places) }
    }

    /// How many there are at least.
    pub(crate) fn count(&self) -> i64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Another process made more.
    pub(crate) fn grown(&self, count: i64) {
        self.count.fetch_max(count, Ordering::SeqCst);
    }

    /// Where a log is opened when there are `count` shards: the registers of the platform in the first, so that what is appended
    /// to several of them stays in one shard; any other by the SHA-256 of its name, its first 8 bytes modulo the number.
    fn rule(&self, register: &Slug, count: i64) -> i64 {
        if count == 1 || self.first.contains(register) {
            return FIRST;
        }
        let digest = sha256(register.as_str().as_bytes());
        let number = digest.0.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        (number % count.cast_unsigned()).cast_signed()
    }

    fn known(&self, register: &Slug) -> Option<i64> {
        self.places.read().unwrap_or_else(PoisonError::into_inner).get(register).copied()
    }

    /// Takes rows of [`QUERY`].
    fn learn(&self, found: &[Row]) -> Result<(), StoreError> {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        for row in found {
            let named = |error: StoreError| error.at("log", String::new);
            places.insert(row.parse("register").map_err(named)?, row.int("shard").map_err(named)?);
        }
        Ok(())
    }

    /// Of these registers, those of which nothing is known. None when all are in the one shard.
    fn unknown(&self, registers: &BTreeSet<&Slug>, count: i64) -> RowSet {
        let mut unknown = RowSet::new();
        for register in registers.iter().filter(|register| count > 1 && self.known(register).is_none()) {
            unknown.push(args![*register]);
        }
        unknown
    }

    fn place(&self, registers: &BTreeSet<&Slug>, count: i64) -> Places {
        let place = |register: &Slug| self.known(register).unwrap_or_else(|| self.rule(register, count));
        registers.iter().map(|register| ((*register).clone(), place(register))).collect()
    }

    /// Where these registers are, or would be opened now that there are `count` shards.
    pub(crate) async fn find(
        &self,
        tx: &mut Tx,
        registers: BTreeSet<&Slug>,
        count: i64,
    ) -> Result<Places, StoreError> {
        let unknown = self.unknown(&registers, count);
        if !unknown.is_empty() {
            self.learn(&tx.fetch_all(&find_sql(tx.dialect()), args![unknown]).await?)?;
        }
        Ok(self.place(&registers, count))
    }

    /// The lowest shard that a submission touches, as far as is known.
    pub(crate) fn lowest(&self, submission: &Submission) -> i64 {
        let count = self.count();
        let place = |register: &Slug| self.known(register).unwrap_or_else(|| self.rule(register, count));
        registers(submission).map(place).min().unwrap_or(FIRST)
    }
}

pub(crate) fn find_sql(dialect: Dialect) -> String {
    let wanted = rows(dialect, "$1", &[("slug", Col::Text)]);
    format!("SELECT log.register, log.shard FROM {wanted} AS r CROSS JOIN log WHERE log.register = r.slug")
}

/// Makes shards until there are so many. Gives how many there are, which may be more.
pub(crate) async fn grow(db: &Db, wanted: u32) -> Result<i64, StoreError> {
    let read = "SELECT shards FROM journal WHERE id = 1";
    let wanted = i64::from(wanted.clamp(1, SHARDS_MAX));
    let none = || StoreError::corrupt("journal", "id", 1, "no row");
    let count = db.fetch_optional(read, vec![]).await?.ok_or_else(none)?.int("shards")?;
    if wanted <= count {
        return Ok(count);
    }
    let mut tx = db.begin().await?;
    // Whoever appends meanwhile finds under this lock that there are more, and begins again.
    let lock = match db.dialect() {
        Dialect::Sqlite => read,
        Dialect::Postgres => "SELECT shards FROM journal WHERE id = 1 FOR UPDATE",
    };
    let count = tx.fetch_optional(lock, vec![]).await?.ok_or_else(none)?.int("shards")?;
    for shard in count..wanted {
        let insert = "INSERT INTO shard (shard, position, recorded_at) VALUES ($1, 0, 0)";
        tx.execute(insert, args![shard]).await?;
    }
    if wanted > count {
        tx.execute("UPDATE journal SET shards = $1 WHERE id = 1", args![wanted]).await?;
    }
    tx.commit().await?;
    Ok(wanted.max(count))
}

impl Store {
    /// The shard that a register's log is in; none when there is no such log.
    pub async fn shard_of(&self, register: &Slug) -> Result<Option<i64>, StoreError> {
        if let Some(shard) = self.shards().known(register) {
            return Ok(Some(shard));
        }
        let mut wanted = RowSet::new();
        wanted.push(args![register]);
        let found = self.db().fetch_all(&find_sql(self.db().dialect()), args![wanted]).await?;
        self.shards().learn(&found)?;
        Ok(self.shards().known(register))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_a_register_is_opened() {
        let slug = |text: &str| text.parse::<Slug>().unwrap();
        let shards = Shards::new([slug("registers")], 4, &[]);
        // printf licences | sha256sum
        assert_eq!([1, 2, 4, 16].map(|count| shards.rule(&slug("registers"), count)), [0; 4]);
        assert_eq!([1, 2, 4, 16].map(|count| shards.rule(&slug("licences"), count)), [0, 0, 2, 2]);
        let spread: BTreeSet<i64> =
            (0..64).map(|number| shards.rule(&slug(&format!("register-{number}")), 4)).collect();
        assert_eq!(spread, BTreeSet::from([0, 1, 2, 3]));
    }

    #[test]
    fn lists_are_those_of_the_shards() {
        assert_eq!((one_of(&[0]), one_of(&[0, 2])), ("IN (0)".to_owned(), "IN (0, 2)".to_owned()));
        assert_eq!(listed(1), "(SELECT CAST(0 AS BIGINT) AS shard)");
        assert!(listed(2).ends_with("UNION ALL SELECT CAST(1 AS BIGINT) AS shard)"));
    }
}
