//! A register as of a time: its definition, which is a record of `registers` like any other, and its log.

use std::sync::Arc;

use domain::asof::{AsOf, Past};
use domain::definition::Definition;
use domain::definitions::InForce;
use domain::platform::REGISTERS;
use eventstore::{Store, StoreError};
use proofs::slug::Slug;
use proofs::time::Timestamp;

use super::query::AsOfItem;
use super::walk::{PastError, record};
use crate::registry::Knowledge;
use crate::routes::v1::registers::list::RegisterItem;
use crate::routes::v1::registers::register::RegisterDocument;

/// The status of a register that takes no more entries.
const CLOSED: &str = "closed";

/// The definition of a register as of a time: what its record in `registers` said then. Nothing when it was not defined. Only
/// the time of recording counts: a definition rules what is recorded after it, whatever time of effect its entry names, and a
/// register that is brought in whole today has records that have effect since years.
pub async fn register_at(
    store: &Store,
    knowledge: &Knowledge,
    register: &Slug,
    as_of: AsOf,
) -> Result<Option<InForce>, PastError> {
    let Some(current) = knowledge.definitions.current(register) else { return Ok(None) };
    // The name is a slug: every statement of the register says so.
    let Ok(registers) = REGISTERS.parse::<Slug>() else { return Ok(None) };
    let by_then = AsOf { effective: Timestamp::MAX, ..as_of };
    let past = record(store, knowledge, &registers, current.record, by_then).await?;
    past.map(|past| in_force(&past, &current)).transpose()
}

fn in_force(past: &Past, current: &InForce) -> Result<InForce, PastError> {
    let state = &past.record.state;
    let corrupt = || StoreError::corrupt("entry", "body", past.changed.position, "is no definition");
    let body = past.record.content.members.get("definition").ok_or_else(corrupt)?;
    let definition: Arc<Definition> = Definition::trusted(body).map_err(|_| corrupt())?;
    Ok(InForce {
        definition,
        record: state.record,
        version: state.version,
        position: past.changed.position,
        recorded_at: past.changed.recorded_at,
        // It stays the same from the first definition on.
        key: current.key.clone(),
        closed: state.status == CLOSED,
    })
}

/// The register with its definition, and the size and root of its tree then, which follow from the time of recording too:
/// every entry is a leaf from then on, whenever it has effect.
pub async fn register_document(
    store: &Store,
    in_force: &InForce,
    as_of: AsOf,
) -> Result<RegisterDocument, PastError> {
    let register = &in_force.definition.slug;
    let size = match as_of.recorded {
        Timestamp::MAX => store.log(register).await?.map_or(0, |log| log.size),
        recorded => store.size_at(register, recorded).await?.unwrap_or_default(),
    };
    let root = store.root_at(register, size).await?;
    Ok(RegisterDocument {
        item: RegisterItem::of(in_force, size),
        key: in_force.key.to_string(),
        record: in_force.record,
        version: in_force.version,
        recorded_at: in_force.recorded_at,
        definition: in_force.definition.to_json(),
        root: root.map(|root| root.to_string()),
        as_of: Some(AsOfItem::from(as_of)),
    })
}
