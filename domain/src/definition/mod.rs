//! The definition of a register: what its records are, which entries they may have, and what each entry's body says.
//!
//! A definition is data: the body of an entry in the register `registers`. `docs/reference/definition.md` describes it for
//! departments; `definition.schema.json` beside this file is its form; [`check`] holds what a schema cannot say.

pub(crate) mod body;
mod check;
mod kinds;
mod provided;
mod supplement;
mod unfolded;

use std::sync::{Arc, OnceLock};

use jsonschema::Validator;
use proofs::slug::{EntryType, Slug};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smol_str::SmolStr;

pub use check::{BYTES_MAX, SCHEMA_BYTES_MAX};
pub use kinds::{Effect, Group, Kind, PartyKind, Visibility};
pub use provided::withheld;
pub use provided::{CONTROL_MEMBERS, provided_defs};

use crate::fault::Fault;
use crate::withholding;

/// A title in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    /// In Russian.
    pub ru: SmolStr,
    /// In English.
    pub en: SmolStr,
}

/// How official numbers of a register look. A number is unique in its register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberRule {
    /// The top-level member of the body that is the number.
    pub member: String,
    /// Regular expression of the whole number.
    pub pattern: String,
    /// A number that matches it.
    pub example: String,
    /// What the number is called.
    pub title: Title,
}

/// Which members of the content say from when and until when a record is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidityRule {
    /// Member with the first day.
    pub from: String,
    /// Member with the last day; a content without it is valid indefinitely.
    pub until: String,
}

/// A role in which a record concerns someone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectRule {
    /// Name of the role.
    pub role: String,
    /// What it is called.
    pub title: Title,
    /// Who may be in it.
    pub kinds: Vec<PartyKind>,
    /// At least so many.
    pub min: u32,
    /// At most so many.
    pub max: u32,
}

/// A status of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRule {
    /// Name of the status.
    pub status: String,
    /// What it is called.
    pub title: Title,
    /// Does a record in this status have legal effect?
    pub in_force: bool,
    /// Is it the end of a record's life? No entry leads out of it.
    #[serde(rename = "final", default, skip_serializing_if = "is_false")]
    pub is_final: bool,
}

/// A type of entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeRule {
    /// Name of the type, as statements say it.
    #[serde(rename = "type")]
    pub entry_type: EntryType,
    /// What it is called.
    pub title: Title,
    /// Statuses that it may follow; `None` when it makes a new record.
    pub from: Option<Vec<String>>,
    /// Status that it leads to; `None` when the status stays.
    pub to: Option<String>,
    /// What its body does to the record's content.
    pub effect: Effect,
    /// Is it a correction of an earlier entry, which its body must name?
    #[serde(default, skip_serializing_if = "is_false")]
    pub corrects: bool,
    /// JSON Schema (2020-12) of its body.
    pub schema: Value,
    /// May it follow any status, those that definitions do not know included? Of the engine's own type alone.
    #[serde(skip)]
    anywhere: bool,
    /// The schema compiled, when it was first needed.
    #[serde(skip)]
    compiled: OnceLock<Option<Arc<Validator>>>,
}

/// A law or decree that the register is kept by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// What it is called.
    pub title: Title,
    /// Where to find it.
    pub citation: String,
}

/// The definition of a register. Read one with [`Definition::from_json`], which checks it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Name of the register.
    pub slug: Slug,
    /// What it is called.
    pub title: Title,
    /// The department that owns it and signs its entries.
    pub owner: Slug,
    /// What its records are.
    pub kind: Kind,
    /// Who may read bodies.
    pub visibility: Visibility,
    /// Where a person looks for its records in an account.
    pub group: Group,
    /// Official numbers, when records have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberRule>,
    /// Term of validity, when records have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<ValidityRule>,
    /// Roles of subjects; none when records concern no one.
    pub subjects: Vec<SubjectRule>,
    /// Statuses of a record.
    pub statuses: Vec<StatusRule>,
    /// Types of entries.
    pub types: Vec<TypeRule>,
    /// Schemas that the types' schemas share, as `#/$defs/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defs: Option<Map<String, Value>>,
    /// By which laws the register is kept.
    pub legal_basis: Vec<LegalBasis>,
    /// Annotations that the engine does not read: where an imported register comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Map<String, Value>>,
    /// The pattern of numbers compiled, when it was first needed.
    #[serde(skip)]
    number_pattern: OnceLock<Option<Arc<Validator>>>,
}

