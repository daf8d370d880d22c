//! Decides a batch: submission by submission, each seeing what those before it did, and each failing alone. No I/O.

use std::collections::HashMap;
use std::sync::Arc;

use proofs::body::Salt;
use proofs::checkpoint::{Checkpoint, CheckpointError};
use proofs::hash::{Hash, leaf_hash};
use proofs::key::PublicKey;
use proofs::leaf::Leaf;
use proofs::merkle::Frontier;
use proofs::note::{NoteError, NoteSigner, VerifierKey};
use proofs::slug::Slug;
use proofs::statement::SignedStatement;
use proofs::time::Timestamp;
use uuid::Uuid;

use super::lookup::{Facts, KeyName, Signers};
use crate::error::{AppendError, StoreError};
use crate::model::{Appended, KeyChange, NewEntry, Rekey, Submission, Under, Withhold};
use crate::shards::{self, Places};

/// What is to be written, and what to tell whom.
pub(crate) struct Decided {
    /// One for each submission, in order.
    pub answers: Vec<Result<Vec<Appended>, AppendError>>,
    /// The journal's position before and after.
    pub before: u64,
    pub position: u64,
    /// How many shards it was decided for.
    pub shards: i64,
    pub recorded_at: Timestamp,
    pub entries: Vec<Accepted>,
    pub numbers: Vec<NewNumber>,
    pub keys: Vec<UsedKey>,
    /// Logs that were opened, extended, or signed anew because their keys changed.
    pub logs: Vec<Touched>,
    /// Bodies to remove.
    pub withholds: Vec<Withhold>,
}

/// Why a batch could not be decided.
pub(super) enum Undecided {
    /// A register's checkpoint was not signed.
    Unsigned {
        register: Slug,
        error: StoreError,
    },
    Store(StoreError),
}

impl From<StoreError> for Undecided {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(crate) struct Accepted {
    pub shard: i64,
    pub position: u64,
    pub index: u64,
    pub recorded_at: Timestamp,
    pub leaf_hash: Hash,
    pub statement: SignedStatement,
    /// Nothing when it is withheld, which no new entry is.
    pub body: Option<Vec<u8>>,
    pub salt: Option<Salt>,
}

pub(crate) struct NewNumber {
    pub shard: i64,
    pub register: Slug,
    pub number: String,
    pub record: Uuid,
}

pub(crate) struct UsedKey {
    /// One of its submission's.
    pub shard: i64,
    pub name: KeyName,
    pub digest: [u8; 32],
    pub first_position: u64,
    pub entries: u64,
}

/// A log after the batch.
pub(crate) struct Touched {
    pub shard: i64,
    pub register: Slug,
    pub opened: bool,
    pub size_before: u64,
    pub new_hashes: Vec<Hash>,
    pub frontier: Frontier,
    /// The newest key that signs it, and the others, the newest first.
    pub key: VerifierKey,
    pub older_keys: Vec<VerifierKey>,
    /// Those who signed it; none where it was signed elsewhere.
    pub signers: Vec<Arc<NoteSigner>>,
    pub root: Hash,
    pub checkpoint: String,
}

struct Log {
    shard: i64,
    before: Frontier,
    frontier: Frontier,
    signers: Vec<Arc<NoteSigner>>,
    opened: bool,
    size_before: u64,
    new_hashes: Vec<Hash>,
    touched: bool,
}

/// What one submission would change, until it is known to be taken.
#[derive(Default)]
struct Changes {
    opened: Vec<Slug>,
    /// The signers of logs that are opened, or get others.
    signers: HashMap<Slug, Vec<Arc<NoteSigner>>>,
    records: HashMap<Uuid, (Slug, u64)>,
    numbers: HashMap<(Slug, String), Uuid>,
}

struct State {
    position: u64,
    recorded_at: Timestamp,
    places: Places,
    logs: HashMap<Slug, Log>,
    openers: Signers,
    records: HashMap<Uuid, (Slug, u64)>,
    numbers: HashMap<(Slug, String), Uuid>,
    keys: HashMap<KeyName, ([u8; 32], Vec<Appended>)>,
    entries: Vec<Accepted>,
    new_numbers: Vec<NewNumber>,
    new_keys: Vec<UsedKey>,
    withholds: Vec<Withhold>,
}

/// Positions of a batch that is decided before the journal's head is known count from here, and are moved behind it by
/// [`Decided::place`]. No journal comes so far.
pub(super) const TENTATIVE: u64 = 1 << 62;

impl Decided {
    /// Gives a batch that was decided tentatively its positions, behind the journal's head.
    pub(super) fn place(&mut self, head: u64) {
        let place = |position: &mut u64| {
            if *position >= TENTATIVE {
                *position = *position - TENTATIVE + head;
            }
        };
        place(&mut self.before);
        place(&mut self.position);
        for entry in &mut self.entries {
            place(&mut entry.position);
        }
        for key in &mut self.keys {
            place(&mut key.first_position);
        }
        for appended in self.answers.iter_mut().flatten().flatten() {
            place(&mut appended.position);
        }
    }
}

/// `now` is the clock's; what is recorded never goes back behind what was.
pub(super) fn decide(batch: Vec<Submission>, facts: Facts, now: Timestamp) -> Result<Decided, Undecided> {
    let before = facts.head.position;
    let places = facts.places;
    let logs = facts.logs.into_iter().map(|(register, log)| {
        let size_before = log.frontier.size();
        let (before, frontier, signers) = (log.frontier.clone(), log.frontier, log.signers);
        let shard = place(&places, &register);
        let log = Log {
            shard,
            before,
            frontier,
            signers,
            opened: false,
            size_before,
            new_hashes: vec![],
            touched: false,
        };
        (register, log)
    });
    let mut state = State {
        position: before,
        recorded_at: now.max(facts.head.recorded_at),
        logs: logs.collect(),
        places,
        openers: facts.openers,
        records: facts.records,
        numbers: facts.numbers,
        keys: facts.keys,
        entries: Vec::new(),
        new_numbers: Vec::new(),
        new_keys: Vec::new(),
        withholds: Vec::new(),
    };
    let answers = batch.into_iter().map(|submission| state.submission(submission)).collect();
    state.finish(before, facts.head.shards, answers)
}

/// The shard of a register that the batch names.
fn place(places: &Places, register: &Slug) -> i64 {
    places.get(register).copied().unwrap_or(shards::FIRST)
}

impl State {
    fn submission(&mut self, submission: Submission) -> Result<Vec<Appended>, AppendError> {
        if let Some(idempotency) = &submission.idempotency {
            let name = (idempotency.scope.clone(), idempotency.key.clone());
            if let Some((digest, appended)) = self.keys.get(&name) {
                if *digest != idempotency.digest {
                    return Err(AppendError::Idempotency);
                }
                let replay = |one: &Appended| Appended { replayed: true, ..one.clone() };
                return Ok(appended.iter().map(replay).collect());
            }
        }
        for guard in &submission.guards {
            let found = self.records.get(&guard.record).map_or(0, |(_, version)| *version);
            if found != guard.version {
                return Err(AppendError::Stale { record: guard.record, found });
            }
        }
        let mut changes = Changes::default();
        for open in &submission.opens {
            self.open(&open.register, &open.key, &mut changes)?;
        }
        for rekey in &submission.rekeys {
            self.rekey(rekey, &mut changes)?;
        }
        for new in &submission.entries {
            self.check(new, &mut changes)?;
        }
        Ok(self.take(submission, changes))
    }

