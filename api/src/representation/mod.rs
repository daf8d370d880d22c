//! Who may act for whom, asked of the entries.
//!
//! The projections only say where to look; what is found is folded from the journal and judged by
//! [`domain::representation`]. They are waited for until they have come as far as the journal was when the question was
//! asked, so that a decision of a court that was recorded before it is never missed.

use std::collections::BTreeSet;

use domain::platform::PERSONS;
use domain::representation::{
    self as rules, BASES, Fact, Facts, Mandate, ORGANISATION_REPRESENTATIVES, POWERS, REGISTERS, Whom,
};
use projections::account::{self, Holder};
use proofs::slug::Slug;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::limits::WAIT_TIMEOUT;
use crate::problem::{self, Problem};
use crate::registry::{Folded, Knowledge};

/// Records that are looked at when someone asks for whom they may act: a notary's busiest representative has some hundreds of
/// powers. The newest are shown, and the answer says that there are more; acting by an older one is possible all the same.
pub const CANDIDATES_MAX: u32 = 500;
/// Records that may bear on those persons: some ten each.
const BEARING_MAX: u32 = 20_000;

/// For whom someone may act.
pub struct Represented {
    /// By whom and as what.
    pub mandates: Vec<Mandate>,
    /// The records looked at, with the names of those represented.
    pub facts: Facts,
    /// Were there more candidates than are looked at?
    pub more: bool,
}

/// Everyone for whom `actor` may act now.
pub async fn represented(state: &AppState, actor: Uuid) -> Result<Represented, Problem> {
    caught_up(state, &["account"]).await?;
    let knowledge = state.registry().knowledge();
    let bases = slugs(BASES.iter().map(|(register, _)| *register))?;
    let db = state.store().db();
    let mut candidates = account::concerning(db, &[actor], &bases, CANDIDATES_MAX + 1).await?;
    let more = candidates.len() > CANDIDATES_MAX as usize;
    candidates.truncate(CANDIDATES_MAX as usize);
    let facts = facts(state, &knowledge, actor, candidates).await?;
    let mandates = rules::mandates(&facts, actor, today(state));
    Ok(Represented { mandates, facts, more })
}

/// By what `actor` may act for `whom` now; nothing when they may not.
pub async fn mandates_for(state: &AppState, actor: Uuid, whom: &Whom) -> Result<Vec<Mandate>, Problem> {
    let (other, registers, projections): (_, Vec<&str>, &[&str]) = match whom {
        Whom::Person(person) => {
            (Holder::Person(*person), BASES.iter().map(|(register, _)| *register).collect(), &["account"])
        }
        Whom::Organisation { ogrn } => {
            let registers = vec![POWERS, ORGANISATION_REPRESENTATIVES];
            (Holder::Organisation(ogrn.clone()), registers, &["account", "organisations"])
        }
    };
    caught_up(state, projections).await?;
    let knowledge = state.registry().knowledge();
    let candidates = account::between(state.store().db(), actor, other, &slugs(registers)?).await?;
    let facts = facts(state, &knowledge, actor, candidates).await?;
    Ok(rules::mandates_for(&facts, actor, whom, today(state)))
}

/// The candidates, and what else bears on the actor and on those they name.
async fn facts(
    state: &AppState,
    knowledge: &Knowledge,
    actor: Uuid,
    candidates: Vec<Uuid>,
) -> Result<Facts, Problem> {
    let mut facts = Facts::new(fold(state, knowledge, &candidates).await?);
    let mut persons = BTreeSet::from([actor]);
    for fact in facts.iter() {
        persons.extend(fact.subjects.iter().filter_map(domain::subject::Subject::person));
    }
    let persons: Vec<Uuid> = persons.into_iter().collect();
    let db = state.store().db();
    let mut bearing = account::concerning(db, &persons, &slugs(REGISTERS)?, BEARING_MAX + 1).await?;
    if bearing.len() > BEARING_MAX as usize {
        // One left out could be the one that ends a mandate.
        return Err(Problem::new(
            problem::OVERLOADED,
            "Too many records bear on those whom you may act for to look at in one request.",
        ));
    }
    bearing.retain(|record| !facts.has(*record));
    bearing.extend(persons);
    for fact in fold(state, knowledge, &bearing).await? {
        facts.insert(fact);
    }
    Ok(facts)
}

async fn fold(state: &AppState, knowledge: &Knowledge, records: &[Uuid]) -> Result<Vec<Fact>, Problem> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let stored = state.store().read_records(records).await?;
    let mut facts = Vec::with_capacity(records.len());
    for entries in stored.chunk_by(|one, next| one.record() == next.record()) {
        let folded = Folded::fold(entries, knowledge).map_err(|error| Problem::internal(&error))?;
        facts.extend(Fact::of(folded.record.record(), &knowledge.definitions));
    }
    Ok(facts)
}

/// Waits until these projections have all that the journal has now.
async fn caught_up(state: &AppState, projections: &[&str]) -> Result<(), Problem> {
    let position = state.store().position().await?;
    for projection in projections {
        state.projections().wait_for(projection, position, WAIT_TIMEOUT).await?;
    }
    Ok(())
}

fn today(state: &AppState) -> chrono::NaiveDate {
    state.store().clock().now().date()
}

fn slugs<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Slug>, Problem> {
    names.into_iter().map(|name| name.parse().map_err(|error| Problem::internal(&error))).collect()
}

/// The person's own record among the facts: what it says of their name.
pub fn name_of(facts: &Facts, person: Uuid) -> Option<String> {
    let own = facts.get(person).filter(|fact| fact.register == *PERSONS)?;
    let person = domain::person::Person::from_content(&serde_json::Value::Object(own.content.clone()))?;
    Some(person.name.full())
}
