//! Whom a record concerns, and in which role.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::definition::{Definition, PartyKind};
use crate::fault::Fault;

/// The member of a content that says whom the record concerns.
pub const MEMBER: &str = "subjects";

/// Someone whom a record concerns.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// In which role.
    pub role: String,
    /// Who.
    #[serde(flatten)]
    pub party: Party,
}

/// A person or an organisation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The person's record in `persons`.
    Person(Uuid),
    /// An organisation.
    Organisation(Organisation),
}

/// An organisation as bodies name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Organisation {
    /// Taxpayer's number, 10 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inn: Option<String>,
    /// Number in the register of legal entities, 13 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ogrn: Option<String>,
    /// Name.
    pub name: String,
}

impl Subject {
    /// The person, when it is one.
    pub fn person(&self) -> Option<Uuid> {
        match self.party {
            Party::Person(person) => Some(person),
            Party::Organisation(_) => None,
        }
    }

    /// The organisation, when it is one.
    pub fn organisation(&self) -> Option<&Organisation> {
        match &self.party {
            Party::Person(_) => None,
            Party::Organisation(organisation) => Some(organisation),
        }
    }

    fn kind(&self) -> PartyKind {
        match self.party {
            Party::Person(_) => PartyKind::Person,
            Party::Organisation(_) => PartyKind::Organisation,
        }
    }
}

impl fmt::Debug for Subject {
    /// The role only: who it is may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}, {})", self.role, self.kind())
    }
}

/// Reads the `subjects` member of a body or a content. What is not a subject is passed over: a body that was accepted has
/// none such.
pub fn read(member: &Value) -> Vec<Subject> {
    let items = member.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| Subject::deserialize(item).ok()).collect()
}

/// Everything wrong with the subjects of a content under a definition. `member` is the content's `subjects`.
pub fn check(definition: &Definition, member: Option<&Value>) -> Vec<Fault> {
    let items = member.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut faults = Vec::new();
    let mut subjects: Vec<Subject> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let pointer = format!("/{MEMBER}/{at}");
        let Ok(subject) = Subject::deserialize(item) else {
            let message = "must have a role and either `person` (a UUID) or `organisation`";
            faults.push(Fault::new(pointer, message));
            continue;
        };
        match definition.role(&subject.role) {
            None => faults.push(Fault::new(format!("{pointer}/role"), unknown_role(definition))),
            Some(rule) if !rule.kinds.contains(&subject.kind()) => {
                let kinds = rule.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ");
                faults.push(Fault::new(pointer, format!("the role `{}` is for: {kinds}", rule.role)));
            }
            Some(_) if subjects.contains(&subject) => {
                faults.push(Fault::new(pointer, "stands twice in the same role"));
            }
            Some(_) => {}
        }
        subjects.push(subject);
    }
    for rule in &definition.subjects {
        let count = subjects.iter().filter(|subject| subject.role == rule.role).count();
        if count < rule.min as usize || count > rule.max as usize {
            let message = match (rule.min, rule.max) {
                (min, max) if min == max => {
                    format!("needs exactly {min} in the role `{}`, has {count}", rule.role)
                }
                (min, max) => format!("needs {min} to {max} in the role `{}`, has {count}", rule.role),
            };
            faults.push(Fault::new(format!("/{MEMBER}"), message));
        }
    }
    faults
}

fn unknown_role(definition: &Definition) -> String {
    if definition.subjects.is_empty() {
        return "records of this register have no subjects".to_owned();
    }
    let roles =
        definition.subjects.iter().map(|rule| format!("`{}`", rule.role)).collect::<Vec<_>>().join(", ");
    format!("is not a role of this register, whose roles are {roles}")
}