    fn open(&self, register: &Slug, key: &PublicKey, changes: &mut Changes) -> Result<(), AppendError> {
        if self.logs.contains_key(register) || changes.opened.contains(register) {
            return Err(AppendError::LogExists { register: register.clone() });
        }
        let signer = self.kept(register, key)?;
        changes.opened.push(register.clone());
        changes.signers.insert(register.clone(), vec![signer]);
        Ok(())
    }

    /// The signer of a key that no log has yet.
    fn kept(&self, register: &Slug, key: &PublicKey) -> Result<Arc<NoteSigner>, AppendError> {
        let name = (register.clone(), key.kid());
        self.openers.get(&name).cloned().ok_or_else(|| {
            AppendError::Invalid(format!("no key {} is kept here for the checkpoints of {register}", name.1))
        })
    }

    fn rekey(&self, Rekey { register, change }: &Rekey, changes: &mut Changes) -> Result<(), AppendError> {
        let before = changes.signers.get(register).or_else(|| Some(&self.logs.get(register)?.signers));
        let mut signers =
            before.cloned().ok_or_else(|| AppendError::UnknownLog { register: register.clone() })?;
        match change {
            KeyChange::Add(key) => {
                let signer = self.kept(register, key.key())?;
                if signer.verifier() != *key || signers.iter().any(|one| one.verifier() == *key) {
                    let why = format!("{key} is not a new key of the log of {register}");
                    return Err(AppendError::Invalid(why));
                }
                signers.insert(0, signer);
            }
            KeyChange::End(key) => signers.retain(|one| one.verifier() != *key),
        }
        if signers.is_empty() {
            return Err(AppendError::Invalid(format!("the log of {register} would be left without a key")));
        }
        changes.signers.insert(register.clone(), signers);
        Ok(())
    }

    fn check(&self, new: &NewEntry, changes: &mut Changes) -> Result<(), AppendError> {
        let statement = new.statement.statement();
        let (register, record) = (&statement.register, statement.record);
        if !self.logs.contains_key(register) && !changes.opened.contains(register) {
            return Err(AppendError::UnknownLog { register: register.clone() });
        }
        let found = match changes.records.get(&record).or_else(|| self.records.get(&record)) {
            Some((home, _)) if home != register => {
                return Err(AppendError::Register { record, register: home.clone() });
            }
            Some((_, version)) => *version,
            None => 0,
        };
        if statement.version != found + 1 {
            return Err(AppendError::Version { record, given: statement.version, found });
        }
        changes.records.insert(record, (register.clone(), statement.version));
        if let Some(number) = &new.number {
            let claim = (register.clone(), number.clone());
            match changes.numbers.get(&claim).or_else(|| self.numbers.get(&claim)) {
                Some(holder) if *holder != record => {
                    return Err(AppendError::Number { register: register.clone(), holder: *holder });
                }
                Some(_) => {}
                None => {
                    changes.numbers.insert(claim, record);
                }
            }
        }
        Ok(())
    }

