//! A folded record, as much of it as has a bearing here.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use proofs::slug::Slug;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::checks;
use crate::definitions::Definitions;
use crate::record::Record;
use crate::subject::{Organisation, Subject};

/// A record as of its last entry.
#[derive(Clone, PartialEq)]
pub struct Fact {
    /// Its register.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
    /// Its status.
    pub status: String,
    /// Has it legal effect in this status?
    pub in_force: bool,
    /// First day of its term.
    pub valid_from: Option<NaiveDate>,
    /// Last day of its term.
    pub valid_until: Option<NaiveDate>,
    /// Whom it concerns.
    pub subjects: Vec<Subject>,
    /// What its entries say.
    pub content: Map<String, Value>,
    /// Is any of this unknown, because a body is withheld? Then nobody acts by it.
    pub withheld: bool,
}

impl Fact {
    /// Of a record that exists.
    pub fn of(record: &Record, definitions: &Definitions) -> Option<Self> {
        let state = &record.state;
        let register = state.register.clone()?;
        let definition = definitions.current(&register)?;
        Some(Self {
            in_force: definition.definition.in_force(&state.status),
            record: state.record,
            status: state.status.clone(),
            valid_from: state.valid_from,
            valid_until: state.valid_until,
            subjects: state.subjects.clone(),
            content: record.content.members.clone(),
            withheld: state.withheld || !record.content.complete,
            register,
        })
    }

    /// Does it concern this person in this role?
    pub(super) fn has(&self, role: &str, person: Uuid) -> bool {
        self.persons(role).any(|found| found == person)
    }

    /// The persons in a role.
    pub(super) fn persons<'a>(&'a self, role: &'a str) -> impl Iterator<Item = Uuid> + 'a {
        self.subjects.iter().filter(move |subject| subject.role == role).filter_map(Subject::person)
    }

    /// The organisation in a role.
    pub(super) fn organisation(&self, role: &str) -> Option<&Organisation> {
        self.subjects.iter().find(|subject| subject.role == role)?.organisation()
    }

    /// A text of the content.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.content.get(name)?.as_str()
    }

    /// A day of the content.
    pub(super) fn day(&self, name: &str) -> Option<NaiveDate> {
        checks::date(self.text(name)?).ok()
    }

    /// Is the day in the term?
    pub(super) fn runs(&self, today: NaiveDate) -> bool {
        self.valid_from.is_none_or(|from| from <= today)
            && self.valid_until.is_none_or(|until| today <= until)
    }
}

impl fmt::Debug for Fact {
    /// Nothing of whom it concerns or what it says: all of that is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fact({} {} {})", self.register, self.record, self.status)
    }
}

/// The records that have a bearing, each once.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<Uuid, Fact>);

impl Facts {
    /// Of these records.
    pub fn new(facts: impl IntoIterator<Item = Fact>) -> Self {
        Self(facts.into_iter().map(|fact| (fact.record, fact)).collect())
    }

    /// All of them, by record.
    pub fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.0.values()
    }

    /// Is the record among them?
    pub fn has(&self, record: Uuid) -> bool {
        self.0.contains_key(&record)
    }

    /// One of them.
    pub fn get(&self, record: Uuid) -> Option<&Fact> {
        self.0.get(&record)
    }

    /// Adds a record, or replaces it.
    pub fn insert(&mut self, fact: Fact) {
        self.0.insert(fact.record, fact);
    }

    /// Those of a register that concern a person in a role.
    pub(super) fn concerning<'a>(
        &'a self,
        register: &'a str,
        role: &'a str,
        person: Uuid,
    ) -> impl Iterator<Item = &'a Fact> {
        self.iter().filter(move |fact| fact.register == *register && fact.has(role, person))
    }
}
