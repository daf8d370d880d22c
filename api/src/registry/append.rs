//! Appending: read, look up, decide, sign, submit; again from the look-up when something moved meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use domain::any_record::AnyRecord;
use domain::definitions::InForce;
use domain::platform::{DEPARTMENTS, REGISTERS, TRIGGERS};
use eventstore::{AppendError, Appended, Guard, Idempotency, NewEntry, StoredEntry, Submission, Withhold};
use proofs::slug::Slug;
use tokio::task::JoinError;
use uuid::Uuid;

use super::decide::{Decided, Ground, Parsed, decide};
use super::digest;
use super::entries::Folded;
use super::knowledge::{Knowledge, KnowledgeError};
use super::refusal::{Reason, Refusal};
use super::request::{
    AppendRequest, BODY_BYTES_MAX, ENTRIES_MAX, EntryRequest, IDEMPOTENCY_KEY_BYTES_MAX, Outcome,
};
use super::{Registry, sign};
use crate::work;

/// Longer lists are read and decided off the async threads: 8 signatures take about half a millisecond.
const INLINE_ENTRIES_MAX: usize = 8;
/// And so are longer bodies: 64 KiB take about half a millisecond to put into canonical form.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// Each further attempt means that a record moved between decision and commit; someone who loses so often in a row is told so.
const ATTEMPTS_MAX: usize = 6;

/// Registers whose entries change what is in force.
const PLATFORM_REGISTERS: [&str; 3] = [DEPARTMENTS, REGISTERS, TRIGGERS];

/// Why an attempt came to nothing.
enum Attempt {
    /// For good.
    Refused(Refusal),
    /// Something that it rested on has moved.
    Moved,
}

impl<E: Into<Refusal>> From<E> for Attempt {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl Registry {
    /// Appends entries to a register, all or none; answers when they are committed.
    pub async fn append(&self, mut request: AppendRequest) -> Result<Vec<Outcome>, Refusal> {
        // Before anything is signed, for which a mirror has no keys.
        if self.store().is_mirror() {
            return Err(Reason::Mirror.into());
        }
        if request.entries.is_empty() || request.entries.len() > ENTRIES_MAX {
            return Err(Reason::Count.into());
        }
        let entries = std::mem::take(&mut request.entries);
        // Before anything is done with a body that is too long whatever is in it.
        let mut bytes = 0;
        for (at, entry) in entries.iter().enumerate() {
            let more = entry.body_bytes_least();
            if more > BODY_BYTES_MAX {
                return Err(Reason::BodyTooLarge.at(at));
            }
            bytes += more;
        }
        let long = entries.len() > INLINE_ENTRIES_MAX || bytes > INLINE_BYTES_MAX;
        let (entries, idempotency) = self.read(&request, entries, long).await?;
        // What was appended once is answered again, though its record has moved on. The platform's own registers are asked before
        // any rule is, since keys may be made on the way; the others only when a rule says no: the appender asks anyway.
        let asked_first = PLATFORM_REGISTERS.iter().any(|register| request.register == **register);
        if asked_first && let Some(outcomes) = self.replayed(idempotency.as_ref()).await? {
            return Ok(outcomes);
        }
        let entries = Arc::new(entries);
        let mut knowledge = self.knowledge();
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt(&request, &entries, &knowledge, idempotency.as_ref(), long).await {
                Ok(outcomes) => {
                    self.take_in(&request.register).await;
                    return Ok(outcomes);
                }
                Err(Attempt::Moved) => {
                    last = None;
                    knowledge = self.refresh().await?;
                }
                // What was known may be old: a refusal stands only when there was nothing new to know.
                Err(Attempt::Refused(refusal)) => {
                    let newer = self.refresh().await?;
                    if Arc::ptr_eq(&newer, &knowledge) {
                        return self.or_replayed(refusal, idempotency.as_ref()).await;
                    }
                    last = Some(refusal);
                    knowledge = newer;
                }
            }
        }
        match last {
            // Refused by all that was known, which kept growing by what others wrote.
            Some(refusal) => self.or_replayed(refusal, idempotency.as_ref()).await,
            None => Err(Reason::Overloaded { retry_after_seconds: 1 }.into()),
        }
    }

