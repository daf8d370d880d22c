//! What the definitions say of stored codes. Codes are stored and words are not, so that a redefinition is seen at once.

use std::sync::Arc;

use domain::{
    definition::{Definition, Group, Title},
    definitions::Definitions,
};
use eventstore::{args, sql::RowSet};
use proofs::slug::Slug;

use crate::common::Change;

/// What the definition in force now says of a record. A code that it does not know is told as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The register.
    pub register: Title,
    /// The department that owns it.
    pub department: Option<Slug>,
    /// Where an account shows it.
    pub group: Option<Group>,
    /// The status.
    pub status: Title,
    /// Whether a record in this status has legal effect.
    pub in_force: bool,
    /// The type of the last entry, by the definition under which it was recorded.
    pub change: Title,
}

pub(crate) fn named(definitions: &Definitions, register: &Slug, status: &str, changed: &Change) -> Named {
    let now = current(definitions, register);
    let then = definition_at(definitions, register, changed.position);
    Named {
        register: register_title(now.as_deref(), register),
        department: now.as_ref().map(|now| now.owner.clone()),
        group: now.as_ref().map(|now| now.group),
        status: status_title(now.as_deref(), status),
        in_force: now.is_some_and(|now| now.in_force(status)),
        change: type_title(then.as_deref(), changed.entry_type.as_str()),
    }
}

pub(crate) fn register_title(definition: Option<&Definition>, register: &Slug) -> Title {
    titled(definition.map(|definition| &definition.title), register.as_str())
}

pub(crate) fn status_title(definition: Option<&Definition>, status: &str) -> Title {
    titled(definition.and_then(|definition| definition.status(status)).map(|rule| &rule.title), status)
}

pub(crate) fn type_title(definition: Option<&Definition>, entry_type: &str) -> Title {
    titled(
        definition.and_then(|definition| definition.entry_type(entry_type)).map(|rule| &rule.title),
        entry_type,
    )
}

fn titled(title: Option<&Title>, code: &str) -> Title {
    title.cloned().unwrap_or_else(|| Title { ru: code.into(), en: code.into() })
}

/// The definition of a register as of now.
pub(crate) fn current(definitions: &Definitions, register: &Slug) -> Option<Arc<Definition>> {
    definitions.current(register).map(|found| Arc::clone(&found.definition))
}

/// The definition of a register under which an entry was recorded.
pub(crate) fn definition_at(
    definitions: &Definitions,
    register: &Slug,
    position: u64,
) -> Option<Arc<Definition>> {
    definitions.at_position(register, position).map(|found| Arc::clone(&found.definition))
}

/// The registers that an account shows in a group, as rows (register).
pub(crate) fn registers_of(definitions: &Definitions, group: Group) -> RowSet {
    let mut rows = RowSet::new();
    for found in definitions.iter().filter(|found| found.definition.group == group) {
        rows.push(args![&found.definition.slug]);
    }
    rows
}

/// The statuses in which a record has legal effect, as rows (register, status).
pub(crate) fn statuses_in_force(definitions: &Definitions) -> RowSet {
    let mut rows = RowSet::new();
    for found in definitions.iter() {
        for rule in found.definition.statuses.iter().filter(|rule| rule.in_force) {
            rows.push(args![&found.definition.slug, &rule.status]);
        }
    }
    rows
}
