//! The closed lists of a definition: kinds, visibilities, groups, effects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is none of a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of {0}")]
pub struct UnknownWord(pub &'static str);

macro_rules! words {
    ($(#[$doc:meta])* $type:ident, $list:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $type {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as definitions write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or(UnknownWord($list))
            }
        }
    };
}

words! {
    /// What the records of a register are.
    Kind, "permit, licence, certificate, notice, civil-status, right, membership, platform" {
        /// Leave to do one thing.
        Permit = "permit",
        /// Leave to do a kind of business.
        Licence = "licence",
        /// A fact that a department attests.
        Certificate = "certificate",
        /// A message with legal effect.
        Notice = "notice",
        /// Birth, marriage, divorce, change of name, death.
        CivilStatus = "civil-status",
        /// A right of a person: a benefit, a place in a queue.
        Right = "right",
        /// Belonging to something: a register of insured persons, of taxpayers.
        Membership = "membership",
        /// The installation's own.
        Platform = "platform",
    }
}

words! {
    /// Who may read the bodies of a register's entries. The order is from the most open.
    Visibility, "public, status-public, restricted" {
        /// Anyone may read all of it.
        Public = "public",
        /// Anyone may look up a number and learn validity, term and status; bodies are for those concerned.
        StatusPublic = "status-public",
        /// Only those concerned.
        Restricted = "restricted",
    }
}

words! {
    /// Where a person looks for a record in an account.
    Group, "family, housing, health, education, work, transport, property, business, security, documents, benefits, obligations, notices, land, culture, nature, communication, other" {
        /// Birth, marriage, children.
        Family = "family",
        /// A home and where one is registered.
        Housing = "housing",
        /// Health and disability.
        Health = "health",
        /// Schooling and diplomas.
        Education = "education",
        /// Employment and qualifications.
        Work = "work",
        /// Driving and vehicles.
        Transport = "transport",
        /// Things and rights to them.
        Property = "property",
        /// Licences of a business.
        Business = "business",
        /// Weapons, guards.
        Security = "security",
        /// Identity documents and numbers.
        Documents = "documents",
        /// Pensions, payments, support.
        Benefits = "benefits",
        /// Taxes, fines, debts.
        Obligations = "obligations",
        /// Summonses and messages.
        Notices = "notices",
        /// Land and building.
        Land = "land",
        /// Heritage, film, mass media.
        Culture = "culture",
        /// Hunting, fishing, environment.
        Nature = "nature",
        /// Communication and radio.
        Communication = "communication",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What an entry's body does to the content of its record.
    Effect, "sets, amends, none" {
        /// The body, without its control members, becomes the content.
        Sets = "sets",
        /// The body's members overlay the content (RFC 7396).
        Amends = "amends",
        /// The content stays.
        None = "none",
    }
}

words! {
    /// Who may be a subject.
    PartyKind, "person, organisation" {
        /// A person, by the record in `persons`.
        Person = "person",
        /// An organisation, by INN and OGRN.
        Organisation = "organisation",
    }
}
