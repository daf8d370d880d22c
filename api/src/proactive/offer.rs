//! An offer, folded from its entries: what anyone decides on.

use domain::platform::OFFERS;
use domain::subject::Subject;
use proofs::slug::Slug;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::registry::{Folded, KnowledgeError, Registry};

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The person can still say yes or no.
    Open,
    /// The person said yes.
    Accepted,
    /// It was provided.
    Provided,
    /// An official is to decide.
    Referred,
    /// Nothing more will happen.
    Over,
}

/// An offer, as its entries say.
#[derive(Clone)]
pub struct Offer {
    /// Its record.
    pub record: Uuid,
    /// To whom.
    pub person: Uuid,
    /// Its version.
    pub version: u64,
    /// Its status.
    pub status: String,
    /// Its content.
    pub content: Map<String, Value>,
}

impl std::fmt::Debug for Offer {
    /// Nothing of the content, nor to whom: both are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Offer({} version {} {})", self.record, self.version, self.status)
    }
}

impl Offer {
    /// The offer of a record; nothing when the record is none.
    pub async fn read(registry: &Registry, record: Uuid) -> Result<Option<Self>, KnowledgeError> {
        let entries = registry.store().read_record(record).await?;
        let Some(first) = entries.first() else { return Ok(None) };
        if first.register != *OFFERS {
            return Ok(None);
        }
        Ok(Self::of(&Folded::fold(&entries, &*registry.refresh().await?)?))
    }

    /// From a folded record.
    pub fn of(folded: &Folded) -> Option<Self> {
        let record = folded.record.record();
        let person = record.state.subjects.iter().find_map(Subject::person)?;
        Some(Self {
            record: record.state.record,
            person,
            version: record.state.version,
            status: record.state.status.clone(),
            content: record.content.members.clone(),
        })
    }

    /// What became of it.
    pub fn stage(&self) -> Stage {
        match self.status.as_str() {
            "proposed" | "seen" => Stage::Open,
            "accepted" => Stage::Accepted,
            "provided" => Stage::Provided,
            "referred" => Stage::Referred,
            _ => Stage::Over,
        }
    }

    /// inform, offer, set or provide.
    pub fn effect(&self) -> &str {
        self.member("effect").and_then(|effect| effect["kind"].as_str()).unwrap_or_default()
    }

    /// The services that it offers, each with its prefilled values.
    pub fn services(&self) -> &[Value] {
        let services = self.member("effect").and_then(|effect| effect["services"].as_array());
        services.map(Vec::as_slice).unwrap_or_default()
    }

    /// The services that were accepted, by name.
    pub fn accepted(&self) -> Vec<&str> {
        let chosen = self.member("services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        chosen.iter().filter_map(Value::as_str).collect()
    }

    /// The department that answers for it.
    pub fn department(&self) -> Option<Slug> {
        self.member("department")?.as_str()?.parse().ok()
    }

    /// Its last day; nothing when it has none.
    pub fn expires_on(&self) -> Option<chrono::NaiveDate> {
        self.member("expires_on")?.as_str()?.parse().ok()
    }

    /// A member of the content.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.content.get(name)
    }
}
