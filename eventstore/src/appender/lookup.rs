//! What the store says about everything that a batch touches: one query each, however large the batch is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use proofs::checkpoint;
use proofs::key::Kid;
use proofs::merkle::Frontier;
use proofs::note::NoteSigner;
use proofs::slug::Slug;
use uuid::Uuid;

use super::lock::Head;
use crate::args;
use crate::error::StoreError;
use crate::heads;
use crate::keys::{self, Keyring};
use crate::model::{Appended, KeyChange, Submission};
use crate::replay;
use crate::shards::{self, FIRST, Places};
use crate::sql::{Col, Db, Dialect, Row, RowSet, Tx, probe, rows};

/// Checkpoint signers by register and key. One is used only while the log's row, or whoever opens the log, names it.
pub(super) type Signers = HashMap<(Slug, Kid), Arc<NoteSigner>>;
/// Whose idempotency key, and the key.
pub(crate) type KeyName = (String, String);
/// Where a record lives and its version.
pub(super) type Records = HashMap<Uuid, (Slug, u64)>;
/// What a used idempotency key stood for, and what it made.
pub(super) type UsedKeys = HashMap<KeyName, ([u8; 32], Vec<Appended>)>;

/// Entries of other shards since the look-up that are looked through one by one: a few batches. Beyond that to ask again is less.
const SINCE_ENTRIES_MAX: u64 = 4 * crate::store::BATCH_ENTRIES_MAX as u64;

/// The state that a batch is decided on.
#[derive(Clone)]
pub(super) struct Facts {
    pub head: Head,
    /// Where each register that the batch names is, or would be opened.
    pub places: Places,
    pub logs: HashMap<Slug, LogFacts>,
    /// Signers of logs that are to be opened, and those to be added to a log, if their keys are kept here.
    pub openers: Signers,
    pub records: Records,
    pub numbers: HashMap<(Slug, String), Uuid>,
    pub keys: UsedKeys,
}

#[derive(Clone)]
pub(super) struct LogFacts {
    pub frontier: Frontier,
    /// The newest first.
    pub signers: Vec<Arc<NoteSigner>>,
}

impl Facts {
    /// Are all checkpoints signed in this process?
    pub(super) fn signs_locally(&self) -> bool {
        let heads = self.logs.values().flat_map(|log| &log.signers);
        heads.chain(self.openers.values()).all(|signer| signer.is_local())
    }
}

/// Reads, under the lock of the shards in which these registers are. What is of other shards may change until the journal is locked
/// too: records, and keys. Those come last: who sees what a submission made sees its key.
pub(super) async fn read(
    tx: &mut Tx,
    batch: &[Submission],
    (head, places): (Head, Places),
    log_name: &str,
    keyring: &Keyring,
    signers: &mut Signers,
) -> Result<Facts, StoreError> {
    let (logs, openers) = logs(tx, &places, batch, log_name, keyring, signers).await?;
    let records = records(tx, batch, head.shards).await?;
    let numbers = numbers(tx, &places, batch).await?;
    let keys = used_keys(tx, batch, head.shards).await?;
    Ok(Facts { head, places, logs, openers, records, numbers, keys })
}

