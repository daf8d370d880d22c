//! The store: opened once a process, cloned freely.

use std::sync::Arc;
use std::time::Duration;

use proofs::checkpoint;
use proofs::note::NoteSigner;
use proofs::slug::Slug;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::appender::{self, Appender};
use crate::args;
use crate::clock::{Clock, Entropy};
use crate::error::{AppendError, StoreError};
use crate::keys::{KeyHolder, Keyring, NoHolder};
use crate::metrics::AppendMetrics;
use crate::model::{Appended, Submission};
use crate::seal::{self, MasterKeySource};
use crate::shards::{self, Shards};
use crate::sql::{Db, Row, Target};
use crate::{listen, verify};

/// Entries of a batch: enough to spread one commit's cost (a flush, about a millisecond) to about a microsecond an entry, and few
/// enough that those who came first do not wait for long.
pub const BATCH_ENTRIES_MAX: usize = 1_024;
/// Entries that may wait: about a second's work. A queue beyond that helps nobody who waits in it.
pub const QUEUE_ENTRIES_MAX: usize = 16_384;

/// How long a batch may take. Beyond twice the wait for a connection and the 30 seconds that another server may hold a lock:
/// a database that says nothing for so long, though nobody closed the connection, is not there any more.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(90);
/// Connections that do not end by then are left behind when the store closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Beyond this, an entry recorded later than now is told to operators: servers whose clocks are kept agree to a fraction of it.
pub const RECORDED_AHEAD_SECONDS: u64 = 60;

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub target: Target,
    /// The schema-less URL prefix that its checkpoints' origins begin with, such as `registers.example.gov`.
    pub log_name: String,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Whether checkpoints are shown only once they are published, by whoever asks witnesses, rather than as they are signed.
    pub witnessed: bool,
    /// Gives the key that the store's secrets are sealed with.
    pub master_key: Arc<dyn MasterKeySource>,
    /// Finds keys that devices hold.
    pub holder: Arc<dyn KeyHolder>,
    /// Shards that there are at least: more are made when the store is opened, and those that there are stay. At most
    /// [`SHARDS_MAX`](crate::SHARDS_MAX).
    pub shards: u32,
    /// Registers that are opened in the first shard, whatever their name: those that are appended to together.
    pub first_shard: Vec<Slug>,
    /// Entries of a batch at most.
    pub batch_entries_max: usize,
    /// Entries that may wait at most; more are refused as [`AppendError::Overloaded`].
    pub queue_entries_max: usize,
    /// How long a batch may take before everyone in it is told that its outcome is unknown.
    pub batch_timeout: Duration,
    /// How far this process's clock may be ahead of PostgreSQL's before it appends nothing more. Nothing: however far.
    pub clock_ahead_max: Option<Duration>,
}

impl Options {
    /// Options with the default bounds.
    pub fn new(
        target: Target,
        log_name: impl Into<String>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        master_key: Arc<dyn MasterKeySource>,
    ) -> Self {
        Self {
            target,
            log_name: log_name.into(),
            clock,
            entropy,
            witnessed: false,
            master_key,
            holder: Arc::new(NoHolder),
            shards: 1,
            first_shard: Vec::new(),
            batch_entries_max: BATCH_ENTRIES_MAX,
            queue_entries_max: QUEUE_ENTRIES_MAX,
            batch_timeout: BATCH_TIMEOUT,
            clock_ahead_max: None,
        }
    }
}

/// The journal: appender, reader, trees and keys at rest. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    db: Db,
    log_name: String,
    witnessed: bool,
    /// Does it hold another installation's registers?
    mirror: bool,
    clock: Arc<dyn Clock>,
    clock_ahead_max: Option<Duration>,
    entropy: Arc<dyn Entropy>,
    keyring: Keyring,
    appender: Appender,
    shards: Arc<Shards>,
    metrics: Arc<AppendMetrics>,
    head: watch::Receiver<u64>,
    publish: Arc<watch::Sender<u64>>,
    /// The appender's and the listener's tasks, taken by the one who closes.
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    appending: Vec<JoinHandle<()>>,
    listening: Option<JoinHandle<()>>,
}

impl Drop for Shared {
    /// The appender ends with the queue; the listener would go on.
    fn drop(&mut self) {
        if let Some(Tasks { listening: Some(listening), .. }) = self.tasks.get_mut() {
            listening.abort();
        }
    }
}

