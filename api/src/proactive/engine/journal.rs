//! A batch of the journal: which causes it has, what became of offers and requests, and which offers it takes back.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use domain::platform::{OFFERS, REQUESTS};
use domain::trigger::{InForceRule, Rules, SceneRecord};
use eventstore::StoredEntry;
use proofs::slug::Slug;
use serde_json::json;
use uuid::Uuid;

use super::calendar::is_fresh;
use super::judge::{Candidate, What};
use super::library::Library;
use super::propose::{is_of_content, told};
use super::{Engine, EngineError, WAIT, book, place};
use crate::proactive::handover;
use crate::proactive::offer::{Offer, Stage};
use crate::registry::{Folded, parse_body};

/// Entries of one batch: the records of as many people at most are in memory at once.
const BATCH_ENTRIES: u32 = 500;

impl Engine {
    /// Takes the next batch of the journal; false when there is nothing to take. Done again, it does nothing more.
    pub(super) async fn take_batch(&mut self) -> Result<bool, EngineError> {
        let after = self.place().await?;
        let entries = self.store().read_after(after, BATCH_ENTRIES).await?;
        let Some(to) = entries.last().map(|entry| entry.position) else {
            self.reached(after);
            return Ok(false);
        };
        let rules = self.rules().await?;
        // What rules ask of people is found by their accounts.
        self.projections().wait_for("account", to, WAIT).await?;
        let mut candidates = self.candidates(&rules, &entries);
        let committed = self.store().position().await?;
        candidates.extend(self.late_dates(&rules, &entries, committed).await?);
        if candidates.iter().any(|candidate| candidate.position > to) {
            self.projections().wait_for("account", committed, WAIT).await?;
        }
        candidates.sort_by_key(|candidate| candidate.position);
        self.settle(candidates).await?;
        self.complete(&entries).await?;
        let changed = entries.iter().filter(|entry| changes_cause(entry));
        self.reconsider(&rules, &changed.map(StoredEntry::record).collect(), (after, to)).await?;
        place::advance(self.store().db(), to, self.store().clock().now()).await?;
        self.reached(to);
        Ok(true)
    }

    /// Where the engine is. It begins before the first rule: nothing earlier can make one look.
    async fn place(&self) -> Result<u64, EngineError> {
        let db = self.store().db();
        loop {
            if let Some(position) = place::position(db).await? {
                return Ok(position);
            }
            let committed = self.store().position().await?;
            let first = book::first_position(self.store()).await?;
            let begin = first.map_or(committed, |first| first.min(committed));
            place::begin(db, begin, self.store().clock().now()).await?;
        }
    }

    /// The entries that make a rule look, each under the rules as they were where it stands.
    fn candidates(&self, rules: &Rules, entries: &[StoredEntry]) -> Vec<Candidate> {
        let registers: BTreeSet<&Slug> = rules.iter().map(|rule| rule.rule.rule().cause.register()).collect();
        let made_on = self.store().clock().now().date();
        let mut candidates = Vec::new();
        for entry in entries.iter().filter(|entry| registers.contains(&entry.register)) {
            let entry_type = &entry.statement.statement().entry_type;
            for rule in rules.at_position(entry.position) {
                if rule.position < entry.position && rule.rule.matches(&entry.register, entry_type) {
                    candidates.push(Candidate {
                        rule,
                        record: entry.record(),
                        what: What::Entry { version: entry.version() },
                        position: entry.position,
                        today: entry.recorded_at.date(),
                        made_on,
                    });
                }
            }
        }
        candidates
    }

