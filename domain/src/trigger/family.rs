//! Who is whose child, parent, husband or wife, by the registers of births and marriages.
//!
//! What courts decide (deprivation of parental rights, adoption) is in registers of its own and decides who may act for whom;
//! a proposal goes by civil status.

use proofs::slug::Slug;
use uuid::Uuid;

use super::rule::Kin;
use super::scene::Source;

/// The register of births.
pub const BIRTHS: &str = "births";
/// The register of marriages.
pub const MARRIAGES: &str = "marriages";

/// A person's relatives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// Children, those registered first first.
    pub children: Vec<Uuid>,
    /// Husband or wife.
    pub spouse: Option<Uuid>,
    /// Mother.
    pub mother: Option<Uuid>,
    /// Father.
    pub father: Option<Uuid>,
}

impl Family {
    /// The relatives of a kind.
    pub fn of(&self, kin: Kin) -> Vec<Uuid> {
        match kin {
            Kin::Children => self.children.clone(),
            Kin::Spouse => self.spouse.into_iter().collect(),
            Kin::Parents => self.mother.into_iter().chain(self.father).collect(),
            Kin::Mother => self.mother.into_iter().collect(),
            Kin::Father => self.father.into_iter().collect(),
        }
    }
}

/// A person's relatives, by records in force: annulled births and ended marriages make none.
pub fn relatives(source: &dyn Source, person: Uuid) -> Family {
    let mut family = Family::default();
    let (Ok(births), Ok(marriages)) = (BIRTHS.parse::<Slug>(), MARRIAGES.parse::<Slug>()) else {
        return family;
    };
    for birth in source.records_of(person, &births).into_iter().filter(|birth| birth.in_force) {
        if birth.in_role("child").any(|child| child == person) {
            family.mother = birth.in_role("mother").next().or(family.mother);
            family.father = birth.in_role("father").next().or(family.father);
        } else {
            let children = birth.in_role("child").filter(|child| !family.children.contains(child));
            family.children.extend(children.collect::<Vec<_>>());
        }
    }
    // Of several, which would be a mistake, the latest.
    let marriages = source.records_of(person, &marriages);
    family.spouse = marriages
        .into_iter()
        .rfind(|marriage| marriage.in_force)
        .and_then(|marriage| marriage.in_role("spouse").find(|spouse| *spouse != person));
    family
}
