//! Fills a store with samples, once: every request has an idempotency key, so a load that was interrupted goes on.

use std::fs;
use std::path::Path;

use api::registry::{Actor, AppendRequest, EntryRequest, Refusal, Registry};
use chrono::NaiveDate;
use domain::platform::{PLATFORM, TRIGGERS};
use eventstore::Store;
use futures_util::{StreamExt, TryStreamExt, stream};
use proofs::slug::{EntryType, Slug};
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{HOUSEHOLD, Lists, Person, household};
use super::story::{Sample, SampleEntry};
use crate::failure::{Failure, refused};
use crate::fixtures;
use crate::progress::Progress;
use crate::rsf;

/// Households appended together: a hundred people, some thousand entries.
const BLOCK: u64 = 10;
/// Requests under way at once: enough to fill the appender's batches on two cores.
const CONCURRENT: usize = 8;
/// Entries in one request; the API takes up to 1,000.
const CHUNK: usize = 500;
/// Which department keeps each real register, where its file does not say so in our words.
const REAL_OWNERS: [(&str, &str); 2] = [
    ("country", "foreign-commonwealth-office"),
    ("further-education-college-uk", "department-for-international-trade"),
];

/// The department whose credentials the demo writes.
pub const DEPARTMENT: &str = "gibdd";
/// The register that the demo's examples are about.
pub const REGISTER: &str = "driving-licences";

/// The people whom the demo's tokens stand for.
pub struct Cast {
    /// A citizen with a family.
    pub citizen: Person,
    /// A citizen who has nothing to do with the first.
    pub other: Person,
    /// An official of [`DEPARTMENT`].
    pub official: Person,
    /// The household they come from.
    pub household: Vec<Person>,
    /// Lists and stories.
    pub samples: Samples,
    /// The day on which the store was made: samples are dated from it.
    pub today: NaiveDate,
}

/// What samples are made from.
pub struct Samples {
    /// Names and places.
    pub lists: Lists,
    /// Stories by register.
    pub stories: Vec<(Slug, Slug, Sample)>,
}

/// Says that a store was filled, and with what.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Loaded {
    people: u64,
    /// Verifier key of the register `departments`: tells one store from another.
    store: String,
}

/// Loads what is not there yet.
pub async fn load(
    store: &Store,
    registry: &Registry,
    data: &Path,
    people: u64,
    progress: Progress,
) -> Result<Cast, Failure> {
    let departments = slug("departments")?;
    let log = store.log(&departments).await.map_err(|error| Failure::because("the store", &error))?;
    let log = log.ok_or_else(|| Failure::failed("the store has no register departments"))?;
    let first = store.entry(&departments, 0).await.map_err(|error| Failure::because("the store", &error))?;
    let today = first.ok_or_else(|| Failure::failed("the register departments is empty"))?.recorded_at.date();
    let cast = cast(today)?;
    let loaded = Loaded { people, store: log.key.to_string() };
    let marker = data.join("demo.json");
    let before: Option<Loaded> = fs::read(&marker).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if before.as_ref() == Some(&loaded) {
        return Ok(cast);
    }
    platform(registry, progress).await?;
    rules(registry, progress).await?;
    sample_people(registry, &cast, people, progress).await?;
    appoint(registry, &cast).await?;
    real(registry, progress).await?;
    let text = serde_json::to_vec(&loaded).map_err(|error| Failure::because("demo.json", &error))?;
    fs::write(&marker, text)
        .map_err(|error| Failure::failed(format!("cannot write {}: {error}", marker.display())))?;
    Ok(cast)
}

fn slug(text: &str) -> Result<Slug, Failure> {
    text.parse().map_err(|error| Failure::because(text, &error))
}

fn cast(today: NaiveDate) -> Result<Cast, Failure> {
    let lists = Lists {
        names: fixtures::people("names")?,
        places: fixtures::people("places")?,
        organisations: fixtures::people("organisations")?,
    };
    let mut stories = Vec::new();
    for definition in fixtures::registers()? {
        let said = |member: &str| slug(definition.get(member).and_then(Value::as_str).unwrap_or_default());
        let register = said("slug")?;
        if let Some(sample) = fixtures::sample(register.as_ref())? {
            stories.push((register, said("owner")?, sample));
        }
    }
    let household = household(&lists, 0, today);
    let member = |slot: usize| household[slot].clone();
    let (citizen, other, official) = (member(0), member(4), member(7));
    Ok(Cast { citizen, other, official, household, samples: Samples { lists, stories }, today })
}

/// Departments and definitions.
async fn platform(registry: &Registry, progress: Progress) -> Result<(), Failure> {
    let departments = fixtures::departments()?;
    let bar = progress.bar("departments", departments.len() as u64);
    for department in departments {
        let what = format!("department {}", department["slug"]);
        registry.establish_department(department).await.map_err(|error| because(&what, &error))?;
        bar.add(1);
    }
    bar.finish();
    let registers = fixtures::registers()?;
    let bar = progress.bar("registers", registers.len() as u64);
    for register in registers {
        let what = format!("register {}", register["slug"]);
        registry.define_register(register).await.map_err(|error| because(&what, &error))?;
        bar.add(1);
    }
    bar.finish();
    Ok(())
}

/// Proactive rules. They are published before anything happens to anyone: a rule says nothing of what was before it.
async fn rules(registry: &Registry, progress: Progress) -> Result<(), Failure> {
    let rules = fixtures::triggers()?;
    let bar = progress.bar("rules", rules.len() as u64);
    for rule in rules {
        let name = rule["slug"].as_str().unwrap_or_default().to_owned();
        let entry = EntryRequest::Platform {
            record: None,
            version: None,
            entry_type: entry_type("published")?,
            effective_at: None,
            body: json!({ "slug": name, "rule": rule }),
        };
        let key = format!("demo:trigger:{name}");
        submit(registry, &slug(TRIGGERS)?, &slug(PLATFORM)?, key, vec![entry]).await?;
        bar.add(1);
    }
    bar.finish();
    Ok(())
}

