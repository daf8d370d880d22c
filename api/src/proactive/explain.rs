//! Why a person has or lacks an offer, rule by rule: the offers that there are, the causes that were looked at, and of each
//! what came of it, computed again from the entries as they were then. It holds personal data, and has no `Debug` text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use domain::definition::{Group, Title};
use domain::platform::OFFERS;
use domain::record::RecordEvent;
use domain::trigger::rule::CauseRule;
use domain::trigger::{
    Cause, CompiledRule, DueDate, InForceRule, Rules, SceneRecord, Unfit, Verdict, once_key,
};
use projections::account;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::engine::{EngineError, Library};
use super::settings;
use crate::accesses::Disclosure;
use crate::registry::Registry;

/// Why a person has or lacks offers.
#[derive(Serialize)]
pub struct Explained {
    /// The person: the record in `persons`.
    pub person: Uuid,
    /// The day on which it is explained.
    pub today: NaiveDate,
    /// Can the person be offered anything: an account in force, and no death that stands?
    pub reachable: bool,
    /// Each rule.
    pub rules: Vec<RuleExplained>,
}

/// One rule and a person.
#[derive(Serialize)]
pub struct RuleExplained {
    /// The rule.
    pub slug: Slug,
    /// What it proposes.
    pub title: Title,
    /// Its record in `triggers`.
    pub record: Uuid,
    /// The version in force.
    pub version: u64,
    /// When it was first published.
    pub published_at: Timestamp,
    /// When it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// The kind of proposal.
    pub kind: Group,
    /// Has the person switched that kind off?
    pub switched_off: bool,
    /// The causes that concern the person, in the order of time; none when nothing ever made the rule look.
    pub causes: Vec<CauseExplained>,
}

/// One cause and what came of it.
#[derive(Serialize)]
pub struct CauseExplained {
    /// The register.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
    /// Of an entry, the version that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of a date, the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<NaiveDate>,
    /// From when the entry has effect; the day that falls due.
    pub day: NaiveDate,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: CauseOutcome,
}

/// What came of a cause.
#[derive(PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum CauseOutcome {
    /// An offer was made.
    Offered {
        /// Its record.
        offer: Uuid,
        /// Its status.
        status: String,
    },
    /// It was before the rule was published.
    BeforePublication,
    /// The rule was retired by then.
    Retired,
    /// The rule is not in force on that day.
    OutOfForce,
    /// It had taken effect too long before it was recorded.
    NotFresh,
    /// The record is in no status that the rule looks at.
    Status {
        /// The status.
        status: String,
    },
    /// It falls due later.
    NotYetDue,
    /// A condition does not hold.
    Failed {
        /// Where in the rule.
        pointer: String,
        /// The condition.
        condition: String,
        /// What is not there.
        #[serde(skip_serializing_if = "Option::is_none")]
        missing: Option<String>,
        /// The values that were computed.
        values: Map<String, Value>,
    },
    /// The rule cannot be evaluated for it.
    Error {
        /// What is wrong.
        message: String,
    },
    /// It holds, but the person has switched such proposals off, or cannot be offered anything.
    Withheld,
    /// It holds, and there is no offer: the engine has not come so far, or does not run.
    Holds,
}

/// Explains every rule, or the one of that name. The projection `account` says where to look, and is to have caught up. Answers
/// also with what was read, so that it can be recorded that somebody looked.
pub async fn explain(
    registry: &Registry,
    rules: &Rules,
    person: Uuid,
    only: Option<&Slug>,
    today: NaiveDate,
) -> Result<(Explained, Vec<Disclosure>), EngineError> {
    let chosen: Vec<Arc<InForceRule>> =
        rules.iter().filter(|rule| only.is_none_or(|only| rule.rule.rule().slug == *only)).cloned().collect();
    let library = gather(registry, &chosen, person).await?;
    let off = settings::off(registry.store().db(), person).await?;
    let rules = rules.clone();
    let work = move || {
        let explain = Explain { library: &library, rules: &rules, person, today, off: &off };
        let explained = Explained {
            person,
            today,
            reachable: library.is_reachable(person),
            rules: chosen.iter().map(|rule| explain.rule(rule)).collect(),
        };
        (explained, disclosures(&library))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| EngineError::Stopped)
}

