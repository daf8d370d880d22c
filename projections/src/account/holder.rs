//! Whose account is read.

use eventstore::sql::Arg;
use uuid::Uuid;

use crate::select::Select;

/// Whose account is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A person's.
    Person(Uuid),
    /// An organisation's, by its number in the register of legal entities.
    Organisation(String),
}

impl From<Uuid> for Holder {
    fn from(person: Uuid) -> Self {
        Self::Person(person)
    }
}

impl Holder {
    /// `SELECT what FROM` the rows of this holder.
    pub(crate) fn select(self, what: &str) -> Select {
        let (table, projection, key, value): (_, _, _, Arg) = match self {
            Self::Person(person) => ("account_record", "account", "person = {}", person.into()),
            Self::Organisation(ogrn) => ("organisation_record", "organisations", "ogrn = {}", ogrn.into()),
        };
        let mut select = Select::live(&format!("SELECT {what} FROM {table}"), projection);
        select.and(key, value);
        select
    }
}