    /// A rule that stands against what the key made before is no answer; that the database did not say what became of it is one: what is
    /// found then may not be on its standby yet.
    async fn or_replayed(
        &self,
        refusal: Refusal,
        idempotency: Option<&Idempotency>,
    ) -> Result<Vec<Outcome>, Refusal> {
        if matches!(refusal.reason, Reason::Store(_) | Reason::Overloaded { .. }) {
            return Err(refusal);
        }
        self.replayed(idempotency).await?.ok_or(refusal)
    }

    /// What an idempotency key made before.
    async fn replayed(&self, idempotency: Option<&Idempotency>) -> Result<Option<Vec<Outcome>>, Refusal> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        match self.store().replayed(idempotency).await.map_err(known)? {
            Some(appended) => self.outcomes(appended).await.map(Some),
            None => Ok(None),
        }
    }

    /// What was appended to the platform's own registers is in force at once for whoever asks this server next: an official
    /// who was dismissed sees nothing more.
    async fn take_in(&self, register: &Slug) {
        if *register != *DEPARTMENTS && *register != *REGISTERS {
            return;
        }
        // The entry stands whatever comes of this; it is read again in a moment.
        if let Err(error) = self.refresh().await {
            tracing::warn!(error = %error, "could not read what is in force");
        }
    }

    /// Reads the entries, and makes the digest of what they say.
    async fn read(
        &self,
        request: &AppendRequest,
        entries: Vec<EntryRequest>,
        long: bool,
    ) -> Result<(Vec<Parsed>, Option<Idempotency>), Refusal> {
        let key = request.idempotency_key.clone();
        let visible = |key: &String| {
            (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !key.as_ref().is_none_or(visible) {
            return Err(Reason::IdempotencyKey.into());
        }
        let kept = key.as_ref().map(|_| entries.iter().map(digest::kept).collect::<Vec<_>>());
        let entries = self.complete(&request.register, entries).await?;
        let register = request.register.clone();
        let new_records: Vec<Uuid> = entries.iter().map(|_| sign::new_uuid(self.store())).collect();
        let read = move || {
            let mut parsed = Vec::with_capacity(entries.len());
            for ((at, entry), new_record) in entries.into_iter().enumerate().zip(new_records) {
                parsed.push(Parsed::read(entry, &register, new_record).map_err(|reason| reason.at(at))?);
            }
            let digest = kept.map(|kept| {
                let meanings =
                    kept.iter().zip(&parsed).map(|(kept, parsed)| digest::meaning(kept.as_ref(), parsed));
                digest::digest(&register, meanings)
            });
            Ok::<_, Refusal>((parsed, digest))
        };
        let (parsed, digest) = off_async(long, read).await??;
        let idempotency = match (key, digest) {
            (Some(key), Some(digest)) => {
                let digest = digest.map_err(|error| Reason::Statement(error.to_string()))?;
                Some(Idempotency { scope: request.by.client.clone(), key, digest })
            }
            _ => None,
        };
        Ok((parsed, idempotency))
    }

    async fn attempt(
        &self,
        request: &AppendRequest,
        entries: &Arc<Vec<Parsed>>,
        knowledge: &Arc<Knowledge>,
        idempotency: Option<&Idempotency>,
        long: bool,
    ) -> Result<Vec<Outcome>, Attempt> {
        let (in_force, guards) = ground(request, knowledge)?;
        let records = self.load(entries, knowledge).await?;
        let ground = Ground {
            knowledge: Arc::clone(knowledge),
            in_force,
            department: request.by.department.clone(),
            now: self.store().clock().now(),
            if_match: request.if_match,
        };
        let opens = self.new_logs(&request.register, entries, knowledge).await?;
        let deciding = Arc::clone(entries);
        // Compiling a rule takes milliseconds.
        let long = long || request.register == *TRIGGERS;
        let decided = off_async(long, move || decide(&ground, &deciding, records)).await??;
        self.check_persons(&request.register, entries, knowledge).await?;
        self.check_rules(&request.register, entries, knowledge).await?;
        let rekeys = self.rekeys(&request.register, entries, knowledge).await?;
        let entries_new = self.signed(request, entries, &decided, knowledge).await?;
        let numbered: Vec<usize> = entries_new
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| entry.number.as_ref().map(|_| at))
            .collect();
        let kept = if request.receipts { entries_new.clone() } else { Vec::new() };
        let submission = Submission {
            entries: entries_new,
            opens,
            rekeys,
            guards,
            idempotency: idempotency.cloned(),
            withholds: withholds(&decided),
        };
        match self.store().submit(submission).await {
            Ok(appended) if appended.iter().any(|appended| appended.replayed) => {
                Ok(self.outcomes(appended).await?)
            }
            Ok(appended) => {
                let mut outcomes: Vec<Outcome> = appended.into_iter().zip(decided).map(outcome).collect();
                for (outcome, new) in outcomes.iter_mut().zip(&kept) {
                    outcome.receipt = self.store().fresh_receipt(&outcome.appended, new)?;
                }
                Ok(outcomes)
            }
            Err(AppendError::Stale { .. }) => Err(Attempt::Moved),
            // The caller named no version: it is ours to take the next.
            Err(AppendError::Version { record, .. })
                if entries.iter().all(|entry| entry.record != record || entry.version.is_none()) =>
            {
                Err(Attempt::Moved)
            }
            Err(AppendError::Number { .. }) if numbered.len() == 1 => {
                Err(Reason::Number.at(numbered[0]).into())
            }
            Err(AppendError::Version { record, found, .. }) => {
                let at = entries.iter().position(|entry| entry.record == record);
                Err(Refusal { entry: at, reason: Reason::Version { record, found } }.into())
            }
            Err(error) => Err(known(error).into()),
        }
    }

    /// The records that the entries are about, as they are now.
    async fn load(
        &self,
        entries: &[Parsed],
        knowledge: &Knowledge,
    ) -> Result<HashMap<Uuid, AnyRecord>, Refusal> {
        // One that its first entry makes is not there, or the appender finds that it is.
        let made: BTreeSet<Uuid> =
            entries.iter().filter(|entry| entry.version == Some(1)).map(|entry| entry.record).collect();
        let ids: BTreeSet<Uuid> = entries.iter().map(|entry| entry.record).collect();
        let ids: Vec<Uuid> = ids.difference(&made).copied().collect();
        let mut records = HashMap::new();
        if ids.is_empty() {
            return Ok(records);
        }
        let stored = self.store().read_records(&ids).await?;
        for entries in by_record(&stored) {
            let folded = Folded::fold(entries, knowledge)?;
            records.insert(entries[0].record(), folded.record);
        }
        Ok(records)
    }

    /// What is submitted: the department's statements as they came, and the platform's in its name.
    async fn signed(
        &self,
        request: &AppendRequest,
        entries: &Arc<Vec<Parsed>>,
        decided: &[Decided],
        knowledge: &Knowledge,
    ) -> Result<Vec<NewEntry>, Refusal> {
        let ours = entries.iter().any(|entry| entry.signed.is_none());
        let department = &request.by.department;
        let key = if ours { Some(sign::held_key(self.store(), knowledge, department).await?) } else { None };
        let remote = key.as_ref().is_some_and(|key| !key.is_local());
        if !remote {
            return sign::all(self.store(), entries, decided, key.as_deref());
        }
        let (store, entries, decided) = (self.store().clone(), Arc::clone(entries), decided.to_vec());
        ended(work::call(move || sign::all(&store, &entries, &decided, key.as_deref())).await)?
    }

    /// What became of entries that were appended before, read back from the journal.
    async fn outcomes(&self, appended: Vec<Appended>) -> Result<Vec<Outcome>, Refusal> {
        let ids: BTreeSet<Uuid> = appended.iter().map(|appended| appended.record).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let stored = self.store().read_records(&ids).await?;
        let knowledge = self.refresh().await?;
        let mut folded = HashMap::new();
        for entries in by_record(&stored) {
            folded.insert(entries[0].record(), (entries, Folded::fold(entries, &knowledge)?));
        }
        let found = appended.into_iter().map(|appended| {
            let (entries, folded) = folded.get(&appended.record)?;
            let entry = entries.iter().find(|entry| entry.version() == appended.version)?;
            let statement = entry.statement.statement();
            Some(Outcome {
                entry_type: statement.entry_type.clone(),
                effective_at: statement.effective_at,
                status: folded.at(appended.version)?.status.clone(),
                receipt: None,
                appended,
            })
        });
        let found: Option<Vec<Outcome>> = found.collect();
        found.ok_or_else(|| {
            Reason::Corrupt("an idempotency key names entries that are not there".to_owned()).into()
        })
    }
}

