//! What time brings: dates that fall due, and offers whose last day has passed.
//!
//! Each rule of dates has a cursor: through which day it was run. A day's work is a range of the index of dates, whatever
//! number of records there is; after a standstill the days that were missed are run in order, a page at a time, and the
//! cursor follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use domain::trigger::rule::CauseRule;
use domain::trigger::{InForceRule, SceneRecord};
use projections::{dates, offers};
use uuid::Uuid;

use super::judge::{Candidate, What, judge};
use super::library::Library;
use super::{Engine, EngineError, WAIT, place};
use crate::proactive::offer::{Offer, Stage};
use serde_json::json;

/// Dates of one page: their records are folded together, at some 10 µs an entry.
const PAGE_DATES: u32 = 500;
/// Offers of one page.
const PAGE_OFFERS: u32 = 200;

/// What a run over the calendar did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ran {
    /// Dates of the index that were looked at.
    pub dates: u64,
    /// Offers that were made.
    pub proposed: u64,
    /// Offers whose time was over.
    pub expired: u64,
}

impl Engine {
    /// Runs what is due by the store's clock: each rule through today, and offers whose last day has passed.
    pub(super) async fn run_calendar(&mut self) -> Result<Ran, EngineError> {
        let today = self.store().clock().now().date();
        let mut ran = Ran { expired: self.expire(today).await?, ..Ran::default() };
        let rules = self.rules().await?;
        let dated: Vec<_> = rules.current().into_iter().filter(|rule| rule.rule.period().is_some()).collect();
        let mut waiting = Vec::new();
        for rule in dated {
            let through = self.through(&rule).await?;
            if through < today {
                waiting.push((rule, through));
            }
        }
        if waiting.is_empty() {
            return Ok(ran);
        }
        // Whoever is recorded later is found by the journal, which knows how far the rules were run.
        let position = self.store().position().await?;
        for projection in ["dates", "account"] {
            self.projections().wait_for(projection, position, WAIT).await?;
        }
        for (rule, through) in waiting {
            self.run_rule(&rule, (through, today), position, &mut ran).await?;
        }
        Ok(ran)
    }

    /// Through which day a rule was run: at first, through the day on which it was published.
    pub(super) async fn through(&self, rule: &InForceRule) -> Result<NaiveDate, EngineError> {
        let through = place::through(self.store().db(), rule.record).await?;
        Ok(through.unwrap_or_else(|| rule.published_at.date()))
    }

    /// One rule, over the days after `after` and through `until`.
    async fn run_rule(
        &self,
        rule: &Arc<InForceRule>,
        (after, until): (NaiveDate, NaiveDate),
        position: u64,
        ran: &mut Ran,
    ) -> Result<(), EngineError> {
        let (CauseRule::Date(cause), Some(period)) = (&rule.rule.rule().cause, rule.rule.period()) else {
            return Ok(());
        };
        let bases = period.bases(after, until);
        let Some((from, to)) = bases.and_then(|(from, to)| Some((from.succ_opt()?, to))) else {
            return self.ran_through(rule.record, until).await;
        };
        let mut range = dates::Range {
            register: &cause.register,
            member: &cause.member,
            from,
            to,
            after: None,
            limit: PAGE_DATES,
        };
        loop {
            let page = dates::range(self.store().db(), &range).await?;
            let Some(last) = page.last() else { break };
            range.after = Some((last.day, last.record));
            ran.dates += page.len() as u64;
            ran.proposed += self.run_page(rule, &page, position).await?;
            if self.is_stopping() {
                // The cursor stays where it is: whoever goes on finds what was made.
                return Ok(());
            }
            if page.len() < PAGE_DATES as usize {
                break;
            }
            // All days before that of the last one are done.
            let done = period.due(last.day).and_then(|due| due.checked_sub_days(Days::new(1)));
            if let Some(done) = done.filter(|done| *done > after) {
                self.ran_through(rule.record, done).await?;
            }
        }
        self.ran_through(rule.record, until).await
    }