/// What rules may ask of the person, the records that may be causes, and the person's offers.
async fn gather(
    registry: &Registry,
    rules: &[Arc<InForceRule>],
    person: Uuid,
) -> Result<Library, EngineError> {
    let mut library = Library::default();
    library.gather(registry, rules.iter().map(|rule| &*rule.rule), BTreeSet::from([person])).await?;
    let mut people: BTreeSet<Uuid> = records(&library).iter().flat_map(SceneRecord::people).collect();
    people.insert(person);
    let causes = rules.iter().map(|rule| rule.rule.rule().cause.register().clone());
    let registers: BTreeSet<Slug> = causes.chain(OFFERS.parse()).collect();
    let found = account::ever_concerned(registry.store().db(), &people, &registers).await?;
    library.read(registry, found.into_iter().chain(people)).await?;
    Ok(library)
}

fn records(library: &Library) -> Vec<SceneRecord> {
    let ids: BTreeSet<Uuid> = library.in_order().iter().map(|event| event.record).collect();
    ids.into_iter().filter_map(|record| library.after(record, None)).collect()
}

fn disclosures(library: &Library) -> Vec<Disclosure> {
    let records = records(library);
    let shown = records.iter().map(|record| {
        Disclosure::new(&record.register, record.record, record.people().into_iter().collect())
    });
    shown.collect()
}

struct Explain<'a> {
    library: &'a Library,
    rules: &'a Rules,
    person: Uuid,
    today: NaiveDate,
    off: &'a BTreeSet<Group>,
}

