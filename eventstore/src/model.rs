//! What goes into the journal and what comes out.

use std::sync::{Arc, OnceLock};

use proofs::body::Salt;
use proofs::hash::Hash;
use proofs::key::PublicKey;
use proofs::leaf::Leaf;
use proofs::merkle::{Frontier, Grown, ProofError};
use proofs::note::VerifierKey;
use proofs::slug::Slug;
use proofs::statement::SignedStatement;
use proofs::time::Timestamp;
use uuid::Uuid;

/// Entries of one submission at most: what the API takes as one atomic list. At about 1 KiB an entry, a megabyte.
pub const SUBMISSION_ENTRIES_MAX: usize = 1_000;
pub use proofs::body::BODY_BYTES_MAX;
/// Bytes of an official number at most: indexes of both stores take it whole.
pub const NUMBER_BYTES_MAX: usize = 512;
/// Bytes of an idempotency key and of its scope at most.
pub const KEY_BYTES_MAX: usize = 512;

/// What is appended or refused as a whole.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// The entries, in order. Later ones may rest on earlier ones.
    pub entries: Vec<NewEntry>,
    /// Logs to open before the entries.
    pub opens: Vec<NewLog>,
    /// Changes of the keys that sign logs' checkpoints: what entries of the submission tell of. The logs concerned are signed anew.
    pub rekeys: Vec<Rekey>,
    /// Records that must still be at these versions: what the decision rested on.
    pub guards: Vec<Guard>,
    /// Makes a retry give the earlier answer.
    pub idempotency: Option<Idempotency>,
    /// Bodies that entries of the submission withhold: they are removed in the same transaction.
    pub withholds: Vec<Withhold>,
}

/// Bodies of a record that one of its entries withholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withhold {
    /// The record.
    pub record: Uuid,
    /// The version of the entry that orders it.
    pub by: u64,
    /// The versions whose bodies go: each earlier than that.
    pub versions: Vec<u64>,
}

/// An entry to append. The caller has verified the statement's signature and that the issuer may make it.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The signed half.
    pub statement: SignedStatement,
    /// The private half, as canonical JSON.
    pub body: Vec<u8>,
    /// The salt of the body's digest.
    pub salt: Salt,
    /// The official number to claim for the record in its register.
    pub number: Option<String>,
}

/// A register's log to open, with the key that will sign its checkpoints.
#[derive(Debug, Clone)]
pub struct NewLog {
    /// The register.
    pub register: Slug,
    /// Its key, whose private half the store keeps already for the register's checkpoints.
    pub key: PublicKey,
}

/// A change of the keys that sign a log's checkpoints.
#[derive(Debug, Clone)]
pub struct Rekey {
    /// The register.
    pub register: Slug,
    /// What changes.
    pub change: KeyChange,
}

/// What changes in a log's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// This key signs too, as the newest. The store keeps its private half already.
    Add(VerifierKey),
    /// This key signs no more. One that signs no more already changes nothing; a log's last key stays.
    End(VerifierKey),
}

/// A record that must be at a version (0 = must not exist) before the submission's own entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The record.
    pub record: Uuid,
    /// Its version.
    pub version: u64,
}

/// A caller's key for a submission, and the digest of what it stood for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Idempotency {
    /// Whose key it is: keys of different callers do not meet.
    pub scope: String,
    /// The key.
    pub key: String,
    /// A digest of the content, the same for the same request.
    pub digest: [u8; 32],
}

/// An entry that was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the order of the whole store.
    pub position: u64,
    /// Its register.
    pub register: Slug,
    /// Its place in its register's tree.
    pub index: u64,
    /// Its record.
    pub record: Uuid,
    /// The version of the record that it made.
    pub version: u64,
    /// When the log took it.
    pub recorded_at: Timestamp,
    /// Whether it was appended by an earlier submission with the same idempotency key.
    pub replayed: bool,
    /// The head of its register that it was committed under.
    pub head: Under,
}

/// The head that a batch made, from which the proofs of its entries follow. Known to who appended alone: says nothing about an entry
/// that the journal does not, so that entries are equal whatever is known of it.
#[derive(Debug, Clone, Default)]
pub struct Under(pub(crate) Option<Arc<BatchHead>>);

impl PartialEq for Under {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Under {}

impl Under {
    pub(crate) fn new(before: Frontier, new_hashes: &[Hash], root: Hash, checkpoint: &str) -> Self {
        let (new_hashes, checkpoint) = (new_hashes.to_vec(), checkpoint.to_owned());
        Self(Some(Arc::new(BatchHead { before, new_hashes, root, checkpoint, grown: OnceLock::new() })))
    }
}

/// A register's head after a batch, and what it was made of.
#[derive(Debug)]
pub(crate) struct BatchHead {
    pub before: Frontier,
    pub new_hashes: Vec<Hash>,
    pub root: Hash,
    pub checkpoint: String,
    /// Made for the first who asks.
    pub grown: OnceLock<Result<Grown, ProofError>>,
}

/// An entry as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place in the order of the whole store.
    pub position: u64,
    /// Its register.
    pub register: Slug,
    /// Its place in its register's tree.
    pub index: u64,
    /// When the log took it.
    pub recorded_at: Timestamp,
    /// The signed half.
    pub statement: SignedStatement,
    /// The private half as canonical JSON; none when it was withheld.
    pub body: Option<Vec<u8>>,
    /// The salt of the body's digest; none when it was withheld.
    pub salt: Option<Salt>,
    /// Of a body that was withheld, the index of the order in the same register. A body that is missing without one was lost.
    pub withheld_by: Option<u64>,
}

impl StoredEntry {
    /// The leaf of the register's tree that it is.
    pub fn leaf(&self) -> Leaf {
        Leaf { recorded_at: self.recorded_at, statement: self.statement.clone() }
    }

    /// Its record.
    pub fn record(&self) -> Uuid {
        self.statement.statement().record
    }

    /// The version of its record that it made.
    pub fn version(&self) -> u64 {
        self.statement.statement().version
    }
}

/// The head of a register's log.
#[derive(Debug, Clone)]
pub struct LogHead {
    /// The register.
    pub register: Slug,
    /// How many entries it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// The signed checkpoint, as served.
    pub checkpoint: String,
    /// When its last entry was recorded; none while it is empty.
    pub recorded_at: Option<Timestamp>,
    /// The newest key that signs its checkpoints.
    pub key: VerifierKey,
    /// The others that sign them, the newest first.
    pub older_keys: Vec<VerifierKey>,
}

impl LogHead {
    /// All keys that sign its checkpoints, the newest first.
    pub fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.key).chain(&self.older_keys)
    }
}
