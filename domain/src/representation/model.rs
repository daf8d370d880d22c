//! Random lives, told to the rules and to a model that keeps plain flags; both must give the same mandates on each day.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::tests::{Town, appointment, birth, day, death, decision, marriage, person, power};
use super::*;

/// People 1 to 6; those up to 3 were born in 1980 (their births are not in the register), the others when they are recorded.
const PEOPLE: u128 = 6;
const DAYS: [&str; 5] = ["2012-01-01", "2019-06-30", "2024-03-01", "2027-12-31", "2031-01-01"];

#[derive(Debug, Clone)]
enum Deed {
    Birth { child: u128, mother: u128, born: usize },
    AnnulBirth(u128),
    Deprive { parent: u128, child: u128 },
    Restore { parent: u128, child: u128 },
    Appoint { guardian: u128, ward: u128, incapacity: bool },
    EndAppointment { guardian: u128, ward: u128 },
    Power { principal: u128, representative: u128 },
    Revoke { principal: u128, representative: u128 },
    Marry { one: u128, other: u128 },
    Die(u128),
}

const BORN: [&str; 3] = ["2005-07-01", "2011-02-14", "2018-12-31"];
const ADULT: [&str; 3] = ["2023-07-01", "2029-02-14", "2036-12-31"];
const SIXTEEN: [&str; 3] = ["2021-07-01", "2027-02-14", "2034-12-31"];
const POWER_FROM: &str = "2019-01-01";
const POWER_UNTIL: &str = "2027-12-31";
const MARRIED: &str = "2023-01-01";
const APPOINTED: &str = "2018-01-01";
const DECIDED: &str = "2020-01-01";

fn deed() -> impl Strategy<Value = Deed> {
    let anyone = 1..=PEOPLE;
    let two = (anyone.clone(), anyone.clone()).prop_filter("two", |(a, b)| a != b);
    prop_oneof![
        3 => (4..=PEOPLE, 1..=5_u128, 0..3_usize).prop_filter("other", |(c, m, _)| c != m)
            .prop_map(|(child, mother, born)| Deed::Birth { child, mother, born }),
        1 => (4..=PEOPLE).prop_map(Deed::AnnulBirth),
        2 => two.clone().prop_map(|(parent, child)| Deed::Deprive { parent, child }),
        1 => two.clone().prop_map(|(parent, child)| Deed::Restore { parent, child }),
        2 => (two.clone(), any::<bool>()).prop_map(|((guardian, ward), incapacity)| Deed::Appoint { guardian, ward, incapacity }),
        1 => two.clone().prop_map(|(guardian, ward)| Deed::EndAppointment { guardian, ward }),
        2 => two.clone().prop_map(|(principal, representative)| Deed::Power { principal, representative }),
        1 => two.clone().prop_map(|(principal, representative)| Deed::Revoke { principal, representative }),
        1 => two.prop_map(|(one, other)| Deed::Marry { one, other }),
        1 => anyone.prop_map(Deed::Die),
    ]
}

/// What is so, as plain sets. A pair appears in each at most once, so that a record's number says what it is.
#[derive(Default)]
struct Model {
    births: BTreeSet<(u128, u128, usize)>,
    born: BTreeSet<u128>,
    deprived: BTreeSet<(u128, u128)>,
    decided: BTreeSet<(u128, u128)>,
    appointed: BTreeSet<(u128, u128, bool)>,
    ever_appointed: BTreeSet<(u128, u128)>,
    powers: BTreeSet<(u128, u128)>,
    ever_powers: BTreeSet<(u128, u128)>,
    married: BTreeSet<u128>,
    dead: BTreeSet<u128>,
}