async fn appoint(registry: &Registry, cast: &Cast) -> Result<(), Failure> {
    let department = slug(DEPARTMENT)?;
    let knowledge = registry.knowledge();
    let record = knowledge
        .departments
        .get(&department)
        .ok_or_else(|| Failure::failed(format!("there is no department {DEPARTMENT}")))?
        .record;
    let entry = EntryRequest::Platform {
        record: Some(record),
        version: None,
        entry_type: entry_type("official-appointed")?,
        effective_at: None,
        body: json!({ "official": cast.official.record, "position": "Инспектор (образец)" }),
    };
    submit(registry, &slug("departments")?, &slug("platform")?, "demo:official".to_owned(), vec![entry]).await
}

/// People and their records, block by block.
async fn sample_people(
    registry: &Registry,
    cast: &Cast,
    people: u64,
    progress: Progress,
) -> Result<(), Failure> {
    let bar = progress.bar("sample people", people);
    let households = people.div_ceil(HOUSEHOLD);
    for first in (0..households).step_by(usize::try_from(BLOCK).unwrap_or(1)) {
        let numbers = first..(first + BLOCK).min(households);
        let block: Vec<Vec<Person>> =
            numbers.map(|number| household(&cast.samples.lists, number, cast.today)).collect();
        let accounts = block
            .iter()
            .flatten()
            .map(|person| account(person, cast.today))
            .collect::<Result<Vec<_>, _>>()?;
        let count = accounts.len() as u64;
        submit(registry, &slug("persons")?, &slug("platform")?, format!("demo:persons:{first}"), accounts)
            .await?;
        stream::iter(&cast.samples.stories)
            .map(Ok)
            .try_for_each_concurrent(CONCURRENT, |(register, owner, sample)| {
                let (block, lists) = (&block, &cast.samples.lists);
                async move {
                    let mut entries = Vec::new();
                    for household in block {
                        let told = sample.entries(register.as_ref(), lists, household, cast.today);
                        let told =
                            told.map_err(|what| Failure::failed(format!("fixtures/samples/{what}")))?;
                        entries.extend(told.into_iter().map(entry_request).collect::<Result<Vec<_>, _>>()?);
                    }
                    for (nth, chunk) in entries.chunks(CHUNK).enumerate() {
                        let key = format!("demo:{register}:{first}:{nth}");
                        submit(registry, register, owner, key, chunk.to_vec()).await?;
                    }
                    Ok::<(), Failure>(())
                }
            })
            .await?;
        bar.add(count);
    }
    bar.finish();
    Ok(())
}

fn account(person: &Person, today: NaiveDate) -> Result<EntryRequest, Failure> {
    let day = person.birth_date.max(today - chrono::Days::new(5 * 365));
    entry_request(SampleEntry {
        record: person.record,
        version: 1,
        entry_type: "opened".to_owned(),
        day,
        body: person.opened(),
    })
}

fn entry_request(entry: SampleEntry) -> Result<EntryRequest, Failure> {
    Ok(EntryRequest::Platform {
        record: Some(entry.record),
        version: Some(entry.version),
        entry_type: entry_type(&entry.entry_type)?,
        effective_at: Some(morning(entry.day)),
        body: entry.body,
    })
}

/// Nine in the morning, UTC.
pub fn morning(day: NaiveDate) -> Timestamp {
    let nine = chrono::TimeDelta::hours(9);
    let at = day.and_time(chrono::NaiveTime::MIN).and_utc() + nine;
    Timestamp::from_millis(at.timestamp_millis())
}

fn entry_type(name: &str) -> Result<EntryType, Failure> {
    name.parse().map_err(|error| Failure::because(name, &error))
}

async fn submit(
    registry: &Registry,
    register: &Slug,
    owner: &Slug,
    key: String,
    entries: Vec<EntryRequest>,
) -> Result<(), Failure> {
    let described: Vec<(Option<Uuid>, String)> = entries.iter().map(describe).collect();
    let mut request = AppendRequest::new(register.clone(), Actor::local(owner.clone()), entries);
    request.idempotency_key = Some(key);
    registry.append(request).await.map(drop).map_err(|error| {
        let at = error.entry.and_then(|at| described.get(at));
        let what = at.map_or_else(String::new, |(_, entry_type)| format!(", type {entry_type}"));
        because(&format!("sample of {register}{what}"), &error)
    })
}

fn describe(entry: &EntryRequest) -> (Option<Uuid>, String) {
    match entry {
        EntryRequest::Platform { record, entry_type, .. } => (*record, entry_type.to_string()),
        EntryRequest::Signed { .. } => (None, "signed".to_owned()),
    }
}

/// A refusal with the place of each fault: whoever writes a fixture needs it.
pub fn because(what: &str, refusal: &Refusal) -> Failure {
    Failure::failed(format!("{what}: {}", refused(refusal)))
}

/// The real registers of `fixtures/real`.
async fn real(registry: &Registry, progress: Progress) -> Result<(), Failure> {
    for (name, text) in fixtures::real() {
        let owner =
            REAL_OWNERS.iter().find(|(register, _)| *register == name).map_or("registers-team", |(_, o)| *o);
        rsf::import::import(registry, text, &slug(&name)?, &slug(owner)?, progress).await?;
    }
    Ok(())
}
