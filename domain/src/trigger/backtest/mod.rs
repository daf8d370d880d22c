//! A backtest: a rule, or two versions of one, over the whole history, without writing anything.
//!
//! Entries go by in the order of the journal, and time goes by with them: what an entry causes is judged with the records as
//! they were then, and a date that falls due is judged at the end of its day. The same history and rules give the same
//! report. Pure: whoever reads the journal feeds it, and may put it down ([`Backtest::snapshot`]) and take it up again.

mod due;
mod ledger;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use proofs::hash::sha256;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cause::{Cause, DueDate, once_key};
use super::compile::CompiledRule;
use super::evaluate::{Unfit, Verdict};
use super::rule::CauseRule;
use super::scene::{MemorySource, SceneRecord, Source};
use crate::definition::Definition;
use crate::platform::PERSONS;
use crate::record::RecordEvent;
use due::DueIndex;
use ledger::{Ledger, Outcome};
pub use report::{Comparison, Example, Report, RuleReport, Side};

/// The register of deaths, and the role in it of the one who died: who is there gets nothing any more.
const DEATHS: &str = "deaths";
const DECEASED: &str = "deceased";

/// What a backtest is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The first day on which causes count.
    pub from: Option<NaiveDate>,
    /// The last day on which causes count.
    pub to: NaiveDate,
    /// Do causes count only while the rule is in force? Otherwise as if it had always been.
    pub in_force_only: bool,
    /// So many examples of each kind.
    pub examples: usize,
}

/// A backtest under way.
pub struct Backtest {
    asked: Asked,
    /// The rule; or the version before, and the one after.
    sides: Vec<SideState>,
    world: MemorySource,
    /// The last day whose due dates are judged.
    day: Option<NaiveDate>,
    entries: u64,
    position: u64,
    ledger: Option<Ledger>,
}

struct SideState {
    rule: Arc<CompiledRule>,
    due: DueIndex,
    report: RuleReport,
    people: BTreeSet<Uuid>,
}

/// A backtest put down, to be taken up again. It has personal data in it.
#[derive(Serialize, Deserialize)]
pub struct Snapshot {
    asked: Asked,
    rules: Vec<String>,
    day: Option<NaiveDate>,
    entries: u64,
    position: u64,
    records: Vec<SceneRecord>,
    reports: Vec<(RuleReport, BTreeSet<Uuid>)>,
    ledger: Option<Ledger>,
}

/// The snapshot is of another backtest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was kept by a backtest of other rules, or of other dates")]
pub struct OtherBacktest;

impl Backtest {
    /// A backtest of one rule.
    pub fn of(rule: Arc<CompiledRule>, asked: Asked) -> Self {
        Self::new(vec![rule], asked)
    }

    /// A comparison of a rule as it was with what it is to become.
    pub fn compare(before: Arc<CompiledRule>, after: Arc<CompiledRule>, asked: Asked) -> Self {
        Self::new(vec![before, after], asked)
    }

    fn new(rules: Vec<Arc<CompiledRule>>, asked: Asked) -> Self {
        let ledger = (rules.len() == 2).then(Ledger::default);
        let sides = rules.into_iter().map(|rule| SideState {
            report: RuleReport::new(&rule.rule().slug),
            due: DueIndex::default(),
            people: BTreeSet::new(),
            rule,
        });
        let world = MemorySource::default();
        Self { asked, sides: sides.collect(), world, day: None, entries: 0, position: 0, ledger }
    }

    /// The registers whose entries it has to be fed; entries of others may be left out.
    pub fn registers(&self) -> BTreeSet<Slug> {
        let fixed = [PERSONS, DEATHS].iter().filter_map(|name| name.parse().ok());
        let mut registers: BTreeSet<Slug> = fixed.collect();
        for side in &self.sides {
            registers.insert(side.rule.rule().cause.register().clone());
            registers.extend(side.rule.needs().registers.iter().cloned());
        }
        registers
    }