    async fn ran_through(&self, rule: Uuid, day: NaiveDate) -> Result<(), EngineError> {
        Ok(place::run_through(self.store().db(), rule, day, self.store().clock().now()).await?)
    }

    async fn run_page(
        &self,
        rule: &Arc<InForceRule>,
        page: &[dates::Dated],
        position: u64,
    ) -> Result<u64, EngineError> {
        let made_on = self.store().clock().now().date();
        let mut candidates = Vec::new();
        for dated in page {
            let Some(due) = rule.rule.period().and_then(|period| period.due(dated.day)) else { continue };
            if !is_fresh(rule, due, dated.since_at.date()) {
                continue;
            }
            let what = What::Date { base: dated.day, due };
            let rule = Arc::clone(rule);
            candidates.push(Candidate { rule, record: dated.record, what, position, today: due, made_on });
        }
        self.settle(candidates).await
    }

    /// Reads what candidates need, judges them, and makes offers of what holds.
    pub(super) async fn settle(&self, candidates: Vec<Candidate>) -> Result<u64, EngineError> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let mut library = Library::default();
        library.read(self.registry(), candidates.iter().map(|candidate| candidate.record)).await?;
        let now = library.until(u64::MAX);
        // Also whom an entry named that names them no more: each cause is judged as of its own position.
        let mut persons = BTreeSet::new();
        for candidate in &candidates {
            persons.extend(now.record(candidate.record).map(SceneRecord::people).unwrap_or_default());
            if let What::Entry { version } = candidate.what {
                persons.extend(
                    library
                        .after(candidate.record, Some(version))
                        .map(|record| record.people())
                        .unwrap_or_default(),
                );
            }
        }
        drop(now);
        let rules = candidates.iter().map(|candidate| &*candidate.rule.rule);
        library.gather(self.registry(), rules, persons).await?;
        let library = Arc::new(library);
        let judged = judge(&library, candidates).await?;
        self.count(|counts| counts.faults += judged.faults);
        let made = self.propose(&library, judged.found).await?;
        self.count(|counts| counts.proposed += made);
        Ok(made)
    }

    /// What was promised without being asked for, and to which nobody came back after a crash, since its rule was retired or
    /// holds no more: an official decides on it.
    async fn give_up(&self, offer: Uuid) -> Result<(), EngineError> {
        let Some(offer) = Offer::read(self.registry(), offer).await? else { return Ok(()) };
        if offer.stage() != Stage::Open {
            return Ok(());
        }
        let (ru, en) = ("Не предоставлено в срок", "Was not provided in time");
        self.refer(&offer, &format!("{ru} / {en}"), None).await
    }

    /// Ends the offers whose last day has passed.
    async fn expire(&self, today: NaiveDate) -> Result<u64, EngineError> {
        let mut expired = 0;
        for status in ["proposed", "seen"] {
            let mut after = None;
            loop {
                let page = offers::expiring(self.store().db(), status, today, after, PAGE_OFFERS).await?;
                let Some(last) = page.last() else { break };
                after = last.expires_on.map(|day| (day, last.record));
                let (promised, offered): (Vec<_>, Vec<_>) =
                    page.iter().partition(|offer| offer.effect == "provide");
                let records: Vec<Uuid> = offered.iter().map(|offer| offer.record).collect();
                expired += self.answer_all(&records, "expired", &json!({})).await?;
                for offer in promised {
                    self.give_up(offer.record).await?;
                }
                if self.is_stopping() {
                    break;
                }
            }
        }
        self.count(|counts| counts.expired += expired);
        Ok(expired)
    }
}

/// A date that had passed long before it was recorded is an old fact, which proposes nothing.
pub fn is_fresh(rule: &InForceRule, due: NaiveDate, recorded: NaiveDate) -> bool {
    let fresh = Days::new(rule.rule.rule().fresh_days.into());
    due > rule.published_at.date() && due.checked_add_days(fresh).is_none_or(|last| recorded <= last)
}
