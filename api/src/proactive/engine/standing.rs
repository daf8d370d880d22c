//! Does a cause still stand? Asked before anything is proposed, and again whenever something happens to the cause's record.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::record::RecordEvent;
use domain::trigger::{Cause, CompiledRule, DueDate, MemorySource, SceneRecord, Verdict};
use serde_json::Value;
use uuid::Uuid;

use super::judge::What;
use super::library::Library;

/// Why a cause fell away, in both languages, and the version of its record by which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallen {
    /// Why.
    pub reason: String,
    /// The version.
    pub version: u64,
}

impl Fallen {
    fn new(ru: &str, en: &str, version: u64) -> Self {
        Self { reason: format!("{ru} / {en}"), version }
    }
}

/// By the record's state alone: a fact that has ceased to be one needs no rule to say so.
pub fn fallen(library: &Library, rule: &CompiledRule, record: Uuid, what: &What) -> Option<Fallen> {
    let now = library.after(record, None)?;
    match what {
        What::Entry { version } => left(library, &library.after(record, Some(*version))?, &now),
        What::Date { base, .. } => {
            if rule.base_of(&now) != Some(*base) {
                return Some(Fallen::new("Дата изменилась", "The date has changed", now.version));
            }
            let looks = rule.looks_at(&now);
            (!looks).then(|| {
                let (ru, en) = ("Запись больше не действует", "The record is no longer in force");
                Fallen::new(ru, en, now.version)
            })
        }
    }
}

/// A record that was in force after its cause and is not any more, or that has ended otherwise.
fn left(library: &Library, then: &SceneRecord, now: &SceneRecord) -> Option<Fallen> {
    let last = library.events(now.record).last()?;
    let definition = library.definition(last)?;
    let is_final = |status: &str| definition.status(status).is_some_and(|rule| rule.is_final);
    let ended = !now.in_force && is_final(&now.status) && !is_final(&then.status);
    (now.version > then.version && (ended || (then.in_force && !now.in_force)))
        .then(|| Fallen::new("Запись больше не действует", "The record is no longer in force", now.version))
}

/// The last entry that corrects what the record said, after a version.
pub fn correction(events: &[RecordEvent], after: u64) -> Option<&RecordEvent> {
    let corrects = |event: &&RecordEvent| {
        event.version > after && event.body.as_ref().is_some_and(|body| body.get("corrects").is_some())
    };
    events.iter().rev().find(corrects)
}

/// What an offer rests on, to be judged again.
pub struct Ground<'a> {
    /// The rule, in the version that made the offer.
    pub rule: &'a CompiledRule,
    /// The cause's record.
    pub record: Uuid,
    /// What of it is the cause.
    pub what: &'a What,
    /// To whom the offer was made.
    pub person: Uuid,
    /// The last position that was looked at then.
    pub position: u64,
    /// The day that was taken for today.
    pub today: NaiveDate,
}

/// Would the rule have held if the cause had been right from the start? Everything else is as it was when the offer was made:
/// what the person did since is no reason to take it back.
pub fn holds_corrected(library: &Library, ground: &Ground<'_>) -> Option<Fallen> {
    let corrected = library.after(ground.record, None)?;
    let version = corrected.version;
    let mut source = library.until(ground.position);
    source.insert(corrected.clone());
    let gone = || {
        let (ru, en) = (
            "После исправления записи условия правила не выполняются",
            "With the record corrected, the rule does not hold",
        );
        Some(Fallen::new(ru, en, version))
    };
    let Some(cause) = corrected_cause(library, ground, corrected) else { return gone() };
    if ground.rule.admits(&cause).is_err() || !addressed(ground, &cause, &source) {
        return gone();
    }
    match ground.rule.evaluate(&cause, ground.person, &source, ground.today) {
        Ok(Verdict::Holds(_)) => None,
        Ok(Verdict::Fails(_)) | Err(_) => gone(),
    }
}

fn addressed(ground: &Ground<'_>, cause: &Cause, source: &MemorySource) -> bool {
    ground.rule.addressees(cause, source).contains(&ground.person)
}

/// The cause as it should have been: the record as corrected, and the entry's body with what was corrected of it.
fn corrected_cause(library: &Library, ground: &Ground<'_>, corrected: SceneRecord) -> Option<Cause> {
    match ground.what {
        What::Entry { version } => {
            let event = library.events(ground.record).iter().find(|event| event.version == *version)?;
            let mut event = event.clone();
            if let Some(members) = event.body.as_mut().and_then(Value::as_object_mut) {
                for (name, value) in members.iter_mut() {
                    if let Some(now) = corrected.content.members.get(name) {
                        value.clone_from(now);
                    }
                }
            }
            Some(Cause::entry(&event, corrected))
        }
        What::Date { base, due } => {
            let domain::trigger::rule::CauseRule::Date(rule) = &ground.rule.rule().cause else { return None };
            let stands = ground.rule.base_of(&corrected) == Some(*base);
            let cause = DueDate { member: rule.member.clone(), base: *base, due: *due, of: corrected };
            stands.then_some(Cause::Date(cause))
        }
    }
}

/// Judges a correction off the async threads.
pub async fn judge_corrected(
    library: Arc<Library>,
    rule: Arc<CompiledRule>,
    (record, what, person): (Uuid, What, Uuid),
    (position, today): (u64, NaiveDate),
) -> Option<Fallen> {
    let judging = tokio::task::spawn_blocking(move || {
        let ground = Ground { rule: &rule, record, what: &what, person, position, today };
        holds_corrected(&library, &ground)
    });
    // A panic says nothing of the cause: the offer stays, and the fault is in the log.
    judging.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a correction could not be judged");
        None
    })
}
