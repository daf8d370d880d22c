//! The words of a step, in both languages, from the definition in force.

use serde::Serialize;

use crate::definition::{Definition, Title};

/// How a step of a record is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepWords {
    /// What was done: the title of the entry's type.
    pub entry_type: Title,
    /// The status after it.
    pub status: Title,
    /// Does a record in that status have legal effect?
    pub in_force: bool,
}

/// The words of an entry of this type, after which the record has this status. A name that the definition does not know
/// is told as it is written.
pub fn step(definition: &Definition, entry_type: &str, status: &str) -> StepWords {
    let as_written = |name: &str| Title { ru: name.into(), en: name.into() };
    let rule = definition.status(status);
    StepWords {
        entry_type: definition
            .entry_type(entry_type)
            .map_or_else(|| as_written(entry_type), |rule| rule.title.clone()),
        status: rule.map_or_else(|| as_written(status), |rule| rule.title.clone()),
        in_force: rule.is_some_and(|rule| rule.in_force),
    }
}
