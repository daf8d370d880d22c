//! Mirrors: another installation's registers, taken over leaf by leaf under the checkpoints that it signed.
//!
//! All of it is one transaction: whoever reads the store meanwhile sees what was there before, and an interruption leaves no trace.
//! The caller has verified what it brings; here is checked what must hold in any journal, whoever brings it: every tree gives the
//! root that its checkpoint states and extends the tree that was there, bodies are those that were signed, positions have no
//! gap, and times of recording do not go back along them.

use std::collections::BTreeMap;

use proofs::body::{Salt, digest};
use proofs::checkpoint::{self, Checkpoint};
use proofs::hash::{EMPTY_ROOT, Hash};
use proofs::leaf::Leaf;
use proofs::merkle::Frontier;
use proofs::note::VerifierKey;
use proofs::slug::Slug;
use proofs::time::Timestamp;

use crate::appender::{Accepted, Decided, Head, Touched, filled, lock_journal, write};
use crate::args;
use crate::error::StoreError;
use crate::heads;
use crate::listen;
use crate::model::Withhold;
use crate::shards::FIRST;
use crate::sql::{Col, RowSet, Tx, rows};
use crate::store::{BATCH_ENTRIES_MAX, Store};

/// Bytes of bodies that are written together at most, beside one more body.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// A register to mirror.
#[derive(Debug, Clone)]
pub struct MirroredLog {
    /// The register.
    pub register: Slug,
    /// The keys that signed its checkpoint, the newest first.
    pub keys: Vec<VerifierKey>,
    /// The checkpoint, as it was signed.
    pub checkpoint: String,
}

/// An entry to mirror.
#[derive(Debug, Clone)]
pub struct MirroredEntry {
    /// The leaf.
    pub leaf: Leaf,
    /// Body and salt; nothing when they are withheld.
    pub body: Option<(Vec<u8>, Salt)>,
    /// The official number that it gives its record.
    pub number: Option<String>,
    /// The versions of its record whose bodies it orders to be withheld.
    pub withholds: Vec<u64>,
}

/// Why a store takes nothing over.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MirrorError {
    /// It has entries of its own.
    #[error("the store is an installation's own; a mirror is made in an empty one")]
    NotMirror,
    /// A checkpoint is not the register's, or is not signed with its key.
    #[error("the checkpoint of {register}: {why}")]
    Checkpoint {
        /// The register.
        register: Slug,
        /// What is wrong.
        why: String,
    },
    /// The mirror has more of the register.
    #[error(
        "the mirror has {has} entries of {register}, and is given {given}: it has a newer archive already"
    )]
    Older {
        /// The register.
        register: Slug,
        /// Entries in the mirror.
        has: u64,
        /// Entries in the checkpoint.
        given: u64,
    },
    /// The first entries are not those that the mirror has.
    #[error(
        "the first {size} entries of {register} are not those that the mirror has: one of the two was rewritten"
    )]
    Fork {
        /// The register.
        register: Slug,
        /// Entries in the mirror.
        size: u64,
    },
    /// An entry would stand after one that was recorded later.
    #[error(
        "entry {index} of {register} was recorded at {recorded_at}, before the last entry that the mirror has: import all archives \
         together into an empty store"
    )]
    Order {
        /// The register.
        register: Slug,
        /// Its index.
        index: u64,
        /// When it was recorded.
        recorded_at: Timestamp,
    },
    /// The leaves are not those of the checkpoint.
    #[error("the entries of {register} are not those of its checkpoint")]
    Root {
        /// The register.
        register: Slug,
    },
    /// An entry is not of a log that is mirrored, or its body is not its own.
    #[error("entry {index} of {register}: {why}")]
    Entry {
        /// The register.
        register: Slug,
        /// Its index.
        index: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Two records hold one official number.
    #[error("two records of one register hold the same official number")]
    Number,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A log that is being taken over.
struct Growing {
    shard: i64,
    key: VerifierKey,
    older_keys: Vec<VerifierKey>,
    note: String,
    target: Checkpoint,
    /// Entries and root that the mirror had.
    before: (u64, Hash),
    frontier: Frontier,
    recorded_at: Option<Timestamp>,
}

/// A take-over under way. Dropped without [`Mirroring::commit`], it leaves nothing.
pub struct Mirroring<'a> {
    store: &'a Store,
    tx: Tx,
    logs: BTreeMap<Slug, Growing>,
    position: u64,
    recorded_at: Timestamp,
    shards: i64,
    waiting: Vec<Accepted>,
    waiting_bytes: usize,
    withholds: Vec<Withhold>,
    numbers: RowSet,
}