/// Reads without any lock what a batch rests on, in one statement and so as of one moment, of a store of one shard: records and
/// numbers. Nothing when the journal does not end at `head` any more, or a key was used before: both are looked at under the lock.
pub(super) async fn unlocked(
    db: &Db,
    batch: &[Submission],
    head: Head,
) -> Result<Option<Unlocked>, StoreError> {
    let entries = || batch.iter().flat_map(|one| &one.entries);
    let guards = batch.iter().flat_map(|one| &one.guards).map(|guard| guard.record);
    let wanted: BTreeSet<Uuid> =
        entries().map(|new| new.statement.statement().record).chain(guards).collect();
    let (mut ids, mut claims, mut names) = (RowSet::new(), RowSet::new(), RowSet::new());
    for record in &wanted {
        ids.push(args![record]);
    }
    for new in entries() {
        if let Some(number) = &new.number {
            claims.push(args![&new.statement.statement().register, number]);
        }
    }
    for used in batch.iter().filter_map(|one| one.idempotency.as_ref()) {
        names.push(args![used.scope.as_str(), used.key.as_str()]);
    }
    let (mut unlocked, mut stands) = (Unlocked::default(), false);
    for row in db.fetch_all(&unlocked_sql(), args![ids, claims, names, FIRST]).await? {
        let of = |row: &Row| -> Result<bool, StoreError> {
            match row.int("kind")? {
                0 => {
                    stands = row.uint("n")? == head.position && row.int("shards")? == head.shards;
                    return Ok(stands);
                }
                1 => {
                    unlocked.records.insert(row.uuid("record")?, (row.parse("register")?, row.uint("n")?));
                }
                2 => {
                    unlocked.numbers.insert((row.parse("register")?, row.text("name")?), row.uuid("record")?);
                }
                _ => return Ok(false),
            }
            Ok(true)
        };
        let mut of = of;
        if !of(&row).map_err(|error| error.at("entry", String::new))? {
            return Ok(None);
        }
    }
    Ok(stands.then_some(unlocked))
}

/// What [`unlocked`] found.
#[derive(Default)]
pub(super) struct Unlocked {
    pub records: Records,
    pub numbers: HashMap<(Slug, String), Uuid>,
}

/// The limits keep each part a look-up: without them PostgreSQL may read a table whole and compare each of its rows with each
/// parameter.
fn unlocked_sql() -> String {
    let postgres = Dialect::Postgres;
    format!(
        "SELECT 0::bigint AS kind, position AS n, shards, NULL::text AS register, NULL::text AS name, NULL::bytea AS record
         FROM journal WHERE id = 1
         UNION ALL
         SELECT 1, e.version, NULL, e.register, NULL, r.id FROM {} AS r CROSS JOIN LATERAL (
             SELECT version, register FROM entry WHERE shard = $4 AND record = r.id ORDER BY version DESC LIMIT 1) AS e
         UNION ALL
         SELECT 2, NULL, NULL, r.slug, r.text, k.record FROM {} AS r CROSS JOIN LATERAL (
             SELECT record FROM number WHERE shard = $4 AND register = r.slug AND number = r.text LIMIT 1) AS k
         UNION ALL
         SELECT 3, NULL, NULL, NULL, r.name, NULL FROM {} AS r CROSS JOIN LATERAL (
             SELECT 1 FROM idempotency WHERE shard = $4 AND scope = r.scope AND key = r.name LIMIT 1) AS i",
        rows(postgres, "$1", &[("id", Col::Blob)]),
        rows(postgres, "$2", &[("slug", Col::Text), ("text", Col::Text)]),
        rows(postgres, "$3", &[("scope", Col::Text), ("name", Col::Text)]),
    )
}

/// The same facts under the lock of the journal, when all stays as it is, and whether they still hold: what they say of other shards
/// is read again if anyone appended since. Nothing when another server opened a log that the batch opens, in another shard than
/// this one would.
pub(super) async fn again(
    tx: &mut Tx,
    batch: &[Submission],
    before: Facts,
    head: Head,
) -> Result<Option<(Facts, bool)>, StoreError> {
    let opens: BTreeSet<&Slug> = batch.iter().flat_map(|one| &one.opens).map(|open| &open.register).collect();
    if !opens.is_empty() {
        let mut slugs = RowSet::new();
        for register in opens {
            slugs.push(args![register]);
        }
        for row in tx.fetch_all(&shards::find_sql(tx.dialect()), args![slugs]).await? {
            let register: Slug = row.parse("register").map_err(|error| error.at("log", String::new))?;
            if before.places.get(&register) != Some(&row.int("shard")?) {
                return Ok(None);
            }
        }
    }
    if !disturbed(tx, batch, &before, head).await? {
        return Ok(Some((Facts { head, ..before }, true)));
    }
    let records = records(tx, batch, head.shards).await?;
    let keys = used_keys(tx, batch, head.shards).await?;
    let hold = records == before.records && keys == before.keys;
    Ok(Some((Facts { head, records, keys, ..before }, hold)))
}

