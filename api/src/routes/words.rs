//! Shapes that several answers have.

use std::sync::Arc;

use domain::definition;
use domain::withholding::WITHHELD;
use eventstore::StoredEntry;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::registry::{InForce, Knowledge};

/// A title in both languages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Title {
    /// In Russian.
    #[schema(value_type = String)]
    pub ru: SmolStr,
    /// In English.
    #[schema(value_type = String)]
    pub en: SmolStr,
}

impl From<&domain::definition::Title> for Title {
    fn from(title: &domain::definition::Title) -> Self {
        Self { ru: title.ru.clone(), en: title.en.clone() }
    }
}

impl From<domain::definition::Title> for Title {
    fn from(domain::definition::Title { ru, en }: domain::definition::Title) -> Self {
        Self { ru, en }
    }
}

/// That the body of an entry is withheld, and by which order. It is no secret: the order is an entry of the same record, whose
/// statement anyone may read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WithheldBy {
    /// Index of the order in the same register.
    pub index: u64,
    /// That it is withheld, in words.
    pub title: Title,
}

impl WithheldBy {
    /// Of an entry whose body an order took away; nothing of another.
    pub fn of(entry: &StoredEntry) -> Option<Self> {
        Some(Self { index: entry.withheld_by?, title: withheld_title() })
    }
}

/// That the body of a version of a record is withheld, and by which of its later versions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WithheldVersion {
    /// The version whose body is missing.
    pub version: u64,
    /// The version that is the order.
    pub by: u64,
    /// That it is withheld, in words.
    pub title: Title,
}

impl WithheldVersion {
    /// Of these versions and orders.
    pub fn list(named: impl Iterator<Item = (u64, u64)>) -> Vec<Self> {
        named.map(|(version, by)| Self { version, by, title: withheld_title() }).collect()
    }
}

fn withheld_title() -> Title {
    named(definition::withheld().map(|rule| &rule.title), WITHHELD)
}

/// The last entry of a record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// Type of the entry.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub entry_type: SmolStr,
    /// The type in words.
    pub title: Title,
    /// The department that signed it.
    #[schema(value_type = String)]
    pub issuer: SmolStr,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// From when it has effect.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// Its position.
    pub position: u64,
}

impl Changed {
    /// With the words for it.
    pub fn of(change: projections::Change, title: definition::Title) -> Self {
        Self {
            entry_type: change.entry_type.into(),
            title: title.into(),
            issuer: change.issuer.into(),
            recorded_at: change.recorded_at,
            effective_at: change.effective_at,
            position: change.position,
        }
    }
}

/// A name for which there are no words is told as it is written.
fn named(title: Option<&domain::definition::Title>, name: &str) -> Title {
    title.map_or_else(|| Title { ru: name.into(), en: name.into() }, Title::from)
}

/// What a register is called.
pub fn register_title(knowledge: &Knowledge, register: &str) -> Title {
    named(current(knowledge, register).as_ref().map(|found| &found.definition.title), register)
}

/// What a status of a register is called.
pub fn status_title(knowledge: &Knowledge, register: &str, status: &str) -> Title {
    let found = current(knowledge, register);
    let rule = found.as_ref().and_then(|found| found.definition.status(status));
    named(rule.map(|rule| &rule.title), status)
}

/// What a type of entry of a register is called.
pub fn type_title(knowledge: &Knowledge, register: &str, entry_type: &str) -> Title {
    let found = current(knowledge, register);
    let rule = found.as_ref().and_then(|found| found.definition.entry_type(entry_type));
    named(rule.map(|rule| &rule.title), entry_type)
}

/// What a department is called.
pub fn department_title(knowledge: &Knowledge, department: &str) -> Title {
    let slug = department.parse::<Slug>().ok();
    named(slug.and_then(|slug| knowledge.departments.get(&slug)).map(|found| &found.title), department)
}

fn current(knowledge: &Knowledge, register: &str) -> Option<Arc<InForce>> {
    knowledge.definitions.current(&register.parse::<Slug>().ok()?)
}
