//! Shapes that several answers have.

use proofs::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A title in both languages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Title {
    /// In Russian.
    pub ru: String,
    /// In English.
    pub en: String,
}

impl From<&domain::definition::Title> for Title {
    fn from(title: &domain::definition::Title) -> Self {
        Self { ru: title.ru.clone(), en: title.en.clone() }
    }
}

/// The last entry of a record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// Type of the entry.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// The type in words.
    pub title: Title,
    /// The department that signed it.
    pub issuer: String,
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
    pub fn of(change: &projections::Change, named: &projections::Named) -> Self {
        Self {
            entry_type: change.entry_type.to_string(),
            title: (&named.change).into(),
            issuer: change.issuer.to_string(),
            recorded_at: change.recorded_at,
            effective_at: change.effective_at,
            position: change.position,
        }
    }
}