    /// Dates whose day is there already, so that the calendar may not come to them any more. One whose day came after the
    /// entry is seen, as by the calendar, with everything that is `committed`: the account may have changed in between.
    async fn late_dates(
        &self,
        rules: &Rules,
        entries: &[StoredEntry],
        committed: u64,
    ) -> Result<Vec<Candidate>, EngineError> {
        let made_on = self.store().clock().now().date();
        let dated: Vec<_> = rules.current().into_iter().filter(|rule| rule.rule.period().is_some()).collect();
        let registers: BTreeSet<&Slug> = dated.iter().map(|rule| rule.rule.rule().cause.register()).collect();
        let within: Vec<&StoredEntry> =
            entries.iter().filter(|entry| registers.contains(&entry.register)).collect();
        let mut candidates = Vec::new();
        if within.is_empty() {
            return Ok(candidates);
        }
        let mut library = Library::default();
        library.read(self.registry(), within.iter().map(|entry| entry.record())).await?;
        let mut through = Vec::with_capacity(dated.len());
        for rule in &dated {
            through.push(self.through(rule).await?.max(made_on));
        }
        for entry in within {
            let after = library.after(entry.record(), Some(entry.version()));
            let before =
                (entry.version() > 1).then(|| library.after(entry.record(), Some(entry.version() - 1)));
            let Some(after) = after else { continue };
            for (rule, through) in dated.iter().zip(&through) {
                let recorded = entry.recorded_at.date();
                let Some((base, due)) = newly_due(rule, before.as_ref().and_then(Option::as_ref), &after)
                else {
                    continue;
                };
                if rule.position < entry.position && due <= *through && is_fresh(rule, due, recorded) {
                    candidates.push(Candidate {
                        rule: Arc::clone(rule),
                        record: entry.record(),
                        what: What::Date { base, due },
                        position: if due > recorded { committed } else { entry.position },
                        today: due.max(recorded),
                        made_on,
                    });
                }
            }
        }
        Ok(candidates)
    }

    /// Completes what people and officials began: the requests of an accepted offer, and the end of an offer whose request
    /// was granted.
    async fn complete(&self, entries: &[StoredEntry]) -> Result<(), EngineError> {
        for entry in entries {
            match (entry.register.as_str(), entry.statement.statement().entry_type.as_str()) {
                (OFFERS, "accepted") => self.hand_over(entry.record()).await?,
                (REQUESTS, "granted") => self.granted(entry).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The person may have been cut off between saying yes and the requests.
    async fn hand_over(&self, offer: Uuid) -> Result<(), EngineError> {
        match Offer::read(self.registry(), offer).await? {
            Some(offer) if offer.stage() == Stage::Accepted => {
                match handover::hand_over(self.registry(), &offer).await {
                    Ok(_) => Ok(()),
                    Err(refusal) if is_of_content(&refusal.reason) => {
                        let (ru, en) = ("Заявления подать не удалось", "The requests could not be made");
                        self.refer(&offer, &format!("{ru} / {en}: {}", told(&refusal)), None).await
                    }
                    Err(refusal) => Err(refusal.into()),
                }
            }
            _ => Ok(()),
        }
    }

    /// A request that came of an offer was granted, with a record that resulted: the offer is provided.
    async fn granted(&self, entry: &StoredEntry) -> Result<(), EngineError> {
        let body = parse_body(entry)?.unwrap_or_default();
        let Some(outcome) = body.get("outcome") else { return Ok(()) };
        let entries = self.store().read_record(entry.record()).await?;
        let folded = Folded::fold(&entries, &*self.registry().refresh().await?)?;
        let offer = folded.record.record().content.members.get("offer").and_then(|offer| offer.as_str());
        let Some(offer) = offer.and_then(|offer| offer.parse().ok()) else { return Ok(()) };
        match Offer::read(self.registry(), offer).await? {
            Some(offer) if offer.stage() == Stage::Accepted => {
                self.answer(offer.record, "provided", json!({ "outcome": outcome })).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Can an entry take from a cause what it stands on? What becomes of an offer is no such thing, unless it is taken back.
fn changes_cause(entry: &StoredEntry) -> bool {
    let is_withdrawn = || entry.statement.statement().entry_type.as_str() == "withdrawn";
    entry.version() > 1 && (entry.register != *OFFERS || is_withdrawn())
}

/// The base date that a record came to have by an entry, or came to be looked at with, and the day that falls due.
fn newly_due(
    rule: &InForceRule,
    before: Option<&SceneRecord>,
    after: &SceneRecord,
) -> Option<(NaiveDate, NaiveDate)> {
    let base = rule.rule.base_of(after)?;
    let before = before.filter(|before| rule.rule.looks_at(before));
    if before.is_some_and(|before| rule.rule.base_of(before) == Some(base)) {
        return None;
    }
    Some((base, rule.rule.period()?.due(base)?))
}
