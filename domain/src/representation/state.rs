//! What the facts say of a person: age, capacity, death.

use chrono::{Datelike, Days, Months, NaiveDate};
use uuid::Uuid;

use super::fact::Facts;
use super::{BIRTHS, DEATHS, GUARDIANSHIPS, MARRIAGES};
use crate::checks;
use crate::platform::PERSONS;

/// Years of majority (Civil Code, article 21.1).
const MAJORITY_YEARS: u32 = 18;
/// Years from which parents who are not married act as parents (Family Code, article 62.2).
const PARENT_YEARS: u32 = 16;

/// The first day on which someone born on `birth` is `years` old. Born on 29 February, one is so on 1 March, as
/// [`crate::person::Person::age_years`] counts.
pub(super) fn reaches(birth: NaiveDate, years: u32) -> Option<NaiveDate> {
    let day = birth.checked_add_months(Months::new(years * 12))?;
    if day.day() == birth.day() { Some(day) } else { day.checked_add_days(Days::new(1)) }
}

impl Facts {
    /// The day of birth: by the register of births, or else by the person's own record.
    fn birth(&self, person: Uuid) -> Option<NaiveDate> {
        let child = |name: &str| {
            let births = self.concerning(BIRTHS, "child", person).filter(|fact| fact.in_force);
            births.filter_map(|fact| checks::date(fact.content.get("child")?.get(name)?.as_str()?).ok()).min()
        };
        let own = || self.get(person).filter(|fact| fact.register == *PERSONS)?.day("birth_date");
        child("birth_date").or_else(own)
    }

    /// The first day of full capacity: at majority, or by a marriage before it, which an end of the marriage does not undo
    /// (Civil Code, article 21.2). A marriage that was annulled gave none.
    fn capable_from(&self, person: Uuid) -> Option<NaiveDate> {
        let adult = reaches(self.birth(person)?, MAJORITY_YEARS)?;
        Some(self.married_on(person).map_or(adult, |married| married.min(adult)))
    }

    fn married_on(&self, person: Uuid) -> Option<NaiveDate> {
        let marriages = self.concerning(MARRIAGES, "spouse", person);
        marriages.filter(|fact| fact.status != "annulled").filter_map(|fact| fact.day("married_on")).min()
    }

    /// Of a minor, the last day of minority; `None` for everyone else, and for those whose birth is not known.
    pub(super) fn minor_until(&self, person: Uuid, today: NaiveDate) -> Option<NaiveDate> {
        self.capable_from(person).filter(|from| today < *from)?.pred_opt()
    }

    /// Has the person died?
    pub(super) fn dead(&self, person: Uuid) -> bool {
        self.concerning(DEATHS, "deceased", person).any(|fact| fact.in_force)
    }

    /// Has a court declared the person incapable (Civil Code, article 29)?
    pub(super) fn incapable(&self, person: Uuid, today: NaiveDate) -> bool {
        self.ward(person, today, &["incapacity"])
    }

    /// Has a court declared the person incapable, or limited their capacity (Civil Code, articles 29 and 30)?
    pub(super) fn limited(&self, person: Uuid, today: NaiveDate) -> bool {
        self.ward(person, today, &["incapacity", "limited-capacity"])
    }

    /// Is the person a ward on one of these grounds?
    pub(super) fn ward(&self, person: Uuid, today: NaiveDate, grounds: &[&str]) -> bool {
        let of = |fact: &super::Fact| {
            fact.in_force
                && fact.runs(today)
                && fact.text("ground").is_some_and(|ground| grounds.contains(&ground))
        };
        self.concerning(GUARDIANSHIPS, "ward", person).any(of)
    }

    /// May the person act at all: alive, capable, and with an account that is open?
    pub(super) fn acts_for_themselves(&self, person: Uuid, today: NaiveDate) -> bool {
        let closed = self.get(person).is_some_and(|fact| fact.register == *PERSONS && !fact.in_force);
        !closed && !self.dead(person) && !self.incapable(person, today)
    }

    /// May a parent act as one: of age, or married, or sixteen (Family Code, article 62)?
    pub(super) fn acts_as_parent(&self, person: Uuid, today: NaiveDate) -> bool {
        let young = || {
            self.birth(person).and_then(|birth| reaches(birth, PARENT_YEARS)).is_some_and(|from| today < from)
        };
        self.married_on(person).is_some_and(|on| on <= today) || !young()
    }
}
