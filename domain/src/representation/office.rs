//! Powers of attorney, and those who act for organisations.

use chrono::{Months, NaiveDate};
use uuid::Uuid;

use super::fact::{Fact, Facts};
use super::scope::Scope;
use super::{Capacity, Mandate, Whom};

/// A power that names no term holds for a year (Civil Code, article 186.1).
const POWER_MONTHS: u32 = 12;

/// A power of attorney, within its scope and term. It ends with the death of either, and when either is declared incapable or
/// limited in capacity (Civil Code, article 188.1).
pub(super) fn attorney(facts: &Facts, power: &Fact, actor: Uuid, today: NaiveDate) -> Option<Mandate> {
    if !power.has("representative", actor) || facts.limited(actor, today) {
        return None;
    }
    let from = power.valid_from?;
    let until = power.valid_until.or_else(|| from.checked_add_months(Months::new(POWER_MONTHS)))?;
    if today < from || until < today {
        return None;
    }
    let principal = power.persons("principal").next();
    let whom = match principal {
        Some(person) if facts.dead(person) || facts.limited(person, today) => return None,
        Some(person) => Whom::Person(person),
        None => Whom::Organisation { ogrn: power.organisation("principal")?.ogrn.clone()? },
    };
    let scope = Scope::from_content(power.content.get("scope")?)?;
    Some(mandate(power, whom, Capacity::Attorney, Some(until), scope))
}

/// The head of an organisation, and those to whom it gave a power, while the register says so.
pub(super) fn officer(entry: &Fact, actor: Uuid, today: NaiveDate) -> Option<Mandate> {
    if !entry.has("representative", actor) || !entry.runs(today) {
        return None;
    }
    let whom = Whom::Organisation { ogrn: entry.organisation("organisation")?.ogrn.clone()? };
    let (capacity, scope) = match entry.text("capacity")? {
        "head" => (Capacity::Head, Scope::everything()),
        "power" => (Capacity::Officer, Scope::from_content(entry.content.get("scope")?)?),
        _ => return None,
    };
    Some(mandate(entry, whom, capacity, entry.valid_until, scope))
}

fn mandate(fact: &Fact, whom: Whom, capacity: Capacity, until: Option<NaiveDate>, scope: Scope) -> Mandate {
    Mandate { whom, capacity, register: fact.register.clone(), record: fact.record, until, scope }
}