impl Explain<'_> {
    fn rule(&self, rule: &InForceRule) -> RuleExplained {
        let text = rule.rule.rule();
        let offers = self.offers(rule.record);
        let events = self.library.in_order();
        let of_register = events.into_iter().filter(|event| event.register == *text.cause.register());
        let mut causes: Vec<CauseExplained> = match &text.cause {
            CauseRule::Entry(cause) => of_register
                .filter(|event| cause.types.contains(&event.entry_type))
                .filter_map(|event| self.entry(rule, event, &offers))
                .collect(),
            CauseRule::Date(_) => {
                let records: BTreeSet<Uuid> = of_register.map(|event| event.record).collect();
                records.into_iter().filter_map(|record| self.date(rule, record, &offers)).collect()
            }
        };
        causes.sort_by_key(|cause| (cause.day, cause.record, cause.version));
        RuleExplained {
            slug: text.slug.clone(),
            title: text.title.clone(),
            record: rule.record,
            version: rule.version,
            published_at: rule.published_at,
            retired_at: rule.retired.map(|retired| retired.recorded_at),
            kind: text.kind,
            switched_off: self.off.contains(&text.kind),
            causes,
        }
    }

    /// The offers of a rule to the person: record and status, by key.
    fn offers(&self, rule: Uuid) -> BTreeMap<String, (Uuid, String)> {
        let rule = rule.to_string();
        let offers = records(self.library).into_iter().filter(|record| record.register == *OFFERS);
        offers
            .filter(|offer| offer.people().contains(&self.person))
            .filter(|offer| offer.member("rule.record").and_then(Value::as_str) == Some(&rule))
            .filter_map(|offer| {
                let key = offer.member("key")?.as_str()?.to_owned();
                Some((key, (offer.record, offer.status)))
            })
            .collect()
    }

    fn entry(
        &self,
        rule: &InForceRule,
        event: &RecordEvent,
        offers: &BTreeMap<String, (Uuid, String)>,
    ) -> Option<CauseExplained> {
        let world = self.library.until(event.position);
        let cause = Cause::entry(event, world.record(event.record)?.clone());
        let then = self.then(rule, event.position);
        if !then.addressees(&cause, &world).contains(&self.person) {
            return None;
        }
        let outcome = self.offered(rule, &cause, offers).unwrap_or_else(|| {
            if event.position <= rule.position {
                CauseOutcome::BeforePublication
            } else if rule.retired.is_some_and(|retired| retired.position < event.position) {
                CauseOutcome::Retired
            } else {
                self.judged(&then, &cause, &world, event.recorded_at.date())
            }
        });
        Some(CauseExplained {
            register: event.register.clone(),
            record: event.record,
            version: Some(event.version),
            base: None,
            day: cause.date(),
            outcome,
        })
    }

    fn date(
        &self,
        rule: &InForceRule,
        record: Uuid,
        offers: &BTreeMap<String, (Uuid, String)>,
    ) -> Option<CauseExplained> {
        let CauseRule::Date(text) = &rule.rule.rule().cause else { return None };
        let now = self.library.after(record, None)?;
        let base = rule.rule.base_of(&now)?;
        let due = rule.rule.period()?.due(base)?;
        // It is judged on that day, or on the day when it was recorded, if that was later.
        let since = self.since(rule, record, base);
        let judged_on = since.map_or(due, |since| since.max(due));
        let events = self.library.in_order();
        let known = events.iter().filter(|event| event.recorded_at.date() <= judged_on.min(self.today));
        let world = self.library.until(known.map(|event| event.position).max().unwrap_or_default());
        let of = world.record(record).cloned().unwrap_or(now);
        let cause = Cause::Date(DueDate { member: text.member.clone(), base, due, of });
        if !rule.rule.addressees(&cause, &self.library.until(u64::MAX)).contains(&self.person) {
            return None;
        }
        let outcome = self.offered(rule, &cause, offers).unwrap_or_else(|| {
            if due > self.today {
                CauseOutcome::NotYetDue
            } else if due <= rule.published_at.date() {
                CauseOutcome::BeforePublication
            } else if since.is_some_and(|since| is_old(&rule.rule, due, since)) {
                CauseOutcome::NotFresh
            } else if rule.retired.is_some_and(|retired| retired.recorded_at.date() < due) {
                CauseOutcome::Retired
            } else {
                self.judged(&rule.rule, &cause, &world, judged_on)
            }
        });
        let register = text.register.clone();
        Some(CauseExplained { register, record, version: None, base: Some(base), day: due, outcome })
    }

    /// Since when the record has this base.
    fn since(&self, rule: &InForceRule, record: Uuid, base: NaiveDate) -> Option<NaiveDate> {
        let mut since = None;
        for event in self.library.events(record) {
            let then = self.library.after(record, Some(event.version));
            if then.and_then(|then| rule.rule.base_of(&then)) == Some(base) {
                since.get_or_insert(event.recorded_at.date());
            } else {
                since = None;
            }
        }
        since
    }

    /// The text of the rule that was in force at a position; of one published later, the present text.
    fn then(&self, rule: &InForceRule, position: u64) -> Arc<CompiledRule> {
        let then = self.rules.at_position(position).into_iter().find(|then| then.record == rule.record);
        then.map_or_else(|| Arc::clone(&rule.rule), |then| Arc::clone(&then.rule))
    }

    fn offered(
        &self,
        rule: &InForceRule,
        cause: &Cause,
        offers: &BTreeMap<String, (Uuid, String)>,
    ) -> Option<CauseOutcome> {
        let (offer, status) = offers.get(&once_key(rule.record, self.person, cause))?;
        Some(CauseOutcome::Offered { offer: *offer, status: status.clone() })
    }

    fn judged(
        &self,
        rule: &CompiledRule,
        cause: &Cause,
        world: &domain::trigger::MemorySource,
        today: NaiveDate,
    ) -> CauseOutcome {
        match rule.admits(cause) {
            Err(Unfit::OutOfForce) => return CauseOutcome::OutOfForce,
            Err(Unfit::NotFresh) => return CauseOutcome::NotFresh,
            Err(Unfit::Status) => return CauseOutcome::Status { status: cause.record().status.clone() },
            Ok(()) => {}
        }
        match rule.evaluate(cause, self.person, world, today) {
            Ok(Verdict::Holds(_)) if self.off.contains(&rule.rule().kind) => CauseOutcome::Withheld,
            Ok(Verdict::Holds(_)) if !self.library.is_reachable(self.person) => CauseOutcome::Withheld,
            Ok(Verdict::Holds(_)) => CauseOutcome::Holds,
            Ok(Verdict::Fails(failure)) => CauseOutcome::Failed {
                pointer: failure.pointer,
                condition: failure.condition,
                missing: failure.missing,
                values: failure.values,
            },
            Err(error) => CauseOutcome::Error { message: error.to_string() },
        }
    }
}

/// Had the day passed so long before it was recorded that it is an old fact?
fn is_old(rule: &CompiledRule, due: NaiveDate, since: NaiveDate) -> bool {
    let last = due.checked_add_days(Days::new(rule.rule().fresh_days.into()));
    last.is_some_and(|last| last < since)
}