/// May what was appended to other shards meanwhile have touched a record or a key of the batch? Only that is read, which is less than
/// to ask every shard for each of them again.
async fn disturbed(
    tx: &mut Tx,
    batch: &[Submission],
    before: &Facts,
    head: Head,
) -> Result<bool, StoreError> {
    let since = before.head.position;
    if head.position - since > SINCE_ENTRIES_MAX {
        return Ok(true);
    }
    let locked: BTreeSet<i64> = before.places.values().copied().collect();
    let others: Vec<i64> = (shards::FIRST..head.shards).filter(|shard| !locked.contains(shard)).collect();
    if head.position == since || others.is_empty() {
        return Ok(false);
    }
    let (records, keys) = (wanted_records(batch), wanted_keys(batch));
    for row in tx.fetch_all(&since_sql(&others), args![since]).await? {
        let touched = match row.opt_text("scope")? {
            None => records.contains(&row.uuid("record")?),
            Some(scope) => keys.contains(&(scope.as_str(), row.text("key")?.as_str())),
        };
        if touched {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn logs(
    tx: &mut Tx,
    places: &Places,
    batch: &[Submission],
    log_name: &str,
    keyring: &Keyring,
    signers: &mut Signers,
) -> Result<(HashMap<Slug, LogFacts>, Signers), StoreError> {
    let mut slugs = RowSet::new();
    for (register, shard) in places {
        slugs.push(args![*shard, register]);
    }
    let sql = logs_sql(tx.dialect());
    let found = tx.fetch_all(&sql, args![slugs]).await?;
    let found = found.iter().map(heads::read).collect::<Result<Vec<_>, _>>()?;
    let opens: BTreeSet<(Slug, Kid)> = batch.iter().flat_map(new_keys).collect();
    let heads = found.iter().flat_map(names);
    let missing: BTreeSet<_> =
        heads.chain(opens.iter().cloned()).filter(|name| !signers.contains_key(name)).collect();
    if !missing.is_empty() {
        load_signers(tx, &missing, log_name, keyring, signers).await?;
    }
    let fact = |head: heads::Head| {
        let kept = names(&head).map(|name| signers.get(&name).cloned()).collect::<Option<Vec<_>>>();
        let register = head.log.register;
        let kept =
            kept.ok_or_else(|| StoreError::corrupt("log", "vkey", &register, "the key is not kept here"))?;
        Ok((register, LogFacts { frontier: head.frontier, signers: kept }))
    };
    let logs = found.into_iter().map(fact).collect::<Result<_, StoreError>>()?;
    let opener = |name: (Slug, Kid)| signers.get(&name).cloned().map(|signer| (name, signer));
    Ok((logs, opens.into_iter().filter_map(opener).collect()))
}

/// The names of a log's signers, the newest first.
fn names(head: &heads::Head) -> impl Iterator<Item = (Slug, Kid)> {
    head.log.keys().map(|key| (head.log.register.clone(), key.key().kid()))
}

/// The names of signers that no log has yet.
fn new_keys(one: &Submission) -> impl Iterator<Item = (Slug, Kid)> {
    let opens = one.opens.iter().map(|open| (open.register.clone(), open.key.kid()));
    let added = one.rekeys.iter().filter_map(|rekey| match &rekey.change {
        KeyChange::Add(key) => Some((rekey.register.clone(), key.key().kid())),
        KeyChange::End(_) => None,
    });
    opens.chain(added)
}

async fn load_signers(
    tx: &mut Tx,
    names: &BTreeSet<(Slug, Kid)>,
    log_name: &str,
    keyring: &Keyring,
    signers: &mut Signers,
) -> Result<(), StoreError> {
    let mut wanted = RowSet::new();
    for (register, kid) in names {
        wanted.push(args![register, kid]);
    }
    let sql = signers_sql(tx.dialect());
    for row in tx.fetch_all(&sql, args![wanted, keys::CHECKPOINT]).await? {
        let register: Slug = row.parse("owner").map_err(|error| error.at("signing_key", String::new))?;
        let key = keyring.read(&row)?;
        let kid = key.public().kid();
        let signer = NoteSigner::new(&checkpoint::origin(log_name, &register), key)
            .map_err(|error| StoreError::corrupt("installation", "log_name", 1, error))?;
        signers.insert((register, kid), Arc::new(signer));
    }
    Ok(())
}

fn wanted_records(batch: &[Submission]) -> BTreeSet<Uuid> {
    let entries = batch.iter().flat_map(|one| &one.entries).map(|new| new.statement.statement().record);
    let guards = batch.iter().flat_map(|one| &one.guards).map(|guard| guard.record);
    entries.chain(guards).collect()
}

fn wanted_keys(batch: &[Submission]) -> BTreeSet<(&str, &str)> {
    let keys = batch.iter().filter_map(|one| one.idempotency.as_ref());
    keys.map(|one| (one.scope.as_str(), one.key.as_str())).collect()
}

async fn records(tx: &mut Tx, batch: &[Submission], count: i64) -> Result<Records, StoreError> {
    let wanted = wanted_records(batch);
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut ids = RowSet::new();
    for record in &wanted {
        ids.push(args![record]);
    }
    let sql = records_sql(tx.dialect(), count);
    let read = |row: &Row| Ok((row.uuid("record")?, (row.parse("register")?, row.uint("version")?)));
    let found = tx.fetch_all(&sql, args![ids]).await?;
    found.iter().map(read).collect::<Result<_, StoreError>>().map_err(|error| error.at("entry", String::new))
}

async fn numbers(
    tx: &mut Tx,
    places: &Places,
    batch: &[Submission],
) -> Result<HashMap<(Slug, String), Uuid>, StoreError> {
    let claims = |new: &crate::model::NewEntry| {
        let register = new.statement.statement().register.clone();
        new.number.clone().map(|number| (register, number))
    };
    let wanted: BTreeSet<(Slug, String)> =
        batch.iter().flat_map(|one| &one.entries).filter_map(claims).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut pairs = RowSet::new();
    for (register, number) in &wanted {
        pairs.push(args![places.get(register).copied(), register, number]);
    }
    let sql = numbers_sql(tx.dialect());
    let read = |row: &Row| Ok(((row.parse("register")?, row.text("number")?), row.uuid("record")?));
    let found = tx.fetch_all(&sql, args![pairs]).await?;
    found.iter().map(read).collect::<Result<_, StoreError>>().map_err(|error| error.at("number", String::new))
}

async fn used_keys(tx: &mut Tx, batch: &[Submission], count: i64) -> Result<UsedKeys, StoreError> {
    let wanted = wanted_keys(batch);
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut pairs = RowSet::new();
    for (scope, key) in &wanted {
        pairs.push(args![*scope, *key]);
    }
    let sql = used_keys_sql(tx.dialect(), count);
    let mut used = UsedKeys::new();
    let mut counts: HashMap<KeyName, usize> = HashMap::new();
    for row in tx.fetch_all(&sql, args![pairs]).await? {
        let named = |error: StoreError| error.at("idempotency", String::new);
        let name = (row.text("scope").map_err(named)?, row.text("key").map_err(named)?);
        let digest = row.hash("digest").map_err(named)?.0;
        let entries = row.uint("entries").map_err(named)?;
        let (_, appended) = used.entry(name.clone()).or_insert_with(|| (digest, Vec::new()));
        counts.insert(name, usize::try_from(entries).unwrap_or(usize::MAX));
        if row.opt_int("position").map_err(named)?.is_some() {
            appended.push(replay::appended(&row).map_err(|error| error.at("entry", String::new))?);
        }
    }
    if used.iter().any(|(name, (_, appended))| counts.get(name) != Some(&appended.len())) {
        return Err(StoreError::corrupt(
            "idempotency",
            "entries",
            "",
            "the entries it stands for are missing",
        ));
    }
    Ok(used)
}

fn logs_sql(dialect: Dialect) -> String {
    format!(
        "SELECT {} FROM {} AS r CROSS JOIN log WHERE log.shard = r.place AND register = r.slug",
        heads::COLUMNS,
        rows(dialect, "$1", &[("place", Col::Int), ("slug", Col::Text)])
    )
}

fn signers_sql(dialect: Dialect) -> String {
    format!(
        "SELECT {} FROM {} AS r
         CROSS JOIN signing_key WHERE owner = r.slug AND purpose = $2 AND signing_key.kid = r.kid_wanted",
        keys::COLUMNS,
        rows(dialect, "$1", &[("slug", Col::Text), ("kid_wanted", Col::Text)])
    )
}

fn records_sql(dialect: Dialect, count: i64) -> String {
    let last = "e.shard = s.shard AND e.record = r.id
         AND e.version = (SELECT MAX(version) FROM entry WHERE shard = s.shard AND record = r.id)";
    format!(
        "SELECT e.record, e.register, e.version FROM {} AS r CROSS JOIN {} AS s {}",
        rows(dialect, "$1", &[("id", Col::Blob)]),
        shards::listed(count),
        probe(dialect, "entry", "e", last)
    )
}

fn numbers_sql(dialect: Dialect) -> String {
    format!(
        "SELECT k.register, k.number, k.record FROM {} AS r {}",
        rows(dialect, "$1", &[("place", Col::Int), ("slug", Col::Text), ("text", Col::Text)]),
        probe(dialect, "number", "k", "k.shard = r.place AND k.register = r.slug AND k.number = r.text")
    )
}

/// Records and keys of what was appended to some shards after a position. A key is told by its scope.
fn since_sql(shards: &[i64]) -> String {
    let of_one = shards::one_of(shards);
    format!(
        "SELECT e.record, NULL AS scope, NULL AS key FROM entry e WHERE e.shard {of_one} AND e.position > $1
         UNION ALL SELECT NULL, i.scope, i.key FROM idempotency i WHERE i.shard {of_one} AND i.first_position > $1"
    )
}

fn used_keys_sql(dialect: Dialect, count: i64) -> String {
    let all: Vec<i64> = (shards::FIRST..count).collect();
    format!(
        "SELECT i.scope, i.key, i.digest, i.entries, e.position, e.register, e.leaf_index, e.record, e.version, e.recorded_at
         FROM {} AS r CROSS JOIN {} AS s {}
         LEFT JOIN entry e ON e.shard {} AND e.position >= i.first_position AND e.position < i.first_position + i.entries
         ORDER BY e.position",
        rows(dialect, "$1", &[("scope", Col::Text), ("name", Col::Text)]),
        shards::listed(count),
        probe(dialect, "idempotency", "i", "i.shard = s.shard AND i.scope = r.scope AND i.key = r.name"),
        shards::one_of(&all)
    )
}

/// All queries that look things up by a set of parameters.
#[cfg(test)]
pub(super) fn queries(dialect: Dialect, count: i64) -> Vec<String> {
    let mut all = [logs_sql, signers_sql, numbers_sql].map(|query| query(dialect)).to_vec();
    all.push(since_sql(&[1, 3]));
    all.extend([records_sql, used_keys_sql].map(|query| query(dialect, count)));
    all
}
