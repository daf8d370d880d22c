//! Orders carried out again, and what is written down of it.

use domain::platform::{INTERVENTIONS, PLATFORM};
use domain::withholding::WITHHELD;
use eventstore::Withheld;
use proofs::key::PrivateKey;
use proofs::slug::Slug;
use proofs::statement::Statement;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Missing, Withholding, WithholdingError, ledger};
use crate::registry::{Actor, AppendRequest, EntryRequest, Outcome, Reason, Refusal, Registry, new_salt};

/// The entry in `interventions` that says that bodies were removed again.
const REMOVED_AGAIN: &str = "removed-again";
/// Entries that one intervention names; there are as many as it takes.
const NAMED_MAX: usize = 1_000;

/// Who signs an order.
#[derive(Clone, Copy)]
pub enum Signer<'a> {
    /// The platform, with the key that it holds for the department.
    Platform,
    /// The department, with its own key.
    Department(&'a PrivateKey),
}

impl Withholding {
    /// Appends an order for the owner of the register; the same again gives the entry that was made.
    pub async fn order(
        &self,
        register: &Slug,
        record: Uuid,
        body: Value,
        key: String,
        signer: Signer<'_>,
    ) -> Result<Outcome, Refusal> {
        let registry = &self.0.registry;
        let in_force = registry.find(register).await?.1;
        let owner =
            in_force.ok_or_else(|| Reason::UnknownRegister(register.clone()))?.definition.owner.clone();
        let entry = match signer {
            Signer::Platform => EntryRequest::Platform {
                record: Some(record),
                version: None,
                entry_type: name(WITHHELD)?,
                effective_at: None,
                body,
            },
            Signer::Department(key) => signed(registry, register, &owner, record, body, key).await?,
        };
        let mut request = AppendRequest::new(register.clone(), Actor::local(owner), vec![entry]);
        request.idempotency_key = Some(key);
        let outcome = registry.append(request).await?.into_iter().next();
        outcome.ok_or_else(|| Reason::Corrupt("an append made no entry".to_owned()).into())
    }

    /// Carries out an order again that the store has lost.
    pub async fn again(&self, missing: &Missing, signer: Signer<'_>) -> Result<Outcome, WithholdingError> {
        let noted = &missing.noted;
        let mut versions: Vec<u64> = missing.leaves.iter().map(|leaf| leaf.version).collect();
        versions.sort_unstable();
        let body = json!({ "order": noted.order, "versions": versions });
        // One order is of one record.
        let record = missing.leaves.first().map(|leaf| leaf.record).unwrap_or_default();
        let appended = self.order(&noted.register, record, body, ledger::again_key(noted), signer).await;
        appended.map_err(|source| WithholdingError::Refused {
            register: noted.register.clone(),
            index: noted.index,
            source: Box::new(source),
        })
    }
}

/// A statement with the department's own key.
async fn signed(
    registry: &Registry,
    register: &Slug,
    owner: &Slug,
    record: Uuid,
    body: Value,
    key: &PrivateKey,
) -> Result<EntryRequest, Refusal> {
    let store = registry.store();
    let version = store.read_record(record).await?.len() as u64 + 1;
    let canonical = proofs::jcs::canonical(&body).map_err(|error| Reason::Statement(error.to_string()))?;
    let salt = new_salt(store);
    let statement = Statement {
        register: register.clone(),
        record,
        version,
        entry_type: name(WITHHELD)?,
        effective_at: store.clock().now(),
        issuer: owner.clone(),
        body: proofs::body::digest(&salt, &canonical),
    };
    Ok(EntryRequest::Signed { statement: statement.sign(key).as_str().to_owned(), body, salt })
}

/// Writes down in `interventions` that bodies were removed again. They are removed whatever comes of this.
pub(super) async fn write_down(registry: &Registry, removed: &[Withheld]) {
    for some in removed.chunks(NAMED_MAX) {
        if let Err(refusal) = write_some(registry, some).await {
            tracing::warn!(error = %refusal, "that bodies were removed again could not be written down");
        }
    }
}

async fn write_some(registry: &Registry, removed: &[Withheld]) -> Result<(), Refusal> {
    let entries: Vec<Value> = removed
        .iter()
        .map(|one| json!({ "register": one.register, "index": one.index, "order": one.by_index }))
        .collect();
    // The place that the entry will have, or one close to it: a number of its own.
    let position = registry.store().position().await? + 1;
    let body = json!({
        "key": format!("{REMOVED_AGAIN}/{position}"),
        "entries": entries,
        "reason": "the bodies were there, though orders withhold them: they were put back, or restored from a backup",
        "by": "the server, when the store was opened",
    });
    let entry = EntryRequest::Platform {
        record: None,
        version: None,
        entry_type: name(REMOVED_AGAIN)?,
        effective_at: None,
        body,
    };
    let request = AppendRequest::new(name(INTERVENTIONS)?, Actor::local(name(PLATFORM)?), vec![entry]);
    registry.append(request).await.map(drop)
}

fn name<T: std::str::FromStr>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Reason::Corrupt(format!("{text} is no name")).into())
}
