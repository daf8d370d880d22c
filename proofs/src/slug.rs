//! Names that may stand in a statement: of registers and departments ([`Slug`]), and of entry types ([`EntryType`]).

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::encoding;

/// Name of a register or a department: `[a-z][a-z0-9-]{1,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(SmolStr);

/// Name of an entry type: `[a-z][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryType(SmolStr);

/// Why a text is no [`Slug`] or [`EntryType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {what} is {length_min} to 63 lower-case Latin letters, digits and hyphens, and begins with a letter"
)]
pub struct NameError {
    what: &'static str,
    length_min: usize,
}

const LENGTH_MAX: usize = 63;

fn check(text: &str, what: &'static str, length_min: usize) -> Result<(), NameError> {
    let fits = (length_min..=LENGTH_MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(()) } else { Err(NameError { what, length_min }) }
}

macro_rules! name {
    ($type:ident, $what:literal, $length_min:literal) => {
        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text, $what, $length_min)?;
                Ok(Self(SmolStr::new(text)))
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                check(&text, $what, $length_min)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.into()
            }
        }

        impl From<$type> for SmolStr {
            fn from(name: $type) -> SmolStr {
                name.0
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        encoding::serde_as_text!($type);
    };
}

name!(Slug, "slug", 2);
name!(EntryType, "entry type", 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_format_says() {
        let longest = "a".repeat(63);
        for good in ["fz", "driving-licences", "a1", "a-", longest.as_str()] {
            assert_eq!(good.parse::<Slug>().unwrap().to_string(), good);
            assert_eq!(good.parse::<EntryType>().unwrap(), good);
        }
        let too_long = "a".repeat(64);
        for bad in ["", "1a", "-a", "A", "aB", "a_b", "a b", "a\n", "ab/", "жк", too_long.as_str()] {
            assert!(bad.parse::<Slug>().is_err() && bad.parse::<EntryType>().is_err(), "{bad}");
            assert!(serde_json::from_value::<Slug>(bad.into()).is_err());
        }
        assert!("a".parse::<EntryType>().is_ok());
        let error = "a".parse::<Slug>().expect_err("refused").to_string();
        assert_eq!(
            error,
            "a slug is 2 to 63 lower-case Latin letters, digits and hyphens, and begins with a letter"
        );
    }
}
