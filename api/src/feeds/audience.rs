//! Who is told of an entry. What they are told is its public statement and its status; that it concerns them is told to the
//! persons concerned, and to nobody else.

use domain::platform::PLATFORM;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use uuid::Uuid;

use super::batch::Fact;
use crate::auth::{Caller, Principal};
use crate::registry::Knowledge;

/// One who is told of entries.
#[derive(Debug, Clone)]
pub struct Audience {
    whose: Whose,
    /// Only of this register.
    register: Option<Slug>,
    /// An official is told while they are in office.
    office: Option<(Slug, Uuid)>,
    /// Until the token expires.
    until: Timestamp,
}

#[derive(Debug, Clone)]
enum Whose {
    /// What concerns a person.
    Person(Uuid),
    /// What a department's registers have.
    Owner(Slug),
    /// Everything: statements are public.
    All,
}

impl Audience {
    /// Of whoever asks.
    pub fn new(caller: &Caller, register: Option<Slug>) -> Self {
        let whose = match &caller.principal {
            Principal::Citizen { person } => Whose::Person(*person),
            Principal::Official { department, .. } | Principal::Department { department } => {
                Whose::Owner(department.clone())
            }
            Principal::Operator => PLATFORM.parse().map_or(Whose::All, Whose::Owner),
            Principal::Auditor { .. } => Whose::All,
            // Kept out before it comes here; and a consent is nobody whom an entry concerns.
            Principal::ThirdParty { consent, .. } => Whose::Person(*consent),
        };
        let office = match &caller.principal {
            Principal::Official { person, department } => Some((department.clone(), *person)),
            _ => None,
        };
        Self { whose, register, office, until: caller.expires_at }
    }

    /// Is this one still to be told?
    pub fn stays(&self, knowledge: &Knowledge, now: Timestamp) -> bool {
        let in_office =
            |(department, person): &(Slug, Uuid)| knowledge.departments.in_office(department, *person);
        now < self.until && self.office.as_ref().is_none_or(in_office)
    }

    /// Is this one told of it?
    pub fn hears(&self, fact: &Fact) -> bool {
        if self.register.as_ref().is_some_and(|only| *only != fact.entry.register) {
            return false;
        }
        match &self.whose {
            // Who ceases to be concerned is told of that too: their account shows since when.
            Whose::Person(person) => fact.persons.contains(person) || fact.former.contains(person),
            Whose::Owner(owner) => {
                fact.register.as_ref().is_some_and(|in_force| in_force.definition.owner == *owner)
            }
            Whose::All => true,
        }
    }
}
