//! Who may act for whom: parents, guardians, those who have a power of attorney, and those who act for organisations.
//!
//! Pure: from folded records ([`Fact`]) and a day to [`Mandate`]s. Whoever asks hands over every record that has a bearing,
//! which are those of [`REGISTERS`] that concern the two; one left out could hide an end. Nothing here is kept: a mandate
//! lasts as long as the records that give it, so that a court's decision counts from the next question.
//!
//! What is not decided here: deals that need the leave of the guardianship authority (Civil Code, article 37), conflicts
//! of interest (Family Code, article 64.2), emancipation by decision (Civil Code, article 27: no register of it is kept), and
//! powers given to an organisation, whose own people would act by them.

mod fact;
mod family;
mod office;
mod scope;
mod state;

use std::fmt;

use chrono::NaiveDate;
use proofs::slug::Slug;
use uuid::Uuid;

pub use fact::{Fact, Facts};
pub use scope::Scope;

/// The register of births.
pub const BIRTHS: &str = "births";
/// The register of marriages.
pub const MARRIAGES: &str = "marriages";
/// The register of deaths.
pub const DEATHS: &str = "deaths";
/// The register of courts' decisions on parental rights.
pub const PARENTAL_RIGHTS: &str = "parental-rights";
/// The register of guardianships.
pub const GUARDIANSHIPS: &str = "guardianships";
/// The register of powers of attorney.
pub const POWERS: &str = "powers-of-attorney";
/// The register of those who act for organisations.
pub const ORGANISATION_REPRESENTATIVES: &str = "organisation-representatives";

/// The registers that have a bearing on who may act for whom, besides `persons`.
pub const REGISTERS: [&str; 7] =
    [BIRTHS, MARRIAGES, DEATHS, PARENTAL_RIGHTS, GUARDIANSHIPS, POWERS, ORGANISATION_REPRESENTATIVES];

/// The registers whose records let someone act, each with the roles of those who may.
pub const BASES: [(&str, &[&str]); 4] = [
    (BIRTHS, &["mother", "father"]),
    (GUARDIANSHIPS, &["guardian"]),
    (POWERS, &["representative"]),
    (ORGANISATION_REPRESENTATIVES, &["representative"]),
];

/// For whom someone acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// A person: their record in `persons`.
    Person(Uuid),
    /// An organisation.
    Organisation {
        /// Its number in the register of legal entities.
        ogrn: String,
    },
}

impl fmt::Display for Whom {
    /// As the header `On-Behalf-Of` says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => write!(f, "person={person}"),
            Self::Organisation { ogrn } => write!(f, "organisation={ogrn}"),
        }
    }
}

/// As what someone acts for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capacity {
    /// A parent, for a minor child (Family Code, article 64; Civil Code, articles 26 and 28).
    Parent,
    /// A guardian (Civil Code, article 32).
    Guardian,
    /// A trustee of a minor of fourteen or older (Civil Code, article 33).
    Trustee,
    /// By a power of attorney (Civil Code, article 185).
    Attorney,
    /// For an organisation, without a power (Civil Code, article 53).
    Head,
    /// For an organisation, by a power of its (Civil Code, articles 53 and 185.1).
    Officer,
}

impl Capacity {
    /// The word, as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Guardian => "guardian",
            Self::Trustee => "trustee",
            Self::Attorney => "attorney",
            Self::Head => "head",
            Self::Officer => "officer",
        }
    }
}

/// Leave to act for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// For whom.
    pub whom: Whom,
    /// As what.
    pub capacity: Capacity,
    /// The register that has the record which gives it.
    pub register: Slug,
    /// That record.
    pub record: Uuid,
    /// The last day, where one is known.
    pub until: Option<NaiveDate>,
    /// What it is for.
    pub scope: Scope,
}

/// Everyone for whom `actor` may act on a day, by the facts given; in the order of whom, then of capacity.
pub fn mandates(facts: &Facts, actor: Uuid, today: NaiveDate) -> Vec<Mandate> {
    if !facts.acts_for_themselves(actor, today) {
        return Vec::new();
    }
    let mut found: Vec<Mandate> = facts
        .iter()
        .filter(|fact| fact.in_force && !fact.withheld)
        .filter_map(|fact| match fact.register.as_str() {
            BIRTHS => family::parent(facts, fact, actor, today),
            GUARDIANSHIPS => family::guardian(facts, fact, actor, today),
            POWERS => office::attorney(facts, fact, actor, today),
            ORGANISATION_REPRESENTATIVES => office::officer(fact, actor, today),
            _ => None,
        })
        .collect();
    found.sort_by(|a, b| (&a.whom, a.capacity, a.record).cmp(&(&b.whom, b.capacity, b.record)));
    found
}

/// By what `actor` may act for `whom` on a day.
pub fn mandates_for(facts: &Facts, actor: Uuid, whom: &Whom, today: NaiveDate) -> Vec<Mandate> {
    let mut found = mandates(facts, actor, today);
    found.retain(|mandate| mandate.whom == *whom);
    found
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