/// The bodies that orders among the entries take away.
fn withholds(decided: &[Decided]) -> Vec<Withhold> {
    let of = |decided: &Decided| {
        let event = &decided.event;
        let versions = event.withholds();
        (!versions.is_empty()).then_some(Withhold { record: event.record, by: event.version, versions })
    };
    decided.iter().filter_map(of).collect()
}

/// The register in force, and the guards: its definition and its department must still be as they were.
fn ground(request: &AppendRequest, knowledge: &Knowledge) -> Result<(Arc<InForce>, Vec<Guard>), Refusal> {
    let register = &request.register;
    let in_force =
        knowledge.definitions.current(register).ok_or_else(|| Reason::UnknownRegister(register.clone()))?;
    let (owner, department) = (&in_force.definition.owner, &request.by.department);
    if owner != department {
        let (register, owner, department) = (register.clone(), owner.clone(), department.clone());
        return Err(Reason::ForeignRegister { register, owner, department }.into());
    }
    let known =
        knowledge.departments.get(department).ok_or_else(|| Reason::UnknownDepartment(department.clone()))?;
    let guards = vec![
        Guard { record: in_force.record, version: in_force.version },
        Guard { record: known.record, version: known.version },
    ];
    Ok((in_force, guards))
}

/// Stored entries, which come ordered by record, a record at a time.
fn by_record(stored: &[StoredEntry]) -> impl Iterator<Item = &[StoredEntry]> {
    stored.chunk_by(|one, next| one.record() == next.record())
}