impl Store {
    /// Opens the store: brings its schema up to date, checks that it is this installation's, and that every log's tree gives the
    /// root in its checkpoint. Any number of servers may open one PostgreSQL; one process at a time should serve an SQLite file,
    /// though others may append to it correctly meanwhile.
    pub async fn open(options: Options) -> Result<Self, StoreError> {
        check_log_name(&options.log_name)?;
        let db = Db::open(&options.target).await?;
        let claimed = claim_log_name(&db, &options.log_name).await?;
        Self::start(db, options, claimed).await
    }

    /// Opens a mirror, or an empty store that is to become one: of the log of that name. The first
    /// [`Store::mirror`] that commits makes it a mirror.
    pub async fn open_mirror(options: Options) -> Result<Self, StoreError> {
        check_log_name(&options.log_name)?;
        let db = Db::open(&options.target).await?;
        let mirror = Claimed { log_name: options.log_name.clone(), mirror: true };
        let claimed = claimed(&db).await?.unwrap_or(mirror);
        if !claimed.mirror {
            return Err(StoreError::NotMirror(claimed.log_name));
        }
        if claimed.log_name != options.log_name {
            return Err(StoreError::LogName { stored: claimed.log_name, configured: options.log_name });
        }
        Self::start(db, options, claimed).await
    }

    async fn start(db: Db, mut options: Options, claimed: Claimed) -> Result<Self, StoreError> {
        options.log_name = claimed.log_name;
        // What a mirror shows was published by its source.
        options.witnessed &= !claimed.mirror;
        let data_key = seal::open(&db, options.master_key, &options.entropy).await?;
        let keyring = Keyring { data_key, holder: options.holder };
        let count = shards::grow(&db, options.shards).await?;
        let heads = verify::heads(&db, &options.log_name).await?;
        let shards = Arc::new(Shards::new(options.first_shard, count, &heads));
        let position = crate::reader::position(&db).await?;
        let (publish, head) = watch::channel(position);
        let publish = Arc::new(publish);
        let metrics = Arc::new(AppendMetrics::new());
        let (appender, appending) = appender::start(&appender::Start {
            db: db.clone(),
            target: options.target.clone(),
            log_name: options.log_name.clone(),
            keyring: keyring.clone(),
            clock: options.clock.clone(),
            metrics: metrics.clone(),
            publish: Arc::clone(&publish),
            shards: Arc::clone(&shards),
            batch_entries_max: options.batch_entries_max.max(1),
            queue_entries_max: options.queue_entries_max.max(1),
            batch_timeout: options.batch_timeout,
            clock_ahead_max: options.clock_ahead_max,
        })?;
        let listening = match &options.target {
            Target::Sqlite(_) => None,
            Target::Postgres(url) => {
                Some(listen::start(url.clone(), db.clone(), Arc::clone(&publish)).await?)
            }
        };
        let store = Self(Arc::new(Shared {
            db,
            log_name: options.log_name,
            witnessed: options.witnessed,
            mirror: claimed.mirror,
            clock: options.clock,
            clock_ahead_max: options.clock_ahead_max,
            entropy: options.entropy,
            keyring,
            appender,
            shards,
            metrics,
            head,
            publish,
            tasks: Mutex::new(Some(Tasks { appending, listening })),
        }));
        store.look_at_the_time(position).await;
        Ok(store)
    }

    /// Says when what was recorded last is later than now: someone's clock was ahead, and new entries get that time until ours is there.
    async fn look_at_the_time(&self, position: u64) {
        // An entry that cannot be read is found by whoever needs it.
        let last = self.read_after(position.saturating_sub(1), 1).await.unwrap_or_default();
        let Some(last) = last.first() else { return };
        self.metrics().recorded(last.recorded_at, self.0.clock.now());
        let ahead_seconds = self.metrics().recorded_ahead_seconds();
        if ahead_seconds > RECORDED_AHEAD_SECONDS {
            tracing::warn!(
                ahead_seconds,
                "the last entry was recorded later than now: a clock was ahead; new entries get its time meanwhile"
            );
        }
    }

