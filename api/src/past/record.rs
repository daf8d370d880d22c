//! A record of the past, in the shape that the present has.

use std::sync::Arc;

use domain::asof::{AsOf, Past};
use domain::definition::{Definition, Title as Words};
use domain::definitions::Definitions;
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use smol_str::SmolStr;

use crate::routes::v1::registers::records::list::RecordItem;
use crate::routes::words::{Changed, Title};

/// Which records of the past a list is narrowed to: what it is compared with is what was so then.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this status.
    pub status: Option<String>,
    /// Whose last entry is of this type.
    pub entry_type: Option<EntryType>,
}

impl Filter {
    /// Is the record among them?
    pub fn keeps(&self, past: &Past) -> bool {
        let state = &past.record.state;
        let changed = state.changed.as_ref().map(|changed| &changed.entry_type);
        self.status.as_ref().is_none_or(|status| *status == state.status)
            && self.entry_type.as_ref().is_none_or(|entry_type| Some(entry_type) == changed)
    }
}

/// The record as it was; words by the definition then in force, as of the time of recording.
pub fn record_item(past: &Past, definitions: &Definitions, as_of: AsOf) -> RecordItem {
    let told = Told::of(past, definitions, as_of);
    let state = &past.record.state;
    RecordItem {
        record: state.record,
        register: state.register.as_ref().map(ToString::to_string).unwrap_or_default(),
        number: state.number.clone(),
        status_title: told.status,
        in_force: told.in_force,
        status: state.status.clone(),
        valid_from: state.valid_from,
        valid_until: state.valid_until,
        version: state.version,
        opened_at: past.opened.recorded_at,
        changed: told.changed,
    }
}

/// What the definitions say of a past state.
pub(super) struct Told {
    /// The definition then in force.
    pub definition: Option<Arc<Definition>>,
    pub status: Title,
    pub in_force: bool,
    pub changed: Changed,
}

impl Told {
    pub(super) fn of(past: &Past, definitions: &Definitions, as_of: AsOf) -> Self {
        let state = &past.record.state;
        let then = state.register.as_ref().and_then(|register| definition(definitions, register, as_of));
        let rule = then.as_ref().and_then(|then| then.status(&state.status));
        Self {
            status: title(rule.map(|rule| &rule.title), &state.status),
            in_force: rule.is_some_and(|rule| rule.in_force),
            changed: changed(past, definitions),
            definition: then,
        }
    }
}

/// The definition in force as of the time of recording.
pub(super) fn definition(definitions: &Definitions, register: &Slug, as_of: AsOf) -> Option<Arc<Definition>> {
    definitions.recorded_by(register, as_of.recorded).map(|found| Arc::clone(&found.definition))
}

fn changed(past: &Past, definitions: &Definitions) -> Changed {
    let (state, position) = (&past.record.state, past.changed.position);
    let ruled = state.register.as_ref().and_then(|register| definitions.at_position(register, position));
    // A record that exists has a last entry.
    let last = state.changed.as_ref();
    let entry_type: SmolStr = last.map(|last| last.entry_type.clone().into()).unwrap_or_default();
    let rule = ruled.as_ref().and_then(|ruled| ruled.definition.entry_type(&entry_type));
    Changed {
        title: title(rule.map(|rule| &rule.title), &entry_type),
        entry_type,
        issuer: last.map(|last| last.issuer.clone().into()).unwrap_or_default(),
        recorded_at: past.changed.recorded_at,
        effective_at: last.map_or(Timestamp::MIN, |last| last.effective_at),
        position,
    }
}

/// A code that no definition knows is told as it is written.
pub(super) fn title(words: Option<&Words>, code: &str) -> Title {
    words.map_or_else(|| Title { ru: code.into(), en: code.into() }, Title::from)
}