    /// The position of the last entry that was taken in.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What was asked.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Takes one entry in. `at` is the time that it stands for: when it was recorded.
    pub fn apply(&mut self, event: &RecordEvent, definition: &Definition, at: Timestamp) {
        let today = at.date();
        if let Some(yesterday) = today.pred_opt() {
            self.pass_until(yesterday);
        }
        self.entries += 1;
        self.position = event.position;
        let before = self.world.record(event.record).cloned();
        let scene = self.world.step(event, definition).clone();
        for side in &mut self.sides {
            side.due.put(scene.record, side.rule.base_of(&scene));
        }
        let counts = self.asked.from.is_none_or(|from| from <= today) && today <= self.asked.to;
        let matching = |side: &SideState| side.rule.matches(&event.register, &event.entry_type);
        if !counts {
            return;
        }
        for side in 0..self.sides.len() {
            self.late(side, before.as_ref(), &scene, today);
        }
        if self.sides.iter().any(matching) {
            let matching: Vec<bool> = self.sides.iter().map(matching).collect();
            let mut event = event.clone();
            event.recorded_at = at;
            let cause = Cause::entry(&event, scene);
            for (side, _) in matching.iter().enumerate().filter(|(_, matches)| **matches) {
                self.judge(side, &cause, today);
            }
        }
    }

    /// A date that had passed when it was recorded, though not so long ago that it is an old fact.
    fn late(&mut self, side: usize, before: Option<&SceneRecord>, after: &SceneRecord, today: NaiveDate) {
        let rule = Arc::clone(&self.sides[side].rule);
        let before = before.filter(|before| rule.looks_at(before)).and_then(|before| rule.base_of(before));
        let base = rule.base_of(after).filter(|base| before != Some(*base) && rule.looks_at(after));
        let Some((base, due)) = base.and_then(|base| Some((base, rule.period()?.due(base)?))) else { return };
        let last = due.checked_add_days(Days::new(rule.rule().fresh_days.into()));
        // What falls due today is judged at the end of the day.
        if due < today && last.is_none_or(|last| today <= last) {
            self.fell_due(side, (base, due), after.clone(), today);
        }
    }

    fn fell_due(
        &mut self,
        side: usize,
        (base, due): (NaiveDate, NaiveDate),
        of: SceneRecord,
        today: NaiveDate,
    ) {
        if let CauseRule::Date(rule) = &self.sides[side].rule.rule().cause {
            let cause = Cause::Date(DueDate { member: rule.member.clone(), base, due, of });
            self.judge(side, &cause, today);
        }
    }

    /// Lets time go by to the end of the last day, and reports.
    pub fn finish(mut self) -> Report {
        self.pass_until(self.asked.to);
        let comparison = self.ledger.as_ref().map(|ledger| ledger.compare(self.asked.examples));
        let rules = self.sides.into_iter().map(|side| {
            let people = u64::try_from(side.people.len()).unwrap_or(u64::MAX);
            RuleReport { people, ..side.report }
        });
        Report {
            from: self.asked.from,
            to: self.asked.to,
            entries: self.entries,
            position: self.position,
            rules: rules.collect(),
            comparison,
        }
    }

    /// Judges what falls due until the end of a day.
    fn pass_until(&mut self, day: NaiveDate) {
        let day = day.min(self.asked.to);
        // Before the first entry nothing is due.
        let Some(after) = self.day.or_else(|| day.checked_sub_days(Days::new(1))) else { return };
        if day <= after {
            if self.day.is_none() {
                self.day = Some(day);
            }
            return;
        }
        self.day = Some(day);
        let after = match self.asked.from.and_then(|from| from.pred_opt()) {
            Some(before) => after.max(before),
            None => after,
        };
        for side in 0..self.sides.len() {
            let rule = Arc::clone(&self.sides[side].rule);
            let Some(period) = rule.period() else { continue };
            for (due, base, record) in self.sides[side].due.falling(period, after, day) {
                if let Some(of) = self.world.record(record).cloned() {
                    self.fell_due(side, (base, due), of, due);
                }
            }
        }
    }