    /// Fails while entries would be refused because this process's clock is too far ahead of the database's.
    pub async fn check_clock(&self) -> Result<(), StoreError> {
        appender::check_clock(&self.0.db, self.0.clock_ahead_max, self.0.clock.now()).await
    }

    /// The database, for tables that rest on the journal.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The clock that the store was opened with.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// The entropy that the store was opened with.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.0.shards
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// The installation's log name.
    pub fn log_name(&self) -> &str {
        &self.0.log_name
    }

    /// Whether checkpoints are shown only once they are published.
    pub fn witnessed(&self) -> bool {
        self.0.witnessed
    }

    /// Whether it is a mirror: it holds registers that another installation signed, and takes no entries.
    pub fn is_mirror(&self) -> bool {
        self.0.mirror
    }

    pub(crate) fn arrived(&self) -> &watch::Sender<u64> {
        &self.0.publish
    }

    /// The origin of a register's checkpoints, which is also the name of its key.
    pub fn origin(&self, register: &Slug) -> String {
        checkpoint::origin(&self.0.log_name, register)
    }

    /// What the appender of this process has done.
    pub fn metrics(&self) -> &AppendMetrics {
        &self.0.metrics
    }

    /// Appends a submission, whole or not at all; answers when it is committed. Dropping the future does not take it back.
    pub async fn submit(&self, submission: Submission) -> Result<Vec<Appended>, AppendError> {
        if self.0.mirror {
            return Err(AppendError::Mirror);
        }
        self.0.appender.submit(submission).await
    }

    /// The position of the last entry that is committed, from the database.
    pub async fn position(&self) -> Result<u64, StoreError> {
        crate::reader::position(&self.0.db).await
    }

    /// The last position that this process knows of. Wakes on appends of this process, and on PostgreSQL of any; who follows the
    /// journal polls too, slowly, since a notification can be lost.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.head.clone()
    }

    /// Appends what waits, then closes the connections. All clones are closed with it.
    pub async fn close(&self) {
        self.0.appender.close();
        if let Some(Tasks { appending, listening }) = self.0.tasks.lock().await.take() {
            // A task that panicked has nothing left to close.
            for appending in appending {
                let _ = appending.await;
            }
            if let Some(listening) = listening {
                listening.abort();
                let _ = listening.await;
            }
        }
        if tokio::time::timeout(CLOSE_TIMEOUT, self.0.db.close()).await.is_err() {
            tracing::warn!("the database did not answer while its connections were closed");
        }
    }
}

/// A log name is in every checkpoint, and there is no way back: it must make names that a signed note can bear.
fn check_log_name(log_name: &str) -> Result<(), StoreError> {
    let probe = proofs::key::PrivateKey::from_seed(&[0; 32]);
    let fits = !log_name.is_empty() && NoteSigner::new(&format!("{log_name}/registers/x"), probe).is_ok();
    if fits { Ok(()) } else { Err(StoreError::LogNameForm(log_name.to_owned())) }
}

/// What a store says it is.
struct Claimed {
    log_name: String,
    mirror: bool,
}

async fn claimed(db: &Db) -> Result<Option<Claimed>, StoreError> {
    let read = "SELECT log_name, mirror FROM installation WHERE id = 1";
    let row = db.fetch_optional(read, vec![]).await?;
    let of = |row: Row| Ok(Claimed { log_name: row.text("log_name")?, mirror: row.int("mirror")? == 1 });
    row.map(of).transpose()
}

/// Writes the log name into a new store, and refuses to open an old one under another: every checkpoint ever signed names it. A
/// mirror is opened under the name of what it mirrors, whatever is configured: it signs nothing.
async fn claim_log_name(db: &Db, log_name: &str) -> Result<Claimed, StoreError> {
    let stored = if let Some(stored) = claimed(db).await? {
        stored
    } else {
        let mut tx = db.begin().await?;
        let insert = "INSERT INTO installation (id, log_name) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
        tx.execute(insert, args![log_name]).await?;
        tx.commit().await?;
        let none = || StoreError::corrupt("installation", "id", 1, "no row");
        claimed(db).await?.ok_or_else(none)?
    };
    if stored.mirror || stored.log_name == log_name {
        Ok(stored)
    } else {
        Err(StoreError::LogName { stored: stored.log_name, configured: log_name.to_owned() })
    }
}
