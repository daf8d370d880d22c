//! What people let third parties read: records of `consents`, given, used, withdrawn and expired.
//!
//! **Invariants.**
//! - A consent is asked of its entries each time something is read by it. One that was withdrawn opens nothing to the next
//!   request, on whichever server.
//! - A term that is over opens nothing, whether or not its entry `expired` stands already: the entry tells of it, and decides
//!   nothing.
//! - Each issue of access is an entry before the access leaves.

mod sweep;

pub use sweep::{SWEEP_INTERVAL, follow, sweep};

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use domain::definition::{Kind, Title};
use domain::definitions::InForce;
use domain::platform::{CONSENTS, PERSONS, PLATFORM};
use domain::record::Record;
use domain::subject::Subject;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::acting::Whom;
use crate::http::{Acting, AppState};
use crate::problem::Problem;
use crate::registry::{Actor, AppendRequest, EntryRequest, Folded, Outcome, Refusal};
use crate::representation;
use crate::routes::v1::registers::entries::refused;

/// The longest term of a consent: a year and a day, so that a yearly check of the same bank needs no second one between.
pub const TERM_DAYS_MAX: u64 = 366;
/// Records that a consent names at most, and registers.
pub const RECORDS_MAX: usize = 200;
/// See [`RECORDS_MAX`]; the fixtures have some seventy registers.
pub const REGISTERS_MAX: usize = 100;

/// A consent as of its last entry.
#[derive(Debug, Clone)]
pub struct Consent {
    /// The record.
    pub record: Uuid,
    /// Its status: `active`, `expired`, `withdrawn`.
    pub status: String,
    /// Whose records it opens.
    pub person: Uuid,
    /// Who gave it: that person, or who acted for them.
    pub by: Uuid,
    /// To which client.
    pub client: String,
    /// What the client was called when it was given.
    pub client_name: Title,
    /// What for.
    pub purpose: String,
    /// Registers of which it opens all that concerns the person.
    pub registers: BTreeSet<Slug>,
    /// Records that it opens one by one.
    pub records: BTreeSet<Uuid>,
    /// First day.
    pub valid_from: NaiveDate,
    /// Last day.
    pub valid_until: NaiveDate,
}

impl Consent {
    /// Asks the journal; nothing when there is no such consent, or its body is withheld.
    pub async fn read(state: &AppState, record: Uuid) -> Result<Option<Self>, Problem> {
        let entries = state.store().read_record(record).await?;
        if entries.is_empty() {
            return Ok(None);
        }
        let knowledge = state.registry().knowledge();
        let folded = Folded::fold(&entries, &knowledge).map_err(|error| Problem::internal(&error))?;
        Ok(Self::of(folded.record.record()))
    }

    fn of(record: &Record) -> Option<Self> {
        let (state, content) = (&record.state, &record.content.members);
        if state.register.as_ref().is_none_or(|register| *register != *CONSENTS) || !record.content.complete {
            return None;
        }
        let texts = |name: &str| {
            content.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        };
        let client = content.get("client")?;
        Some(Self {
            record: state.record,
            status: state.status.clone(),
            person: state.subjects.iter().find_map(Subject::person)?,
            by: content.get("by")?.as_str()?.parse().ok()?,
            client: client.get("id")?.as_str()?.to_owned(),
            client_name: serde_json::from_value(client.get("name")?.clone()).ok()?,
            purpose: content.get("purpose")?.as_str()?.to_owned(),
            registers: texts("registers").filter_map(|text| text.parse().ok()).collect(),
            records: texts("records").filter_map(|text| text.parse().ok()).collect(),
            valid_from: state.valid_from?,
            valid_until: state.valid_until?,
        })
    }

    /// Does it open anything now? One that was given for another does for as long as whoever gave it may act for them: a child
    /// who has come of age, a principal who revoked a power, have let nobody read.
    pub async fn stands(&self, state: &AppState) -> Result<bool, Problem> {
        if !self.opens(today(state)) || self.by == self.person {
            return Ok(self.opens(today(state)));
        }
        let mandates = representation::mandates_for(state, self.by, &Whom::Person(self.person)).await?;
        Ok(mandates.iter().any(|mandate| mandate.scope.acts))
    }