    /// One cause, for one of the rules.
    fn judge(&mut self, side: usize, cause: &Cause, today: NaiveDate) {
        let rule = Arc::clone(&self.sides[side].rule);
        let report = &mut self.sides[side].report;
        report.causes += 1;
        let fits = if self.asked.in_force_only { rule.admits(cause) } else { rule.suits(cause) };
        let addressees = rule.addressees(cause, &self.world);
        if let Err(unfit) = fits {
            let reason = unfit_words(unfit);
            *report.unfit.entry(reason.to_owned()).or_default() += 1;
            for person in addressees {
                self.note(side, cause, person, today, || Outcome::Not(reason.to_owned()));
            }
            return;
        }
        for person in addressees {
            if self.is_dead(person) {
                continue;
            }
            let verdict = rule.evaluate(cause, person, &self.world, today);
            let report = &mut self.sides[side].report;
            report.evaluated += 1;
            match verdict {
                Ok(Verdict::Holds(proposal)) => {
                    self.propose(side, cause, person, today);
                    self.note(side, cause, person, today, || Outcome::holds(&proposal));
                }
                Ok(Verdict::Fails(failure)) => {
                    let reason = match &failure.missing {
                        Some(missing) => format!("{} ({missing} is not there)", failure.condition),
                        None => failure.condition.clone(),
                    };
                    *report.failed.entry(reason.clone()).or_default() += 1;
                    self.note(side, cause, person, today, || Outcome::Not(reason));
                }
                Err(error) => {
                    let reason = error.to_string();
                    *report.errors.entry(reason.clone()).or_default() += 1;
                    self.note(side, cause, person, today, || Outcome::Not(reason));
                }
            }
        }
    }

    fn propose(&mut self, side: usize, cause: &Cause, person: Uuid, today: NaiveDate) {
        let region = self.world.person(person).and_then(|record| record.member("address.region"));
        let region = region.and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned();
        let side = &mut self.sides[side];
        side.report.proposals += 1;
        *side.report.by_month.entry(today.format("%Y-%m").to_string()).or_default() += 1;
        *side.report.by_region.entry(region).or_default() += 1;
        side.people.insert(person);
        if side.report.examples.len() < self.asked.examples {
            side.report.examples.push(Example::of(cause, person, today, None));
        }
    }

    fn note(
        &mut self,
        side: usize,
        cause: &Cause,
        person: Uuid,
        today: NaiveDate,
        outcome: impl FnOnce() -> Outcome,
    ) {
        if let Some(ledger) = &mut self.ledger {
            // Both versions are of one rule: the key is that of person and cause.
            let key = once_key(Uuid::nil(), person, cause);
            ledger.note(side, key, Example::of(cause, person, today, None), outcome());
        }
    }

    fn is_dead(&self, person: Uuid) -> bool {
        let Ok(deaths) = DEATHS.parse::<Slug>() else { return false };
        let deaths = self.world.records_of(person, &deaths);
        deaths.iter().any(|death| death.in_force && death.in_role(DECEASED).any(|dead| dead == person))
    }

    /// The backtest as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let mut records: Vec<SceneRecord> = self.world.records().cloned().collect();
        records.sort_by_key(|record| record.record);
        let reports = self.sides.iter().map(|side| (side.report.clone(), side.people.clone()));
        Snapshot {
            asked: self.asked,
            rules: self.digests(),
            day: self.day,
            entries: self.entries,
            position: self.position,
            records,
            reports: reports.collect(),
            ledger: self.ledger.clone(),
        }
    }

    /// Goes on where a snapshot of the same backtest stopped.
    pub fn resume(mut self, snapshot: Snapshot) -> Result<Self, OtherBacktest> {
        if snapshot.asked != self.asked
            || snapshot.rules != self.digests()
            || snapshot.reports.len() != self.sides.len()
        {
            return Err(OtherBacktest);
        }
        (self.day, self.entries, self.position) = (snapshot.day, snapshot.entries, snapshot.position);
        self.ledger = snapshot.ledger;
        for (side, (report, people)) in self.sides.iter_mut().zip(snapshot.reports) {
            (side.report, side.people) = (report, people);
        }
        for record in snapshot.records {
            for side in &mut self.sides {
                side.due.put(record.record, side.rule.base_of(&record));
            }
            self.world.insert(record);
        }
        Ok(self)
    }

    fn digests(&self) -> Vec<String> {
        let digest = |side: &SideState| {
            // Every key is a string and every number finite, so that serialising cannot fail.
            sha256(&serde_json::to_vec(side.rule.rule()).unwrap_or_default()).hex()
        };
        self.sides.iter().map(digest).collect()
    }
}

fn unfit_words(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::OutOfForce => "the rule is not in force on the day of the cause",
        Unfit::NotFresh => "the cause took effect too long before it was recorded",
        Unfit::Status => "the record is in no status that the rule looks at",
    }
}

#[cfg(test)]
mod tests;
