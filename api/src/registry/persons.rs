//! Whom an entry names must be there. A permit for a person who does not exist is a slip of the hand that no schema sees:
//! the entry would stand for ever, and concern nobody.
//!
//! Only existence is asked for: records go on to concern people whose accounts are closed. A record never ceases to exist,
//! so that the answer needs no guard. Where an installation keeps no register `persons`, nothing is asked.

use std::collections::BTreeSet;

use domain::Fault;
use domain::platform::{ACCESSES, DEPARTMENTS, PERSONS};
use domain::subject;
use proofs::slug::Slug;
use serde_json::Value;
use uuid::Uuid;

use super::Registry;
use super::decide::Parsed;
use super::knowledge::Knowledge;
use super::refusal::{Reason, Refusal};

/// The entry of `departments` that names a person.
const APPOINTED: &str = "official-appointed";

/// A person that a body names.
struct Named {
    entry: usize,
    pointer: String,
    person: Uuid,
}

impl Registry {
    /// Refuses the first entry that names a person who is not in `persons`. One query, however many entries there are.
    pub(super) async fn check_persons(
        &self,
        register: &Slug,
        entries: &[Parsed],
        knowledge: &Knowledge,
    ) -> Result<(), Refusal> {
        // Whom an access concerns was read from the journal, which may be older than this rule; and nobody reads what is not
        // recorded.
        if *register == *ACCESSES {
            return Ok(());
        }
        let named = named(register, entries);
        if named.is_empty() {
            return Ok(());
        }
        // The name is a slug: every statement of the register says so.
        let Ok(persons) = PERSONS.parse::<Slug>() else { return Ok(()) };
        if knowledge.definitions.current(&persons).is_none() {
            return Ok(());
        }
        let asked: BTreeSet<Uuid> = named.iter().map(|named| named.person).collect();
        let asked: Vec<Uuid> = asked.into_iter().collect();
        let known: BTreeSet<Uuid> = self.store().records_of(&persons, &asked).await?.into_iter().collect();
        let Some(at) = named.iter().find(|named| !known.contains(&named.person)).map(|named| named.entry)
        else {
            return Ok(());
        };
        let strangers = named.into_iter().filter(|named| named.entry == at && !known.contains(&named.person));
        let message = "no person has this account: a person is named by their record in `persons`";
        let faults = strangers.map(|named| Fault::new(named.pointer, message)).collect();
        Err(Reason::Rules(faults).at(at))
    }
}

fn named(register: &Slug, entries: &[Parsed]) -> Vec<Named> {
    let mut all = Vec::new();
    for (entry, parsed) in entries.iter().enumerate() {
        let mut name = |pointer: String, person: Option<&Value>| {
            let person = person.and_then(Value::as_str).and_then(|person| person.parse().ok());
            all.extend(person.map(|person| Named { entry, pointer, person }));
        };
        if *register == *DEPARTMENTS && parsed.entry_type.as_str() == APPOINTED {
            name("/official".to_owned(), parsed.body.get("official"));
        }
        let subjects = parsed.body.get(subject::MEMBER).and_then(Value::as_array);
        for (at, subject) in subjects.into_iter().flatten().enumerate() {
            name(format!("/{}/{at}/person", subject::MEMBER), subject.get("person"));
        }
    }
    all
}