impl Model {
    /// Does the deed in the town and here, where it can be done.
    fn tell(&mut self, town: &mut Town, deed: &Deed) {
        match *deed {
            Deed::Birth { child, mother, born } if self.born.insert(child) => {
                self.births.insert((child, mother, born));
                town.append(BIRTHS, 1000 + child, "recorded", birth(child, mother, None, BORN[born]));
            }
            Deed::AnnulBirth(child) if self.births.iter().any(|found| found.0 == child) => {
                self.births.retain(|found| found.0 != child);
                town.append(BIRTHS, 1000 + child, "annulled", json!({"basis": {"law": "x"}}));
            }
            Deed::Deprive { parent, child } if self.decided.insert((parent, child)) => {
                self.deprived.insert((parent, child));
                town.append(
                    PARENTAL_RIGHTS,
                    2000 + parent * 10 + child,
                    "deprived",
                    decision(parent, child, DECIDED),
                );
            }
            Deed::Restore { parent, child } if self.deprived.remove(&(parent, child)) => {
                let body = decision(parent, child, DECIDED);
                let body = json!({"decision": body["decision"], "effective_on": DECIDED});
                town.append(PARENTAL_RIGHTS, 2000 + parent * 10 + child, "restored", body);
            }
            Deed::Appoint { guardian, ward, incapacity } if self.ever_appointed.insert((guardian, ward)) => {
                self.appointed.insert((guardian, ward, incapacity));
                let ground = if incapacity { "incapacity" } else { "minor-without-care" };
                let body = appointment(guardian, ward, ground, "guardianship", APPOINTED);
                town.append(GUARDIANSHIPS, 3000 + guardian * 10 + ward, "established", body);
            }
            Deed::EndAppointment { guardian, ward } => {
                let before = self.appointed.len();
                self.appointed.retain(|found| (found.0, found.1) != (guardian, ward));
                if self.appointed.len() < before {
                    let body = json!({"ended_on": "2020-01-01", "cause": "removed"});
                    town.append(GUARDIANSHIPS, 3000 + guardian * 10 + ward, "terminated", body);
                }
            }
            Deed::Power { principal, representative }
                if self.ever_powers.insert((principal, representative)) =>
            {
                self.powers.insert((principal, representative));
                let all = json!({"everything": true, "actions": ["read"]});
                let body = power(principal, representative, &all, POWER_FROM, Some(POWER_UNTIL));
                town.append(POWERS, 4000 + principal * 10 + representative, "certified", body);
            }
            Deed::Revoke { principal, representative }
                if self.powers.remove(&(principal, representative)) =>
            {
                let record = 4000 + principal * 10 + representative;
                town.append(POWERS, record, "revoked", json!({"ended_on": "2020-01-01"}));
            }
            Deed::Marry { one, other } if !self.married.contains(&one) && !self.married.contains(&other) => {
                self.married.extend([one, other]);
                town.append(MARRIAGES, 5000 + one * 10 + other, "recorded", marriage(one, other, MARRIED));
            }
            Deed::Die(who) if self.dead.insert(who) => {
                town.append(DEATHS, 6000 + who, "recorded", death(who));
            }
            _ => {}
        }
    }

    fn born(&self, who: u128) -> Option<usize> {
        self.births.iter().find(|found| found.0 == who).map(|found| found.2)
    }

    fn minor(&self, who: u128, on: &str) -> bool {
        self.born(who).is_some_and(|born| on < ADULT[born]) && !(self.married.contains(&who) && MARRIED <= on)
    }

    fn incapable(&self, who: u128, on: &str) -> bool {
        APPOINTED <= on && self.appointed.iter().any(|found| found.1 == who && found.2)
    }

    /// By which records `actor` may act.
    fn may(&self, actor: u128, on: &str) -> BTreeSet<u128> {
        let mut found = BTreeSet::new();
        if self.dead.contains(&actor) || self.incapable(actor, on) {
            return found;
        }
        let old = self.born(actor).is_none_or(|born| SIXTEEN[born] <= on);
        let married = self.married.contains(&actor) && MARRIED <= on;
        for &(child, mother, _) in &self.births {
            let deprived = self.deprived.contains(&(actor, child)) && DECIDED <= on;
            let replaced = APPOINTED <= on && self.appointed.iter().any(|found| found.1 == child && !found.2);
            let alive = !self.dead.contains(&child);
            if mother == actor && self.minor(child, on) && !deprived && !replaced && alive && (old || married)
            {
                found.insert(1000 + child);
            }
        }
        for &(guardian, ward, incapacity) in &self.appointed {
            let needed = incapacity || self.minor(ward, on);
            let able = !self.minor(actor, on) && !self.dead.contains(&ward);
            if guardian == actor && needed && able && APPOINTED <= on {
                found.insert(3000 + guardian * 10 + ward);
            }
        }
        for &(principal, representative) in &self.powers {
            let able = !self.dead.contains(&principal) && !self.incapable(principal, on);
            if representative == actor && able && (POWER_FROM..=POWER_UNTIL).contains(&on) {
                found.insert(4000 + principal * 10 + representative);
            }
        }
        found
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_and_model_agree(deeds in prop::collection::vec(deed(), 1..24)) {
        let (mut town, mut model) = (Town::new(), Model::default());
        for deed in &deeds {
            model.tell(&mut town, deed);
        }
        let facts = town.facts();
        for on in DAYS {
            for actor in 1..=PEOPLE {
                let found = mandates(&facts, person(actor), day(on));
                for mandate in &found {
                    prop_assert!(mandate.until.is_none_or(|until| day(on) <= until), "{mandate:?} on {on}");
                    prop_assert!(mandate.whom != Whom::Person(person(actor)));
                }
                let found: BTreeSet<u128> = found.iter().map(|mandate| mandate.record.as_u128()).collect();
                prop_assert_eq!(found, model.may(actor, on), "{} on {} after {:?}", actor, on, deeds);
            }
        }
    }
}