    /// Takes a submission that nothing stands against.
    fn take(&mut self, submission: Submission, changes: Changes) -> Vec<Appended> {
        for register in changes.opened {
            let log = Log {
                shard: place(&self.places, &register),
                before: Frontier::new(),
                frontier: Frontier::new(),
                signers: vec![],
                opened: true,
                size_before: 0,
                new_hashes: vec![],
                touched: true,
            };
            self.logs.insert(register, log);
        }
        for (register, signers) in changes.signers {
            if let Some(log) = self.logs.get_mut(&register) {
                (log.signers, log.touched) = (signers, true);
            }
        }
        self.records.extend(changes.records);
        for ((register, number), record) in &changes.numbers {
            let (shard, register) = (place(&self.places, register), register.clone());
            self.new_numbers.push(NewNumber { shard, register, number: number.clone(), record: *record });
        }
        self.numbers.extend(changes.numbers);
        let shard = shards::registers(&submission).map(|register| place(&self.places, register)).min();
        self.withholds.extend(submission.withholds);
        let first_position = self.position + 1;
        let appended: Vec<_> = submission.entries.into_iter().filter_map(|new| self.append(new)).collect();
        if let Some(idempotency) = submission.idempotency {
            let name = (idempotency.scope, idempotency.key);
            let entries = appended.len() as u64;
            self.keys.insert(name.clone(), (idempotency.digest, appended.clone()));
            let shard = shard.unwrap_or(shards::FIRST);
            self.new_keys.push(UsedKey { shard, name, digest: idempotency.digest, first_position, entries });
        }
        appended
    }

    fn append(&mut self, new: NewEntry) -> Option<Appended> {
        let statement = new.statement.statement();
        // There: `check` found it.
        let log = self.logs.get_mut(&statement.register)?;
        self.position += 1;
        let appended = Appended {
            position: self.position,
            register: statement.register.clone(),
            index: log.frontier.size(),
            record: statement.record,
            version: statement.version,
            recorded_at: self.recorded_at,
            replayed: false,
            head: Under::default(),
        };
        let leaf = Leaf { recorded_at: self.recorded_at, statement: new.statement };
        let hash = leaf_hash(&leaf.to_bytes());
        log.frontier.push(hash);
        log.new_hashes.push(hash);
        log.touched = true;
        self.entries.push(Accepted {
            shard: log.shard,
            position: appended.position,
            index: appended.index,
            recorded_at: leaf.recorded_at,
            leaf_hash: hash,
            statement: leaf.statement,
            body: Some(new.body),
            salt: Some(new.salt),
        });
        Some(appended)
    }

    fn finish(
        self,
        before: u64,
        shards: i64,
        mut answers: Vec<Result<Vec<Appended>, AppendError>>,
    ) -> Result<Decided, Undecided> {
        let mut logs = Vec::new();
        let mut heads = HashMap::new();
        for (register, mut log) in self.logs.into_iter().filter(|(_, log)| log.touched) {
            let before = std::mem::take(&mut log.before);
            let log = touched(register.clone(), log)?;
            heads.insert(register, Under::new(before, &log.new_hashes, log.root, &log.checkpoint));
            logs.push(log);
        }
        for one in answers.iter_mut().flatten().flatten().filter(|one| !one.replayed) {
            one.head = heads.get(&one.register).cloned().unwrap_or_default();
        }
        Ok(Decided {
            answers,
            before,
            position: self.position,
            shards,
            recorded_at: self.recorded_at,
            entries: self.entries,
            numbers: self.new_numbers,
            keys: self.new_keys,
            logs,
            withholds: self.withholds,
        })
    }
}

/// Signs the log's new checkpoint.
fn touched(register: Slug, log: Log) -> Result<Touched, Undecided> {
    let root = log.frontier.root();
    let (newest, older) = log
        .signers
        .split_first()
        .ok_or_else(|| StoreError::Internal(format!("nobody signs the checkpoint of {register}")))?;
    let origin = newest.name().to_owned();
    let checkpoint = Checkpoint { origin, size: log.frontier.size(), root, extensions: vec![] };
    let checkpoint = checkpoint.sign_all(&log.signers).map_err(|error| match error {
        CheckpointError::Note(NoteError::Signer(why)) => {
            let error = StoreError::Signer { what: format!("the checkpoint of {register}"), why };
            Undecided::Unsigned { register: register.clone(), error }
        }
        error => {
            StoreError::Internal(format!("the checkpoint of {register} cannot be signed: {error}")).into()
        }
    })?;
    Ok(Touched {
        shard: log.shard,
        register,
        opened: log.opened,
        size_before: log.size_before,
        new_hashes: log.new_hashes,
        frontier: log.frontier,
        key: newest.verifier(),
        older_keys: older.iter().map(|signer| signer.verifier()).collect(),
        signers: log.signers,
        root,
        checkpoint,
    })
}
