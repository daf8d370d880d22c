//! Appending to the registers that the platform keeps itself.

use domain::platform::PLATFORM;
use proofs::slug::Slug;
use serde_json::Value;
use uuid::Uuid;

use crate::registry::{Actor, AppendRequest, EntryRequest, Outcome, Reason, Refusal, Registry};

/// Whose idempotency keys the engine's and the hand-over's are: whoever completes the one continues the other.
pub const OFFERS_CLIENT: &str = "proactive";

/// An entry of the platform's registers, as someone wants it.
#[derive(Debug, Clone)]
pub struct PlatformEntry<'a> {
    /// The register.
    pub register: &'a str,
    /// The record; nothing makes a new one.
    pub record: Option<Uuid>,
    /// The type.
    pub entry_type: &'a str,
    /// The body.
    pub body: Value,
}

/// An entry of a register of the platform's.
pub fn platform_entry<'a>(
    register: &'a str,
    record: Option<Uuid>,
    entry_type: &'a str,
    body: Value,
) -> PlatformEntry<'a> {
    PlatformEntry { register, record, entry_type, body }
}

impl PlatformEntry<'_> {
    /// The request, in the name of this client.
    pub fn request(self, client: &str) -> Result<AppendRequest, Refusal> {
        let entry = EntryRequest::Platform {
            record: self.record,
            version: None,
            entry_type: self.entry_type.parse().map_err(bad)?,
            effective_at: None,
            body: self.body,
        };
        let by = Actor { department: slug(PLATFORM)?, client: client.to_owned() };
        Ok(AppendRequest::new(slug(self.register)?, by, vec![entry]))
    }

    /// Appends it for this client.
    pub async fn append(self, registry: &Registry, client: &str) -> Result<Outcome, Refusal> {
        let request = self.request(client)?;
        first(registry.append(request).await?)
    }
}

/// The one outcome of a request with one entry.
pub(super) fn first(outcomes: Vec<Outcome>) -> Result<Outcome, Refusal> {
    outcomes.into_iter().next().ok_or_else(|| Reason::Corrupt("an append had no outcome".to_owned()).into())
}

/// A name that is a slug, since definitions and rules are checked.
pub(super) fn slug(name: &str) -> Result<Slug, Refusal> {
    name.parse().map_err(bad)
}

pub(super) fn bad(error: impl std::fmt::Display) -> Refusal {
    Reason::Corrupt(error.to_string()).into()
}
