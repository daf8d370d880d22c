//! Which bodies of a page a reader sees.

use std::collections::{BTreeSet, HashMap};

use eventstore::StoredEntry;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Reader;
use crate::accesses::Look;
use crate::http::AppState;
use crate::problem::Problem;
use crate::registry::{Folded, Knowledge, parse_body};
use crate::routes::words::WithheldBy;

/// An entry as it is listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryItem {
    /// Its place in the register's log.
    pub index: u64,
    /// Its place in the order of all entries.
    pub position: u64,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// The statement, byte for byte.
    pub statement: String,
    /// The body; null for those who may not see it, or where it is withheld.
    #[schema(value_type = Option<Object>)]
    pub body: Option<Value>,
    /// Its salt; null together with the body.
    pub salt: Option<String>,
    /// By which order the body is withheld; left out where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<WithheldBy>,
}

impl EntryItem {
    /// The entry with the body that the reader sees. Without it there is no salt either: it would let them try out bodies.
    pub fn of(entry: &StoredEntry, body: Option<Value>) -> Self {
        Self {
            index: entry.index,
            position: entry.position,
            recorded_at: entry.recorded_at,
            statement: entry.statement.as_str().to_owned(),
            salt: body.as_ref().and(entry.salt).map(|salt| salt.to_string()),
            body,
            withheld: WithheldBy::of(entry),
        }
    }
}

/// For each entry: may the reader see its body? A person sees the bodies of entries that left them a subject of the record:
/// not what was before they became one, nor what came after they ceased to be.
pub async fn bodies(
    state: &AppState,
    knowledge: &Knowledge,
    reader: Reader<'_>,
    entries: &[StoredEntry],
) -> Result<Vec<bool>, Problem> {
    if reader.person().is_none() {
        return Ok(vec![reader.sees_all(); entries.len()]);
    }
    let ids: BTreeSet<Uuid> = entries.iter().map(StoredEntry::record).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let stored = state.store().read_records(&ids).await?;
    let mut records = HashMap::new();
    for of_record in stored.chunk_by(|one, next| one.record() == next.record()) {
        let folded = Folded::fold(of_record, knowledge)?;
        records.insert(of_record[0].record(), folded);
    }
    let sees = |entry: &StoredEntry| {
        let step = records.get(&entry.record()).and_then(|folded| folded.at(entry.version()));
        step.is_some_and(|step| reader.sees_body(&step.persons))
    };
    Ok(entries.iter().map(sees).collect())
}

/// Entries as they are listed for a reader, who looks: what is shown is written down first.
pub async fn items(
    state: &AppState,
    knowledge: &Knowledge,
    reader: Reader<'_>,
    look: &Look<'_>,
    entries: Vec<StoredEntry>,
) -> Result<Vec<EntryItem>, Problem> {
    let seen = bodies(state, knowledge, reader, &entries).await?;
    let shown = entries.iter().zip(&seen).filter(|(entry, seen)| **seen && entry.body.is_some());
    look.entries(state, knowledge, shown.map(|(entry, _)| entry)).await?;
    let mut items = Vec::with_capacity(entries.len());
    for (entry, seen) in entries.into_iter().zip(seen) {
        let body = if seen { parse_body(&entry)? } else { None };
        items.push(EntryItem::of(&entry, body));
    }
    Ok(items)
}
