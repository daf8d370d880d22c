//! Who may see what. The only place that decides it; everything else asks.
//!
//! Statements, and so statuses, are public in every register: that is what makes it verifiable. Bodies are not.

use domain::definition::{Definition, Visibility};
use domain::platform::PLATFORM;
use proofs::slug::Slug;
use uuid::Uuid;

use crate::auth::Principal;

/// What a reader is to one register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader<'a> {
    standing: Standing<'a>,
    visibility: Visibility,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing<'a> {
    /// Sees every body: of the department that owns the register, or an auditor with its scope.
    Whole,
    /// Sees the bodies of the entries that concern them.
    Person(&'a Uuid),
    /// Sees what everyone sees.
    Anyone,
}

impl<'a> Reader<'a> {
    /// What this principal is to this register; `None` is someone without a token.
    pub fn new(principal: Option<&'a Principal>, register: &Definition) -> Self {
        Self::of(principal, &register.slug, &register.owner, register.visibility)
    }

    fn of(principal: Option<&'a Principal>, register: &Slug, owner: &Slug, visibility: Visibility) -> Self {
        let whole = |yes| if yes { Standing::Whole } else { Standing::Anyone };
        let standing = match principal {
            Some(Principal::Citizen { person }) => Standing::Person(person),
            // An official sees what their department's registers hold, and no more: their own account is a citizen's.
            Some(Principal::Official { department, .. } | Principal::Department { department }) => {
                whole(department == owner)
            }
            Some(Principal::Auditor { bodies }) => whole(bodies.include(register)),
            Some(Principal::Operator) => whole(*owner == *PLATFORM),
            // What a person lets them read stands under `/v1/consented`, and nowhere else.
            None | Some(Principal::ThirdParty { .. }) => Standing::Anyone,
        };
        Self { standing, visibility }
    }

    /// Sees the bodies of the whole register.
    pub fn sees_all(self) -> bool {
        self.visibility == Visibility::Public || self.standing == Standing::Whole
    }

    /// Sees the body of an entry that concerns these persons.
    pub fn sees_body(self, concerned: &[Uuid]) -> bool {
        self.sees_all() || matches!(self.standing, Standing::Person(person) if concerned.contains(person))
    }

    /// The person whose own entries may be seen, where not all may: the only case in which it must be known whom an
    /// entry concerns.
    pub fn person(self) -> Option<Uuid> {
        match self.standing {
            Standing::Person(person) if !self.sees_all() => Some(*person),
            _ => None,
        }
    }

    /// May look up an official number: its validity, term and status.
    pub fn looks_up_numbers(self) -> bool {
        self.sees_all() || self.visibility == Visibility::StatusPublic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Bodies;

    #[test]
    fn table() {
        use Visibility::{Public, Restricted, StatusPublic};
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let citizen = Principal::Citizen { person: me };
        let official = |slug: &str| Principal::Official { person: me, department: slug.parse().unwrap() };
        let system = |slug: &str| Principal::Department { department: slug.parse().unwrap() };
        let auditor = |bodies| Principal::Auditor { bodies };
        let of = |slug: &str| auditor(Bodies::Of(vec![slug.parse().unwrap()]));
        let third_party = Principal::ThirdParty { client: "bank".to_owned(), consent: me };
        // Who, the register's visibility, whom the entry concerns: sees all bodies, this body, looks numbers up.
        let cases = [
            (None, Public, other, [true, true, true]),
            (None, StatusPublic, other, [false, false, true]),
            (None, Restricted, other, [false, false, false]),
            (Some(citizen.clone()), StatusPublic, me, [false, true, true]),
            (Some(citizen.clone()), Restricted, me, [false, true, false]),
            (Some(citizen), Restricted, other, [false, false, false]),
            (Some(official("gibdd")), Restricted, other, [true, true, true]),
            (Some(official("rosreestr")), Restricted, other, [false, false, false]),
            (Some(official("rosreestr")), Restricted, me, [false, false, false]),
            (Some(system("gibdd")), Restricted, other, [true, true, true]),
            (Some(system("rosreestr")), StatusPublic, other, [false, false, true]),
            (Some(auditor(Bodies::All)), Restricted, other, [true, true, true]),
            (Some(of("fines")), Restricted, other, [true, true, true]),
            (Some(of("passports")), Restricted, other, [false, false, false]),
            (Some(Principal::Operator), Restricted, other, [false, false, false]),
            (Some(third_party.clone()), Restricted, me, [false, false, false]),
            (Some(third_party.clone()), StatusPublic, me, [false, false, true]),
            (Some(third_party), Public, me, [true, true, true]),
        ];
        for (principal, visibility, concerned, expected) in cases {
            let (register, owner) = ("fines".parse().unwrap(), "gibdd".parse().unwrap());
            let reader = Reader::of(principal.as_ref(), &register, &owner, visibility);
            let found = [reader.sees_all(), reader.sees_body(&[concerned]), reader.looks_up_numbers()];
            assert_eq!(found, expected, "{principal:?} {visibility:?}");
        }
    }
}
