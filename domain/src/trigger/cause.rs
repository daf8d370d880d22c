//! What made a rule look at somebody, and the key by which it does so once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDate;
use proofs::hash::sha256;
use proofs::slug::EntryType;
use proofs::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::scene::SceneRecord;
use crate::record::RecordEvent;

/// What made a rule look at somebody.
#[derive(Debug, Clone)]
pub enum Cause {
    /// An entry.
    Entry(EntryEvent),
    /// A date that fell due.
    Date(DueDate),
}

/// An entry as a cause.
#[derive(Clone)]
pub struct EntryEvent {
    /// The version of the record that it made.
    pub version: u64,
    /// Its type.
    pub entry_type: EntryType,
    /// From when it has effect.
    pub effective_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its position.
    pub position: u64,
    /// Its body; `None` when withheld.
    pub body: Option<Value>,
    /// The record as the entry left it.
    pub after: SceneRecord,
}

impl std::fmt::Debug for EntryEvent {
    /// Not the body: it may be personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { after, version, entry_type, .. } = self;
        write!(f, "EntryEvent({} {} version {version} {entry_type})", after.register, after.record)
    }
}

/// A date that fell due, as a cause.
#[derive(Clone)]
pub struct DueDate {
    /// The member that is the base date.
    pub member: String,
    /// The base date.
    pub base: NaiveDate,
    /// The day that fell due.
    pub due: NaiveDate,
    /// The record, as of that day.
    pub of: SceneRecord,
}

impl std::fmt::Debug for DueDate {
    /// No date: a base may be a birthday.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DueDate({} of {} {})", self.member, self.of.register, self.of.record)
    }
}

impl Cause {
    /// The cause that an entry is. `after` is its record with the entry taken in.
    pub fn entry(event: &RecordEvent, after: SceneRecord) -> Self {
        Self::Entry(EntryEvent {
            version: event.version,
            entry_type: event.entry_type.clone(),
            effective_at: event.effective_at,
            recorded_at: event.recorded_at,
            position: event.position,
            body: event.body.clone(),
            after,
        })
    }

    /// The record that the cause is in.
    pub fn record(&self) -> &SceneRecord {
        match self {
            Self::Entry(cause) => &cause.after,
            Self::Date(cause) => &cause.of,
        }
    }

    /// The day that counts: of an entry, the day from which it has effect; of a date, the day that fell due.
    pub fn date(&self) -> NaiveDate {
        match self {
            Self::Entry(cause) => cause.effective_at.date(),
            Self::Date(cause) => cause.due,
        }
    }

    /// As the body of an offer says it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Entry(cause) => json!({
                "kind": "entry", "register": cause.after.register, "record": cause.after.record,
                "version": cause.version, "type": cause.entry_type, "position": cause.position,
            }),
            Self::Date(cause) => json!({
                "kind": "date", "register": cause.of.register, "record": cause.of.record, "version": cause.of.version,
                "member": cause.member, "base": cause.base, "due": cause.due,
            }),
        }
    }
}

/// The key of what a rule proposes to a person for a cause: the same for every version of the rule, at every evaluation, on
/// every server. It is the offer's official number, which its register takes once.
///
/// Of an entry, the cause is the entry. Of a date, it is the record and its base: an edited span does not propose again, and
/// another base (a licence prolonged) does.
pub fn once_key(rule_record: Uuid, addressee: Uuid, cause: &Cause) -> String {
    let cause = match cause {
        Cause::Entry(cause) => {
            format!("entry\n{}\n{}\n{}", cause.after.register, cause.after.record, cause.version)
        }
        Cause::Date(cause) => {
            format!("date\n{}\n{}\n{}\n{}", cause.of.register, cause.of.record, cause.member, cause.base)
        }
    };
    let hash = sha256(format!("reestr/offer/v1\n{rule_record}\n{addressee}\n{cause}").as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_bytes())
}
