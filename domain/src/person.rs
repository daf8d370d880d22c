//! Persons: the content of a record in `persons`.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A person's name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// Patronymic, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patronymic: Option<String>,
}

impl Name {
    /// Family name, given name, patronymic.
    pub fn full(&self) -> String {
        match &self.patronymic {
            Some(patronymic) => format!("{} {} {patronymic}", self.family, self.given),
            None => format!("{} {}", self.family, self.given),
        }
    }
}

/// A person, as the content of the record says; members that the engine does not read are left to the content.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Name.
    pub name: Name,
    /// Day of birth.
    pub birth_date: NaiveDate,
    /// `male` or `female`.
    pub sex: String,
    /// Is it generated for a demonstration?
    #[serde(default)]
    pub sample: bool,
}

impl Person {
    /// Reads a content; `None` when it is not one of a person (a body is withheld).
    pub fn from_content(content: &Value) -> Option<Self> {
        Self::deserialize(content).ok()
    }

    /// Completed years of age on a day.
    pub fn age_years(&self, on: NaiveDate) -> u32 {
        on.years_since(self.birth_date).unwrap_or_default()
    }

    /// Eighteen or older on a day (Civil Code, article 21).
    pub fn is_adult(&self, on: NaiveDate) -> bool {
        self.age_years(on) >= 18
    }

    /// Year of birth.
    pub fn birth_year(&self) -> i32 {
        self.birth_date.year()
    }
}

impl fmt::Debug for Person {
    /// Nothing of it: all of it is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_content_and_shows_nothing_of_it() {
        let content = json!({"name": {"family": "Иванова", "given": "Анна"}, "birth_date": "2004-02-29", "sex": "female", "phone": "+79160000000"});
        let person = Person::from_content(&content).unwrap();
        assert_eq!(person.name.full(), "Иванова Анна");
        assert_eq!(format!("{person:?} {:?}", person.name), "Person Name");
        assert!(Person::from_content(&json!({})).is_none());
    }

    #[test]
    fn comes_of_age_on_the_birthday() {
        let content = json!({"name": {"family": "А", "given": "Б", "patronymic": "В"}, "birth_date": "2004-05-10", "sex": "male"});
        let person = Person::from_content(&content).unwrap();
        let day = |text: &str| text.parse().unwrap();
        assert!(!person.is_adult(day("2022-05-09")));
        assert!(person.is_adult(day("2022-05-10")));
        assert_eq!(person.age_years(day("2000-01-01")), 0);
    }
}