fn outcome((appended, decided): (Appended, Decided)) -> Outcome {
    Outcome {
        appended,
        entry_type: decided.event.entry_type,
        effective_at: decided.event.effective_at,
        status: decided.status,
        receipt: None,
    }
}

/// The store's refusals that mean the same whatever was asked.
pub(super) fn known(error: AppendError) -> Refusal {
    match error {
        // A register's slug is its number, and its log has it too.
        AppendError::Number { .. } | AppendError::LogExists { .. } => Reason::Number,
        AppendError::Idempotency => Reason::Idempotency,
        AppendError::Overloaded { retry_after_seconds } => {
            Reason::Overloaded { retry_after_seconds: retry_after_seconds.into() }
        }
        AppendError::Mirror => Reason::Mirror,
        AppendError::Closed => Reason::Overloaded { retry_after_seconds: 1 },
        AppendError::Store(error) => Reason::Store(error),
        AppendError::Version { record, found, .. } | AppendError::Stale { record, found } => {
            Reason::Version { record, found }
        }
        AppendError::Invalid(_) | AppendError::Register { .. } => Reason::Statement(error.to_string()),
        AppendError::UnknownLog { .. } => Reason::Corrupt(error.to_string()),
    }
    .into()
}

/// Runs what takes long on a thread of its own.
pub(super) async fn off_async<T: Send + 'static>(
    long: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    if !long {
        return Ok(work());
    }
    ended(work::compute(work).await)
}

fn ended<T>(done: Result<T, JoinError>) -> Result<T, Refusal> {
    done.map_err(|_| Reason::Corrupt("a task that decides on entries has ended".to_owned()).into())
}

impl From<KnowledgeError> for Refusal {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Store(error) => Reason::Store(error).into(),
            KnowledgeError::Domain(error) => Reason::Corrupt(error.to_string()).into(),
        }
    }
}