impl Definition {
    /// Reads a definition and checks all of it: its form, that it agrees with itself, and that its schemas compile.
    /// Answers with every fault, sorted by place.
    pub fn from_json(json: &Value) -> Result<Arc<Self>, Vec<Fault>> {
        check::form(json)?;
        let definition = Self::trusted(json)?;
        check::consistency(&definition)?;
        Ok(definition)
    }

    /// Reads a definition that was checked when it was recorded: only its form; schemas are compiled when first needed.
    pub fn trusted(json: &Value) -> Result<Arc<Self>, Vec<Fault>> {
        Self::deserialize(json).map(Arc::new).map_err(|error| {
            // Of serde's message only the kind is kept: it may quote the document.
            vec![Fault::new("", format!("is not a definition (at the form's {:?} check)", error.classify()))]
        })
    }

    /// The definition as JSON, for the body of an entry in `registers`.
    pub fn to_json(&self) -> Value {
        // Every key is a string and every number finite, so that serialising cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The rule of a type of entry: one that the definition declares, or the engine's own, by which bodies are withheld.
    pub fn entry_type(&self, name: &str) -> Option<&TypeRule> {
        if withholding::is_order(self.slug.as_str(), name) {
            return withheld();
        }
        self.types.iter().find(|rule| rule.entry_type == *name)
    }

    /// The rule of a status.
    pub fn status(&self, name: &str) -> Option<&StatusRule> {
        self.statuses.iter().find(|rule| rule.status == name)
    }

    /// The rule of a role.
    pub fn role(&self, name: &str) -> Option<&SubjectRule> {
        self.subjects.iter().find(|rule| rule.role == name)
    }

    /// Does a record in this status have legal effect? A status that the definition does not know has none.
    pub fn in_force(&self, status: &str) -> bool {
        self.status(status).is_some_and(|rule| rule.in_force)
    }

    /// Types that make a new record.
    pub fn opening_types(&self) -> impl Iterator<Item = &TypeRule> {
        self.types.iter().filter(|rule| rule.from.is_none())
    }

    /// Types allowed for a record in this status.
    pub fn types_from<'a>(&'a self, status: &'a str) -> impl Iterator<Item = &'a TypeRule> {
        self.types.iter().filter(move |rule| rule.follows(status))
    }

    /// Everything in a body that its type's schema does not allow.
    pub fn check_body(&self, rule: &TypeRule, body: &Value) -> Vec<Fault> {
        match self.validator(rule) {
            Some(validator) => body::faults(&validator, body),
            None => {
                vec![Fault::new("", "the schema of this entry type does not compile: redefine the register")]
            }
        }
    }

    /// Does an official number look as the definition says? Yes when it says nothing.
    pub fn number_matches(&self, number: &str) -> bool {
        let Some(rule) = &self.number else { return true };
        let pattern = self.number_pattern.get_or_init(|| body::pattern(&rule.pattern).ok().map(Arc::new));
        pattern.as_ref().is_some_and(|pattern| pattern.is_valid(&Value::from(number)))
    }

    fn validator(&self, rule: &TypeRule) -> Option<Arc<Validator>> {
        let compile = || body::compile(&rule.schema, self.defs.as_ref()).ok().map(Arc::new);
        rule.compiled.get_or_init(compile).clone()
    }
}

impl TypeRule {
    /// May it follow this status?
    pub fn follows(&self, status: &str) -> bool {
        self.anywhere || self.from.as_ref().is_some_and(|from| from.iter().any(|name| name == status))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests;