impl Store {
    /// Begins to take these registers over. Nobody else does at the same time.
    pub async fn mirror(&self, logs: Vec<MirroredLog>) -> Result<Mirroring<'_>, MirrorError> {
        let mut tx = self.db().begin().await?;
        let Head { position, recorded_at, shards } = lock_journal(&mut tx).await?;
        claim(&mut tx, self.log_name(), position).await?;
        let places =
            self.shards().find(&mut tx, logs.iter().map(|log| &log.register).collect(), shards).await?;
        let mut growing = BTreeMap::new();
        for log in logs {
            let register = log.register.clone();
            let begun = begin(&mut tx, self.origin(&register), log, places.get(&register).copied()).await?;
            growing.insert(register, begun);
        }
        let (waiting, numbers) = (Vec::new(), RowSet::new());
        Ok(Mirroring {
            store: self,
            tx,
            logs: growing,
            position,
            recorded_at,
            shards,
            waiting,
            waiting_bytes: 0,
            withholds: Vec::new(),
            numbers,
        })
    }
}

/// Marks an empty store as a mirror, for ever.
async fn claim(tx: &mut Tx, log_name: &str, position: u64) -> Result<(), MirrorError> {
    if position == 0 {
        let insert =
            "INSERT INTO installation (id, log_name, mirror) VALUES (1, $1, 1) ON CONFLICT (id) DO NOTHING";
        tx.execute(insert, args![log_name]).await?;
    }
    let read = "SELECT log_name, mirror FROM installation WHERE id = 1";
    let row = tx.fetch_optional(read, vec![]).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("installation", "id", 1, "no row"))?;
    let ours = row.int("mirror")? == 1 && row.text("log_name")? == log_name;
    if ours { Ok(()) } else { Err(MirrorError::NotMirror) }
}

/// Opens a log's checkpoint, and the log itself where the mirror has none.
async fn begin(
    tx: &mut Tx,
    origin: String,
    log: MirroredLog,
    shard: Option<i64>,
) -> Result<Growing, MirrorError> {
    let shard = shard.unwrap_or(FIRST);
    let MirroredLog { register, keys, checkpoint: note } = log;
    let wrong = |why: String| MirrorError::Checkpoint { register: register.clone(), why };
    let (key, older_keys) =
        keys.split_first().ok_or_else(|| wrong("nobody is known to have signed it".to_owned()))?;
    let (key, older_keys) = (key.clone(), older_keys.to_vec());
    let target = checkpoint::open(&note, &key).map_err(|error| wrong(error.to_string()))?;
    for older in &older_keys {
        checkpoint::open(&note, older).map_err(|error| wrong(error.to_string()))?;
    }
    if target.origin != origin {
        return Err(wrong(format!("it is of {}, not of {origin}", target.origin)));
    }
    let read = format!("SELECT {} FROM log WHERE log.shard = $1 AND register = $2", heads::COLUMNS);
    let (before, recorded_at) = if let Some(row) = tx.fetch_optional(&read, args![shard, &register]).await? {
        let head = heads::read(&row)?.log;
        ((head.size, head.root), head.recorded_at)
    } else {
        let insert =
            "INSERT INTO log (shard, register, size, root, frontier, checkpoint, recorded_at, kid, vkey)
            VALUES ($1, $2, 0, $3, $4, '', NULL, $5, $6)";
        let peaks = Vec::<u8>::new();
        let arguments = args![shard, &register, EMPTY_ROOT, peaks, &key.key().kid(), key.to_string()];
        tx.execute(insert, arguments).await?;
        ((0, EMPTY_ROOT), None)
    };
    if target.size < before.0 {
        return Err(MirrorError::Older { register, has: before.0, given: target.size });
    }
    let frontier = Frontier::new();
    Ok(Growing { shard, key, older_keys, note, target, before, frontier, recorded_at })
}

