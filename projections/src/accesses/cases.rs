//! Officials outside their cases: they looked at someone with whom their department had nothing to do at that moment.
//!
//! A department had to do with a person when one of its registers held a record of them that was in force; or when it had
//! made an entry in such a record in the last days; or when something of theirs waited for it: a request, an offer to decide
//! on, a question about an access. All of it is folded from the entries before the look, so that what came later neither
//! excuses nor accuses anyone.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    definitions::Definitions,
    platform::{ACCESSES, OFFERS, REQUESTS},
};
use eventstore::{
    Store, StoreError, args,
    sql::{self, Col, RowSet},
};
use uuid::Uuid;

use super::patterns::{Look, Pattern, where_};
use crate::{
    ProjectionError,
    batch::{self, Life, Step},
    common,
};

/// Persons whose records are folded at once: at some ten records of a few entries each, a few megabytes.
const PERSONS_AT_ONCE: usize = 200;
/// Records read in one query.
const RECORDS_AT_ONCE: usize = 1_000;
/// What waits for the department that it names: in which register, in which status.
const WAITING: [(&str, &str); 4] =
    [(REQUESTS, "submitted"), (REQUESTS, "in-work"), (OFFERS, "referred"), (ACCESSES, "questioned")];

/// The looks of each official that were outside their department's cases.
pub(super) async fn outside(
    store: &Store,
    definitions: &Definitions,
    looks: &[Look],
    recent_days: u32,
) -> Result<Vec<Pattern>, ProjectionError> {
    let persons: BTreeSet<Uuid> = looks.iter().map(|look| look.person).collect();
    let persons: Vec<Uuid> = persons.into_iter().collect();
    let mut outside: BTreeSet<Uuid> = BTreeSet::new();
    for some in persons.chunks(PERSONS_AT_ONCE) {
        let lives = lives(store, definitions, some).await?;
        for look in looks.iter().filter(|look| some.binary_search(&look.person).is_ok()) {
            let of_person = lives.get(&look.person).into_iter().flatten();
            let mut cases = of_person.filter(|life| is_case(definitions, life, look, recent_days));
            if cases.next().is_none() {
                outside.insert(look.record);
            }
        }
    }
    Ok(where_(looks, |look| outside.contains(&look.record)))
}

/// Had the department to do with the person through this record, at the moment of the look?
fn is_case(definitions: &Definitions, life: &Life, look: &Look, recent_days: u32) -> bool {
    let before = |step: &&Step| step.position < look.position;
    let Some(then) = life.steps().iter().rev().find(before) else { return false };
    let concerns = |step: &Step| {
        life.record == look.person
            || step.after.subjects.iter().any(|subject| subject.person() == Some(look.person))
    };
    let Some(ruling) = definitions.at_position(&life.register, look.position) else { return false };
    let definition = &ruling.definition;
    if definition.owner == look.department {
        let since = look.at.millis() - i64::from(recent_days) * 86_400_000;
        let recent = |step: &Step| step.recorded_at.millis() >= since && concerns(step);
        return concerns(then) && definition.in_force(&then.after.status)
            || life.steps().iter().filter(before).any(recent);
    }
    let waits =
        WAITING.iter().any(|(register, status)| life.register == **register && then.after.status == *status);
    waits
        && concerns(then)
        && then.content.members.get("department").and_then(|slug| slug.as_str())
            == Some(look.department.as_str())
}

/// The lives of all records that concern these persons, or once did.
async fn lives(
    store: &Store,
    definitions: &Definitions,
    persons: &[Uuid],
) -> Result<BTreeMap<Uuid, Vec<Life>>, ProjectionError> {
    let mut of: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
    for (person, record) in records(store, persons).await? {
        of.entry(record).or_default().insert(person);
    }
    // Of `persons` a record is the person.
    for person in persons {
        of.entry(*person).or_default().insert(*person);
    }
    let ids: Vec<Uuid> = of.keys().copied().collect();
    let mut lives: BTreeMap<Uuid, Vec<Life>> = BTreeMap::new();
    for some in ids.chunks(RECORDS_AT_ONCE) {
        let stored = store.read_records(some).await?;
        for entries in stored.chunk_by(|one, next| one.record() == next.record()) {
            for person in of.get(&entries[0].record()).into_iter().flatten() {
                lives.entry(*person).or_default().push(batch::life(definitions, entries, 0)?);
            }
        }
    }
    Ok(lives)
}

/// (person, record) of what two projections know of these persons.
async fn records(store: &Store, persons: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>, ProjectionError> {
    let mut pairs = Vec::new();
    // An access about which nothing was asked is nobody's case.
    for (projection, table, which) in
        [("account", "account_record", ""), ("accesses", "access_record", "AND t.version > 1")]
    {
        let mut rows = RowSet::new();
        for person in persons {
            rows.push(args![*person]);
        }
        let from = sql::rows(store.db().dialect(), "$1", &[("person", Col::Blob)]);
        let statement = format!(
            "SELECT t.person, t.record FROM {from} AS r CROSS JOIN {table} AS t WHERE t.person = r.person {which} \
             AND t.build = (SELECT build FROM projection WHERE name = '{projection}' AND live = 1)"
        );
        let found = store.db().fetch_all(&statement, vec![rows.into_arg()]).await?;
        let of = |row: &sql::Row| -> Result<(Uuid, Uuid), StoreError> {
            Ok((row.uuid("person")?, row.uuid("record")?))
        };
        pairs.extend(common::read(&found, table, of)?);
    }
    Ok(pairs)
}