    /// Does its term last, and has nobody ended it?
    fn opens(&self, today: NaiveDate) -> bool {
        self.status == "active" && self.valid_from <= today && today <= self.valid_until
    }

    /// Does it open this record of this register?
    pub fn covers(&self, register: &Slug, record: Uuid) -> bool {
        self.registers.contains(register) || self.records.contains(&record)
    }

    /// When its term is over.
    pub fn ends_at(&self) -> Timestamp {
        self.valid_until.checked_add_days(Days::new(1)).map_or(Timestamp::MAX, Timestamp::from_date)
    }
}

/// May what stands in this register be opened by consent? What the platform keeps about people (offers, accesses, other
/// consents) is theirs alone; their own record is not.
pub fn may_be_opened(register: &InForce) -> bool {
    register.definition.kind != Kind::Platform || register.definition.slug == *PERSONS
}

/// A consent to be given.
pub struct Given<'a> {
    /// Who gives it, and for whom.
    pub acting: &'a Acting,
    /// To which client.
    pub client: (&'a Slug, &'a Title),
    /// What for.
    pub purpose: &'a str,
    /// See [`Consent::registers`].
    pub registers: &'a BTreeSet<Slug>,
    /// See [`Consent::records`].
    pub records: &'a BTreeSet<Uuid>,
    /// The last day; the first is today.
    pub valid_until: NaiveDate,
}

/// Gives a consent.
pub async fn give(state: &AppState, given: Given<'_>) -> Result<Outcome, Problem> {
    let mut body = json!({
        "client": { "id": given.client.0, "name": given.client.1 },
        "purpose": given.purpose,
        "registers": given.registers,
        "records": given.records,
        "valid_from": today(state).to_string(),
        "valid_until": given.valid_until.to_string(),
        "by": given.acting.actor,
        "subjects": [{ "role": "person", "person": given.acting.person()? }],
    });
    if let Some(whom) = given.acting.on_behalf() {
        body["on_behalf"] = whom;
    }
    append(state, None, "given", body).await.map_err(|refusal| refused::problem(&refusal, false))
}

/// By what access was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A code.
    Code,
    /// A refresh token.
    Refresh,
}

/// Writes down that access is issued, until when. A consent that has ended meanwhile refuses.
pub async fn used(state: &AppState, consent: Uuid, by: By, until: Timestamp) -> Result<(), Refusal> {
    let by = match by {
        By::Code => "code",
        By::Refresh => "refresh",
    };
    append(state, Some(consent), "used", json!({ "used": { "by": by, "until": until } })).await.map(drop)
}

/// Why a consent ends before its term.
pub enum Because<'a> {
    /// The person, or who acts for them, withdrew it.
    Person(&'a Acting),
    /// Its code came twice: one of the two who have it is not the client.
    CodeReused,
    /// One of its refresh tokens came twice.
    TokenReused,
}

/// Ends a consent now.
pub async fn withdraw(state: &AppState, consent: Uuid, because: Because<'_>) -> Result<Outcome, Refusal> {
    let body = match because {
        Because::Person(acting) => {
            let mut body = acting.by();
            body["because"] = json!("person");
            body
        }
        Because::CodeReused => json!({ "because": "code-reused" }),
        Because::TokenReused => json!({ "because": "token-reused" }),
    };
    append(state, Some(consent), "withdrawn", json!({ "withdrawn": body })).await
}

async fn append(
    state: &AppState,
    record: Option<Uuid>,
    entry_type: &'static str,
    body: Value,
) -> Result<Outcome, Refusal> {
    // The names are slugs and types: the fixtures' tests say so.
    let corrupt = |_| Refusal::from(crate::registry::Reason::Corrupt("a name is no slug".to_owned()));
    let entry = EntryRequest::Platform {
        record,
        version: None,
        entry_type: entry_type.parse().map_err(corrupt)?,
        effective_at: None,
        body,
    };
    let by = Actor::local(PLATFORM.parse().map_err(corrupt)?);
    let request = AppendRequest::new(CONSENTS.parse().map_err(corrupt)?, by, vec![entry]);
    let mut outcomes = state.registry().append(request).await?;
    outcomes.pop().ok_or_else(|| crate::registry::Reason::Count.into())
}

/// The day on which consents are judged.
pub fn today(state: &AppState) -> NaiveDate {
    state.store().clock().now().date()
}
