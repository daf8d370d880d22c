//! The journal: the one order of all entries, their registers' trees, and the private keys that sign them.
//!
//! **In scope.** Appending ([`Store::submit`]): group commit, one transaction, gapless positions, trees and signed checkpoints in
//! the same transaction, on SQLite and PostgreSQL alike. Reading by position, register and record. Tiles, proofs, receipts.
//! Running aggregates over it ([`execute`], [`JournalEventStore`]). One SQL facade ([`sql`]) that projections use too.
//!
//! **Not in scope, and so absent.** What a register's entries mean, who may append them, what a number looks like: `domain` and
//! `api` decide, and the journal enforces only what must hold whoever decides: versions without gaps, numbers and
//! idempotency keys once, guards, all or nothing.
//!
//! **Invariants.**
//! - A caller is told of an entry only after it is committed, and a committed entry is never lost or changed.
//! - Positions and leaf indexes have no gaps, and become visible in order.
//! - A log's stored root is the root of its leaves; its checkpoint never shrinks or forks, however many servers append.
//! - A mirror ([`Store::mirror`]) holds another installation's logs, under the checkpoints that it signed, and takes no entry.
//! - What is read is checked against itself; what contradicts itself is [`StoreError::Corrupt`], never an answer.
//!
//! **To change the schema** add a file to `migrations/sqlite` and one of the same name to `migrations/postgres`.

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod aggregate;
mod appender;
mod backup;
mod clock;
mod cqrs;
mod error;
pub mod failpoint;
mod heads;
mod keys;
mod listen;
mod metrics;
mod mirror;
mod model;
mod past;
mod published;
mod reader;
mod receipts;
mod replay;
mod seal;
mod shards;
pub mod sql;
mod store;
pub mod testing;
mod tree;
mod verify;
mod withheld;

pub use aggregate::{Codec, CodecError, Conditions, ExecuteError, Loaded, execute, load};
pub use backup::{Copied, backup};
pub use clock::{Clock, Entropy};
pub use cqrs::{JournalContext, JournalEventStore};
pub use error::{AppendError, StoreError, Trouble};
pub use keys::{CHECKPOINT, KeyHolder, NoHolder, STATEMENT, TOKEN};
pub use metrics::{AppendMetrics, Histogram};
pub use mirror::{MirrorError, MirroredEntry, MirroredLog, Mirroring};
pub use model::{
    Appended, BODY_BYTES_MAX, Guard, Idempotency, KEY_BYTES_MAX, KeyChange, LogHead, NUMBER_BYTES_MAX,
    NewEntry, NewLog, Rekey, SUBMISSION_ENTRIES_MAX, StoredEntry, Submission, Withhold,
};
pub use past::Placed;
pub use published::Published;
pub use reader::{Bodies, READ_ENTRIES_MAX, WAITING_ENTRIES_MAX, Waiting};
pub use receipts::ProvedEntry;
pub use seal::{MASTER_KEY_BYTES, MasterKey, MasterKeySource, PassphraseSealed, SealError, forget_secrets};
pub use shards::SHARDS_MAX;
pub use store::{
    BATCH_ENTRIES_MAX, BATCH_TIMEOUT, Options, QUEUE_ENTRIES_MAX, RECORDED_AHEAD_SECONDS, Store,
};
pub use withheld::{Leaf, WITHHELD_ROWS_MAX, Withheld};
