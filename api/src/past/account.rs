//! An account as of a time: the records that concerned the person then.

use std::collections::BTreeMap;

use domain::asof::{AsOf, Past};
use domain::definition::Group;
use domain::definitions::Definitions;
use domain::platform::PERSONS;
use domain::subject::Subject;
use eventstore::Store;
use projections::account::{GroupCount, Holder};
use projections::{PAGE_ROWS_MAX, PageRequest};
use proofs::slug::Slug;
use serde_json::Value;
use smol_str::SmolStr;
use uuid::Uuid;

use super::record::{Told, definition, title};
use super::walk::{ACCOUNT_RECORDS_MAX, Of, PastError, record, seen_by, walk};
use crate::registry::Knowledge;
use crate::routes::v1::account::records::AccountRecordItem;

/// The record as it concerned a person or an organisation then.
pub fn account_item(
    past: &Past,
    holder: &Holder,
    definitions: &Definitions,
    as_of: AsOf,
) -> AccountRecordItem {
    let told = Told::of(past, definitions, as_of);
    let state = &past.record.state;
    let register: SmolStr = state.register.clone().map(SmolStr::from).unwrap_or_default();
    let then = told.definition.as_deref();
    AccountRecordItem {
        record: state.record,
        register_title: title(then.map(|then| &then.title), &register),
        register,
        group: then.map(|then| then.group.as_str()),
        department: then.map(|then| then.owner.clone().into()),
        roles: roles(past, holder),
        number: state.number.clone(),
        status: state.status.clone(),
        status_title: told.status,
        in_force: told.in_force,
        valid_from: state.valid_from,
        valid_until: state.valid_until,
        version: state.version,
        opened_at: past.opened.recorded_at,
        changed: told.changed,
        former_since: None,
    }
}

/// In which roles the record concerned them, in order.
fn roles(past: &Past, holder: &Holder) -> Vec<String> {
    let is = |subject: &&Subject| match holder {
        Holder::Person(person) => subject.person() == Some(*person),
        Holder::Organisation(ogrn) => {
            subject.organisation().is_some_and(|organisation| organisation.ogrn.as_ref() == Some(ogrn))
        }
    };
    let subjects = past.record.state.subjects.iter().filter(is);
    let mut roles: Vec<String> = subjects.map(|subject| subject.role.clone()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// What the person's own record said then; nothing when there was none.
pub async fn profile(
    store: &Store,
    knowledge: &Knowledge,
    person: Uuid,
    as_of: AsOf,
) -> Result<Option<Value>, PastError> {
    // The name is a slug: every statement of the register says so.
    let Ok(persons) = PERSONS.parse::<Slug>() else { return Ok(None) };
    let past = record(store, knowledge, &persons, person, as_of).await?;
    Ok(past.map(|past| past.record.content.to_json()))
}

/// What they held then, by group and register: counted over all records that ever concerned them.
pub async fn groups(
    store: &Store,
    knowledge: &Knowledge,
    holder: &Holder,
    as_of: AsOf,
    sees: impl Fn(&Slug) -> bool,
) -> Result<Vec<GroupCount>, PastError> {
    let mut counts: BTreeMap<(Option<Group>, Slug), GroupCount> = BTreeMap::new();
    let mut page = PageRequest::first(PAGE_ROWS_MAX);
    let mut counted = 0;
    loop {
        let keeps =
            |past: &Past| seen_by(past, holder) && past.record.state.register.as_ref().is_some_and(&sees);
        let found = walk(store, knowledge, Of::Holder(holder.clone(), None), as_of, page, keeps).await?;
        for past in &found.items {
            count(&mut counts, past, &knowledge.definitions, as_of);
        }
        counted += PAGE_ROWS_MAX as usize;
        match found.next {
            None => return Ok(counts.into_values().collect()),
            Some(_) if counted > ACCOUNT_RECORDS_MAX => return Err(PastError::TooMany),
            next => page = PageRequest { cursor: next, limit: PAGE_ROWS_MAX },
        }
    }
}

fn count(
    counts: &mut BTreeMap<(Option<Group>, Slug), GroupCount>,
    past: &Past,
    definitions: &Definitions,
    as_of: AsOf,
) {
    let state = &past.record.state;
    let Some(register) = &state.register else { return };
    let then = definition(definitions, register, as_of);
    let group = then.as_ref().map(|then| then.group);
    let count = counts.entry((group, register.clone())).or_insert_with(|| GroupCount {
        group,
        register: register.clone(),
        title: then.as_ref().map_or_else(
            || domain::definition::Title { ru: register.as_str().into(), en: register.as_str().into() },
            |then| then.title.clone(),
        ),
        records: 0,
        in_force: 0,
    });
    count.records += 1;
    if then.is_some_and(|then| then.in_force(&state.status)) {
        count.in_force += 1;
    }
}
