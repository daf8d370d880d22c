//! What of a page of entries of any registers a reader is shown.

use std::collections::HashMap;

use domain::definition::Visibility;
use domain::platform::ACCESSES;
use eventstore::StoredEntry;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::accesses::{self, Disclosure, Endpoint, Looker, Purpose};
use crate::auth::Caller;
use crate::feeds;
use crate::http::AppState;
use crate::problem::Problem;
use crate::registry::{InForce, Knowledge, parse_body};
use crate::routes::v1::registers::entries::visible::EntryItem;

/// Bytes of bodies of a page: a page that would have more ends before, with fewer entries than were asked for.
pub const BODIES_BYTES_MAX: usize = 4 << 20;

/// An entry of some register.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedEntry {
    /// Its register.
    pub register: String,
    /// The entry.
    #[serde(flatten)]
    pub item: EntryItem,
}

/// The entries as statements alone.
pub fn statements(entries: Vec<StoredEntry>) -> Vec<FeedEntry> {
    entries.into_iter().map(|entry| item(&entry, None)).collect()
}

/// The entries with the bodies that the reader may see, once it is written down that they are shown. Those of `accesses` are
/// left out for whoever must account for reading: reading them would make more of them, without end.
pub async fn with_bodies(
    state: &AppState,
    caller: Option<&Caller>,
    purpose: &Purpose,
    mut entries: Vec<StoredEntry>,
) -> Result<Vec<FeedEntry>, Problem> {
    cut(&mut entries);
    let knowledge = knowing(state, &entries).await?;
    let looker = Looker::from(caller);
    let mut seen: HashMap<u64, Option<Disclosure>> = HashMap::new();
    let mut asked = Vec::new();
    for entry in entries.iter().filter(|entry| entry.body.is_some()) {
        let Some(in_force) = knowledge.definitions.current(&entry.register) else { continue };
        let reader = AppState::reader(caller, &in_force);
        if in_force.definition.visibility == Visibility::Public {
            seen.insert(entry.position, None);
        } else if looker.must_say_why() && *entry.register.as_str() == *ACCESSES {
            // Left out.
        } else if reader.sees_all() || reader.person().is_some() {
            asked.push((bare(entry), in_force));
        }
    }
    seen.extend(concerning(state, &knowledge, caller, asked).await?);
    let shown: Vec<Disclosure> = seen.values().flatten().cloned().collect();
    accesses::disclose(state, looker, purpose, Endpoint::Feed, &shown).await?;
    let mut items = Vec::with_capacity(entries.len());
    for entry in entries {
        let body = if seen.contains_key(&entry.position) { parse_body(&entry)? } else { None };
        items.push(item(&entry, body));
    }
    Ok(items)
}

/// Of these entries those whose bodies the reader sees, by position, with whom they concern.
async fn concerning(
    state: &AppState,
    knowledge: &Knowledge,
    caller: Option<&Caller>,
    asked: Vec<(StoredEntry, std::sync::Arc<InForce>)>,
) -> Result<Vec<(u64, Option<Disclosure>)>, Problem> {
    let (entries, registers): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    let concerned = feeds::concerned(state.registry(), knowledge, &entries).await?;
    let mut seen = Vec::with_capacity(entries.len());
    for ((entry, in_force), persons) in entries.iter().zip(&registers).zip(concerned) {
        if AppState::reader(caller, in_force).sees_body(&persons) {
            let disclosure = Disclosure::new(&entry.register, entry.record(), persons).at(entry.index);
            seen.push((entry.position, Some(disclosure)));
        }
    }
    Ok(seen)
}

/// What is in force; read again when an entry is of a register that is not known here yet.
async fn knowing(state: &AppState, entries: &[StoredEntry]) -> Result<std::sync::Arc<Knowledge>, Problem> {
    let knowledge = state.registry().knowledge();
    if entries.iter().all(|entry| knowledge.definitions.current(&entry.register).is_some()) {
        return Ok(knowledge);
    }
    Ok(state.registry().refresh().await?)
}

/// Ends a page before it is too long; the first entry stays.
fn cut(entries: &mut Vec<StoredEntry>) {
    let mut bytes = 0;
    let fits = entries.iter().take_while(|entry| {
        bytes += entry.body.as_ref().map_or(0, Vec::len);
        bytes <= BODIES_BYTES_MAX
    });
    let fits = fits.count().max(1);
    entries.truncate(fits);
}

fn bare(entry: &StoredEntry) -> StoredEntry {
    StoredEntry {
        position: entry.position,
        register: entry.register.clone(),
        index: entry.index,
        recorded_at: entry.recorded_at,
        statement: entry.statement.clone(),
        body: None,
        salt: None,
        withheld_by: entry.withheld_by,
    }
}

fn item(entry: &StoredEntry, body: Option<Value>) -> FeedEntry {
    FeedEntry { register: entry.register.to_string(), item: EntryItem::of(entry, body) }
}

#[cfg(test)]
mod tests {
    use proofs::body::{Salt, digest};
    use proofs::key::PrivateKey;
    use proofs::statement::Statement;
    use proofs::time::Timestamp;

    use uuid::Uuid;

    use super::*;

    fn entry(position: u64, bytes: usize) -> StoredEntry {
        let (salt, body) = (Salt([1; 16]), vec![b' '; bytes]);
        let statement = Statement {
            register: "permits".parse().unwrap(),
            record: Uuid::from_u128(u128::from(position)),
            version: 1,
            entry_type: "issued".parse().unwrap(),
            effective_at: Timestamp::from_millis(0),
            issuer: "roads".parse().unwrap(),
            body: digest(&salt, &body),
        };
        StoredEntry {
            position,
            register: "permits".parse().unwrap(),
            index: position,
            recorded_at: Timestamp::from_millis(0),
            statement: statement.sign(&PrivateKey::from_seed(&[1; 32])),
            body: Some(body),
            salt: Some(salt),
            withheld_by: None,
        }
    }

    #[test]
    fn a_page_is_cut_before_it_is_too_long_and_never_to_nothing() {
        let left = |sizes: &[usize]| {
            let mut entries: Vec<_> = (1..).zip(sizes).map(|(at, bytes)| entry(at, *bytes)).collect();
            cut(&mut entries);
            entries.len()
        };
        let half = BODIES_BYTES_MAX / 2;
        assert_eq!(left(&[half, half, 1]), 2);
        assert_eq!(left(&[2 * half + 1, 1]), 1);
        assert_eq!(left(&[1, 2, 3]), 3);
    }
}