impl Mirroring<'_> {
    /// How many entries of a register were in the mirror before.
    pub fn had(&self, register: &Slug) -> u64 {
        self.logs.get(register).map_or(0, |log| log.before.0)
    }

    /// The position that the next new entry is given.
    pub fn next_position(&self) -> u64 {
        self.position + 1
    }

    /// Takes the next entry of its register, from the first on: those that are there already are compared, the others added.
    pub async fn push(&mut self, entry: MirroredEntry) -> Result<(), MirrorError> {
        let statement = entry.leaf.statement.statement();
        let register = statement.register.clone();
        let wrong = |index, why| MirrorError::Entry { register: register.clone(), index, why };
        let log = self.logs.get_mut(&register).ok_or_else(|| wrong(0, "the register is not mirrored"))?;
        let index = log.frontier.size();
        if entry.body.as_ref().is_some_and(|(body, salt)| digest(salt, body) != statement.body) {
            return Err(wrong(index, "the body is not the one that was signed"));
        }
        let leaf_hash = entry.leaf.hash();
        log.frontier.push(leaf_hash);
        if index < log.before.0 {
            let forks = index + 1 == log.before.0 && log.frontier.root() != log.before.1;
            return if forks { Err(MirrorError::Fork { register, size: log.before.0 }) } else { Ok(()) };
        }
        let recorded_at = entry.leaf.recorded_at;
        if recorded_at < self.recorded_at {
            return Err(MirrorError::Order { register, index, recorded_at });
        }
        log.recorded_at = Some(recorded_at);
        self.recorded_at = recorded_at;
        self.position += 1;
        if !entry.withholds.is_empty() {
            let (record, by) = (statement.record, statement.version);
            self.withholds.push(Withhold { record, by, versions: entry.withholds });
        }
        if let Some(number) = &entry.number {
            self.numbers.push(args![log.shard, &register, number, &statement.record]);
        }
        self.waiting_bytes += entry.body.as_ref().map_or(0, |(body, _)| body.len());
        let (body, salt) = entry.body.unzip();
        let (shard, position, statement) = (log.shard, self.position, entry.leaf.statement);
        self.waiting.push(Accepted { shard, position, index, recorded_at, leaf_hash, statement, body, salt });
        if self.waiting.len() == BATCH_ENTRIES_MAX || self.waiting_bytes > BATCH_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes what waits, as the appender writes a batch.
    async fn flush(&mut self) -> Result<(), MirrorError> {
        let entries = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if entries.is_empty() {
            return Ok(());
        }
        let mut new_hashes: BTreeMap<&Slug, Vec<Hash>> = BTreeMap::new();
        for entry in &entries {
            let register = &entry.statement.statement().register;
            new_hashes.entry(register).or_default().push(entry.leaf_hash);
        }
        let touched = new_hashes.into_iter().filter_map(|(register, new_hashes)| {
            let log = self.logs.get(register)?;
            Some(Touched {
                shard: log.shard,
                register: register.clone(),
                opened: false,
                size_before: log.frontier.size() - new_hashes.len() as u64,
                new_hashes,
                frontier: log.frontier.clone(),
                key: log.key.clone(),
                older_keys: log.older_keys.clone(),
                signers: vec![],
                root: log.frontier.root(),
                // Until the transaction commits nobody sees that it is ahead of the tree.
                checkpoint: log.note.clone(),
            })
        });
        let logs: Vec<Touched> = touched.collect();
        let decided = Decided {
            answers: Vec::new(),
            before: self.position - entries.len() as u64,
            position: self.position,
            shards: self.shards,
            recorded_at: self.recorded_at,
            entries,
            numbers: Vec::new(),
            // What was there goes in the transaction that brings the order.
            withholds: std::mem::take(&mut self.withholds),
            keys: Vec::new(),
            logs,
        };
        let tiles = filled(&mut self.tx, &decided.logs).await?;
        write(&mut self.tx, &decided, &tiles).await?;
        let numbers = std::mem::take(&mut self.numbers);
        claim_numbers(&mut self.tx, numbers).await
    }

    /// Ends: every log must be the one of its checkpoint, to the last entry. Gives the position of the last entry.
    pub async fn commit(mut self) -> Result<u64, MirrorError> {
        self.flush().await?;
        for (register, log) in &self.logs {
            if (log.frontier.size(), log.frontier.root()) != (log.target.size, log.target.root) {
                return Err(MirrorError::Root { register: register.clone() });
            }
            let sql =
                "UPDATE log SET checkpoint = $3, recorded_at = $4, kid = $5, vkey = $6, older_vkeys = $7
                WHERE shard = $1 AND register = $2";
            let recorded_at = log.recorded_at.map(Timestamp::millis);
            let (kid, vkey) = (log.key.key().kid(), log.key.to_string());
            let older = heads::older_text(&log.older_keys);
            self.tx
                .execute(sql, args![log.shard, register, &log.note, recorded_at, &kid, vkey, older])
                .await?;
        }
        self.tx.commit().await?;
        listen::raise(self.store.arrived(), self.position);
        Ok(self.position)
    }
}

/// A record claims its number once, in whichever of its entries comes first.
async fn claim_numbers(tx: &mut Tx, numbers: RowSet) -> Result<(), MirrorError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let columns =
        [("place", Col::Int), ("register", Col::Text), ("number", Col::Text), ("record", Col::Blob)];
    let claimed = rows(tx.dialect(), "$1", &columns);
    let insert = format!(
        "INSERT INTO number (shard, register, number, record) SELECT r.place, r.register, r.number, r.record FROM {claimed} AS r
         WHERE true ON CONFLICT (shard, register, number) DO NOTHING"
    );
    tx.execute(&insert, args![numbers.clone()]).await?;
    let held = format!(
        "SELECT 1 AS held FROM {claimed} AS r CROSS JOIN number n
         WHERE n.shard = r.place AND n.register = r.register AND n.number = r.number AND n.record <> r.record LIMIT 1"
    );
    match tx.fetch_optional(&held, args![numbers]).await? {
        Some(_) => Err(MirrorError::Number),
        None => Ok(()),
    }
}
