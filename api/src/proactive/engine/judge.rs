//! Judging causes: which rules hold for whom. Off the async threads, with a deadline, in the order of the journal.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use domain::trigger::rule::EffectRule;
use domain::trigger::{Cause, DueDate, EvalError, InForceRule, MemorySource, Source, Verdict, once_key};
use proofs::slug::{EntryType, Slug};
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::EngineError;
use super::library::Library;

/// How long one rule may take for one cause. A rule is bounded when it is published, and takes about a millisecond: one that
/// takes so long is a fault of the evaluator, and must not hold up the others.
const DEADLINE: Duration = Duration::from_secs(30);
/// Numbers that are tried for what is provided, when the first are taken: at a million of a thousand million possible ones,
/// four in a row are taken once in 10^12 times.
const ATTEMPTS: u32 = 4;

/// A rule and a cause to be judged.
#[derive(Clone)]
pub struct Candidate {
    /// The rule.
    pub rule: Arc<InForceRule>,
    /// The record of the cause.
    pub record: Uuid,
    /// What of it is the cause.
    pub what: What,
    /// The last position that counts.
    pub position: u64,
    /// The day that is taken for today.
    pub today: NaiveDate,
    /// The day on which the offer is made, from which its time is counted.
    pub made_on: NaiveDate,
}

/// What of a record is the cause.
#[derive(Clone, PartialEq, Eq)]
pub enum What {
    /// The entry that made a version.
    Entry {
        /// The version.
        version: u64,
    },
    /// A date that fell due.
    Date {
        /// The base date.
        base: NaiveDate,
        /// The day that fell due.
        due: NaiveDate,
    },
}

/// A rule that holds for someone.
pub struct Found {
    /// The rule.
    pub rule: Arc<InForceRule>,
    /// The cause's record.
    pub record: Uuid,
    /// What of it is the cause.
    pub what: What,
    /// For whom.
    pub person: Uuid,
    /// By what it is made once.
    pub key: String,
    /// The offer's body.
    pub body: Value,
    /// What is provided, when something is.
    pub provide: Option<Provide>,
}

/// An entry that is to be made without being asked.
pub struct Provide {
    /// In this register.
    pub register: Slug,
    /// Of this type.
    pub entry_type: EntryType,
    /// With one of these bodies: the first whose number is free.
    pub bodies: Result<Vec<Value>, EvalError>,
}

/// What came of judging.
#[derive(Default)]
pub struct Judged {
    /// The rules that hold.
    pub found: Vec<Found>,
    /// Evaluations that came to nothing through a fault of the rule or of the evaluator.
    pub faults: u64,
}

/// Judges candidates, which are in the order of their positions.
pub async fn judge(library: &Arc<Library>, candidates: Vec<Candidate>) -> Result<Judged, EngineError> {
    let candidates = Arc::new(candidates);
    let mut skipped = BTreeSet::new();
    loop {
        match attempt(library, &candidates, &skipped).await {
            Ok(mut judged) => {
                judged.faults += skipped.len() as u64;
                return Ok(judged);
            }
            Err(at) => {
                let rule = candidates[at].rule.rule.rule().slug.clone();
                tracing::error!(%rule, "a rule takes too long for a cause, which is passed over");
                skipped.insert(at);
            }
        }
    }
}

/// All but those skipped; or the candidate that took too long.
async fn attempt(
    library: &Arc<Library>,
    candidates: &Arc<Vec<Candidate>>,
    skipped: &BTreeSet<usize>,
) -> Result<Judged, usize> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let work = (Arc::clone(library), Arc::clone(candidates), skipped.clone());
    // It ends with the channel at the latest: nobody waits for it.
    drop(tokio::task::spawn_blocking(move || {
        let (library, candidates, skipped) = work;
        walk(&library, &candidates, &skipped, &tell);
    }));
    let (mut judged, mut next) = (Judged::default(), 0);
    loop {
        match tokio::time::timeout(DEADLINE, told.recv()).await {
            Ok(Some((at, found, faults))) => {
                judged.found.extend::<Vec<Found>>(found);
                judged.faults += faults;
                next = at + 1;
            }
            Ok(None) if next == candidates.len() => return Ok(judged),
            // The thread ended by a panic outside of a rule, or is still at it.
            Ok(None) | Err(_) => return Err(next),
        }
    }
}

