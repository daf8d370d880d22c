//! Parents and guardians.

use chrono::NaiveDate;
use uuid::Uuid;

use super::fact::{Fact, Facts};
use super::scope::Scope;
use super::{Capacity, Mandate, PARENTAL_RIGHTS, Whom};

/// A birth makes its mother and father act for the child while the child is a minor (Family Code, article 64.1). Not when a
/// court took the rights away or restricted them (articles 71 and 74), nor while a guardian has taken their place
/// (48-FZ, article 15); a guardian appointed at the parents' own request takes nothing from them (article 13).
pub(super) fn parent(facts: &Facts, birth: &Fact, actor: Uuid, today: NaiveDate) -> Option<Mandate> {
    if !birth.has("mother", actor) && !birth.has("father", actor) {
        return None;
    }
    let child = birth.persons("child").next()?;
    let until = facts.minor_until(child, today)?;
    let lost = facts.concerning(PARENTAL_RIGHTS, "child", child).any(|decision| {
        decision.in_force
            && decision.has("parent", actor)
            && decision.day("effective_on").is_none_or(|effective| effective <= today)
    });
    let replaced = facts.ward(child, today, &["minor-without-care"]);
    if lost || replaced || facts.dead(child) || !facts.acts_as_parent(actor, today) {
        return None;
    }
    Some(mandate(birth, child, Capacity::Parent, Some(until)))
}

/// An appointment makes the guardian act for the ward (Civil Code, article 32). A trustee acts for a minor (article 33) and
/// not for an adult whose capacity is limited: there a trustee consents, and the ward acts.
pub(super) fn guardian(facts: &Facts, appointment: &Fact, actor: Uuid, today: NaiveDate) -> Option<Mandate> {
    if !appointment.has("guardian", actor) || !appointment.runs(today) {
        return None;
    }
    let ward = appointment.persons("ward").next()?;
    // Only adults of full capacity are guardians (Civil Code, article 35.2).
    if facts.dead(ward) || facts.limited(actor, today) || facts.minor_until(actor, today).is_some() {
        return None;
    }
    let trustee = appointment.text("form").is_some_and(|form| form.ends_with("trusteeship"));
    let capacity = if trustee { Capacity::Trustee } else { Capacity::Guardian };
    let until = match appointment.text("ground")? {
        "minor-without-care" | "parents-request" => {
            let minor = facts.minor_until(ward, today)?;
            Some(appointment.valid_until.map_or(minor, |until| until.min(minor)))
        }
        "incapacity" => appointment.valid_until,
        _ => return None,
    };
    Some(mandate(appointment, ward, capacity, until))
}

fn mandate(fact: &Fact, whom: Uuid, capacity: Capacity, until: Option<NaiveDate>) -> Mandate {
    Mandate {
        whom: Whom::Person(whom),
        capacity,
        register: fact.register.clone(),
        record: fact.record,
        until,
        scope: Scope::everything(),
    }
}
