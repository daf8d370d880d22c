//! The variables of an evaluation: what a rule may see, and no more than its expressions name.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::Value;
use uuid::Uuid;

use super::cause::Cause;
use super::expression::Uses;
use super::family::relatives;
use super::rule::{CauseRule, Kin, Rule};
use super::scene::{SceneRecord, Source};
use super::value::{self, Boxed, Budget, ITEMS_MAX, Object, TooLarge};
use crate::checks;

/// One evaluation.
pub(super) struct Stage<'a> {
    pub(super) rule: &'a Rule,
    pub(super) uses: &'a Uses,
    pub(super) cause: &'a Cause,
    pub(super) addressee: Uuid,
    pub(super) source: &'a dyn Source,
    pub(super) today: NaiveDate,
}

type Members = BTreeMap<String, Boxed>;

impl Stage<'_> {
    /// The variables, those that an expression uses.
    pub(super) fn variables(&self, budget: &mut Budget) -> Result<Vec<(&'static str, Boxed)>, TooLarge> {
        let mut variables = vec![("today", value::text(&self.today.to_string()))];
        if self.uses.cause {
            variables.push(("cause", self.cause(budget)?));
        }
        if self.uses.person {
            variables.push(("person", object(self.person(self.addressee, budget)?)));
        }
        if self.uses.account {
            variables.push(("account", self.account(self.addressee, budget)?));
        }
        if self.uses.family {
            variables.push(("family", self.family(budget)?));
        }
        Ok(variables)
    }

    fn cause(&self, budget: &mut Budget) -> Result<Boxed, TooLarge> {
        let record = self.cause.record();
        let mut members = facts(record);
        members.insert("register".to_owned(), value::text(record.register.as_str()));
        members.insert("date".to_owned(), value::text(&self.cause.date().to_string()));
        members.insert("content".to_owned(), content(record, budget)?);
        match self.cause {
            Cause::Entry(cause) => {
                members.insert("version".to_owned(), number(cause.version));
                members.insert("type".to_owned(), value::text(cause.entry_type.as_str()));
                members.insert("effective_at".to_owned(), value::text(&cause.effective_at.to_string()));
                members.insert("recorded_at".to_owned(), value::text(&cause.recorded_at.to_string()));
                if let Some(body) = &cause.body {
                    members.insert("body".to_owned(), value::seen(body, budget)?);
                }
            }
            Cause::Date(cause) => {
                members.insert("version".to_owned(), number(record.version));
                members.insert("member".to_owned(), value::text(&cause.member));
                members.insert("base".to_owned(), value::text(&cause.base.to_string()));
            }
        }
        Ok(object(members))
    }

    /// The content of the person's record, the record itself, and the age today.
    fn person(&self, person: Uuid, budget: &mut Budget) -> Result<Members, TooLarge> {
        let mut members = Members::new();
        if let Some(record) = self.source.person(person) {
            members = value::seen_members(&record.content.members, budget)?;
            members.insert("status".to_owned(), value::text(&record.status));
            if let Some(born) = record.member("birth_date").and_then(date) {
                let age = self.today.years_since(born).unwrap_or_default();
                members.insert("age".to_owned(), value::whole(age.into()));
            }
        }
        members.insert("record".to_owned(), value::text(&person.to_string()));
        Ok(members)
    }

    /// The person's records in each register that the rule reads, the newest [`ITEMS_MAX`] of each, those opened first first.
    fn account(&self, person: Uuid, budget: &mut Budget) -> Result<Boxed, TooLarge> {
        let mut registers = Members::new();
        for register in &self.rule.reads {
            let records = self.source.records_of(person, register);
            let newest = &records[records.len().saturating_sub(ITEMS_MAX)..];
            let mut seen = Vec::with_capacity(newest.len());
            for record in newest {
                let mut members = facts(record);
                let roles = record.roles_of(person).map(value::text).collect();
                members.insert("roles".to_owned(), value::list(roles));
                members.insert("content".to_owned(), content(record, budget)?);
                seen.push(object(members));
            }
            registers.insert(register.as_str().to_owned(), value::list(seen));
        }
        Ok(object(registers))
    }

    fn family(&self, budget: &mut Budget) -> Result<Boxed, TooLarge> {
        let family = relatives(self.source, self.addressee);
        let mut members = Members::new();
        for kin in &self.rule.family {
            let mut people = Vec::new();
            for relative in family.of(*kin).into_iter().take(ITEMS_MAX) {
                let mut person = self.person(relative, budget)?;
                person.insert("account".to_owned(), self.account(relative, budget)?);
                people.push(object(person));
            }
            match kin {
                Kin::Children | Kin::Parents => {
                    members.insert(kin.as_str().to_owned(), value::list(people));
                }
                // Who is not there is no member: has(family.spouse).
                Kin::Spouse | Kin::Mother | Kin::Father => {
                    members.extend(people.pop().map(|person| (kin.as_str().to_owned(), person)));
                }
            }
        }
        Ok(object(members))
    }
}

/// What every record says of itself.
fn facts(record: &SceneRecord) -> Members {
    Members::from([
        ("record".to_owned(), value::text(&record.record.to_string())),
        ("status".to_owned(), value::text(&record.status)),
        ("in_force".to_owned(), value::truth(record.in_force)),
        ("opened_at".to_owned(), value::text(&record.opened_at.date().to_string())),
        ("effective_at".to_owned(), value::text(&record.effective_at.date().to_string())),
    ])
}

fn content(record: &SceneRecord, budget: &mut Budget) -> Result<Boxed, TooLarge> {
    Ok(object(value::seen_members(&record.content.members, budget)?))
}

fn object(members: Members) -> Boxed {
    Box::new(Object::new(members))
}

fn number(number: u64) -> Boxed {
    value::whole(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The day that a member of a content writes: a date, or a moment, of which the day in UTC.
pub(super) fn date(member: &Value) -> Option<NaiveDate> {
    let text = member.as_str()?;
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    checks::date(day).ok()
}

impl super::compile::CompiledRule {
    /// Is the record one whose dates the rule looks at, by its register and status?
    pub fn looks_at(&self, record: &SceneRecord) -> bool {
        match &self.rule().cause {
            CauseRule::Entry(_) => false,
            CauseRule::Date(cause) => {
                cause.register == record.register
                    && match &cause.statuses {
                        Some(statuses) => statuses.contains(&record.status),
                        None => record.in_force,
                    }
            }
        }
    }

    /// Of a rule whose cause is a date: the base date that the record has now, whatever its status.
    pub fn base_of(&self, record: &SceneRecord) -> Option<NaiveDate> {
        match &self.rule().cause {
            CauseRule::Date(cause) if cause.register == record.register => {
                record.member(&cause.member).and_then(date)
            }
            _ => None,
        }
    }
}