type Told = (usize, Vec<Found>, u64);

/// Goes through the journal and the candidates side by side.
fn walk(
    library: &Library,
    candidates: &[Candidate],
    skipped: &BTreeSet<usize>,
    tell: &mpsc::UnboundedSender<Told>,
) {
    let mut source = MemorySource::default();
    let mut events = library.in_order().into_iter().peekable();
    for (at, candidate) in candidates.iter().enumerate() {
        while let Some(event) = events.next_if(|event| event.position <= candidate.position) {
            library.step(&mut source, event);
        }
        let judged = if skipped.contains(&at) { (Vec::new(), 0) } else { one(library, candidate, &source) };
        if tell.send((at, judged.0, judged.1)).is_err() {
            return;
        }
    }
}

/// One rule and one cause: for whom it holds, and how many evaluations failed.
fn one(library: &Library, candidate: &Candidate, source: &MemorySource) -> (Vec<Found>, u64) {
    let Some(cause) = candidate.cause(library, source) else { return (Vec::new(), 0) };
    let rule = &candidate.rule.rule;
    if rule.admits(&cause).is_err() {
        return (Vec::new(), 0);
    }
    let (mut found, mut faults) = (Vec::new(), 0);
    for person in rule.addressees(&cause, source) {
        let evaluated = catch_unwind(AssertUnwindSafe(|| candidate.evaluate(&cause, person, source)));
        match evaluated {
            Ok(Ok(holds)) => found.extend(holds),
            Ok(Err(error)) => {
                faults += 1;
                // The text names a place of the rule, and has nothing of a record.
                tracing::warn!(rule = %rule.rule().slug, %error, "a rule could not be evaluated");
            }
            Err(_) => {
                faults += 1;
                tracing::error!(rule = %rule.rule().slug, "the evaluation of a rule panicked");
            }
        }
    }
    (found, faults)
}

impl Candidate {
    /// The cause, when the records say that it is one.
    pub fn cause(&self, library: &Library, source: &MemorySource) -> Option<Cause> {
        match self.what {
            What::Entry { version } => {
                let event = library.events(self.record).iter().find(|event| event.version == version)?;
                Some(Cause::entry(event, source.record(self.record)?.clone()))
            }
            What::Date { base, due } => {
                let of = source.record(self.record)?;
                let domain::trigger::rule::CauseRule::Date(rule) = &self.rule.rule.rule().cause else {
                    return None;
                };
                let stands = self.rule.rule.base_of(of) == Some(base);
                let cause = DueDate { member: rule.member.clone(), base, due, of: of.clone() };
                stands.then_some(Cause::Date(cause))
            }
        }
    }

    fn evaluate(&self, cause: &Cause, person: Uuid, source: &dyn Source) -> Result<Option<Found>, EvalError> {
        let rule = &self.rule;
        let Verdict::Holds(mut proposal) = rule.rule.evaluate(cause, person, source, self.today)? else {
            return Ok(None);
        };
        if let Some(days) = rule.rule.rule().expires_days {
            // After a standstill an offer has its whole time still.
            proposal.expires_on = self.made_on.max(self.today).checked_add_days(Days::new(days.into()));
        }
        let key = once_key(rule.record, person, cause);
        let provide = match &rule.rule.rule().effect {
            EffectRule::Provide(provide) => Some(Provide {
                register: provide.register.clone(),
                entry_type: provide.entry_type.clone(),
                bodies: self.bodies(cause, person, source, &key),
            }),
            _ => None,
        };
        let body = rule.offer(&proposal, cause, person, (self.position, self.today));
        Ok(Some(Found {
            rule: Arc::clone(rule),
            record: self.record,
            what: self.what.clone(),
            person,
            key,
            body,
            provide,
        }))
    }

    fn bodies(
        &self,
        cause: &Cause,
        person: Uuid,
        source: &dyn Source,
        key: &str,
    ) -> Result<Vec<Value>, EvalError> {
        let mut bodies: Vec<Value> = Vec::new();
        for attempt in 0..ATTEMPTS {
            let body = self.rule.rule.provided_body(cause, person, source, self.today, (key, attempt))?;
            // Without digits every attempt is the same, and one is enough.
            bodies.extend(body.filter(|body| !bodies.contains(body)));
        }
        Ok(bodies)
    }
}
