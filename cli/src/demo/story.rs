//! Sample stories: what happens in the life of a person's records, from `fixtures/samples/<register>.json`.

use chrono::{Days, NaiveDate};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::people::{Age, HOUSEHOLD, Lists, Person, organisation, record_id, rng};
use super::template::{Scope, fill};

/// Samples go back this far.
const HISTORY_DAYS: u64 = 5 * 365;
/// Records of one register that one person may hold in the sample; serials are spaced by it.
const RECORDS_PER_PERSON_MAX: u64 = 8;
/// Different organisations in the sample, so that one holds several licences.
const ORGANISATIONS: u64 = 400;

/// One sample file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The share of eligible people who get a record, 0 to 1.
    #[serde(default = "all")]
    share: f64,
    /// How many records each of those gets, from and to.
    #[serde(default = "one")]
    per_person: [u64; 2],
    /// Who is eligible.
    #[serde(default)]
    subject: Subject,
    /// `male` or `female`, where only they are.
    sex: Option<String>,
    /// Years of age today, from and to, where only they are.
    age: Option<[i32; 2]>,
    stories: Vec<Story>,
}

fn all() -> f64 {
    1.0
}

fn one() -> [u64; 2] {
    [1, 1]
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Subject {
    #[default]
    Adult,
    Any,
    Child,
    Pensioner,
    Organisation,
    Couple,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    #[serde(default = "unit")]
    weight: u32,
    entries: Vec<Step>,
}

fn unit() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    r#type: String,
    #[serde(default)]
    after_days: [u64; 2],
    body: Value,
}

/// An entry to be appended.
pub struct SampleEntry {
    /// The record, made by the story's first entry.
    pub record: Uuid,
    /// 1 for the story's first entry, and so on.
    pub version: u64,
    /// Entry type.
    pub entry_type: String,
    /// The day it took effect.
    pub day: NaiveDate,
    /// Its body.
    pub body: Value,
}

impl Sample {
    /// The entries of one household in this register, in an order in which they may be appended.
    ///
    /// The error names the template or entry that cannot be made.
    pub fn entries(
        &self,
        register: &str,
        lists: &Lists,
        household: &[Person],
        today: NaiveDate,
    ) -> Result<Vec<SampleEntry>, String> {
        let mut entries = Vec::new();
        for person in household.iter().filter(|person| self.eligible(person, today)) {
            let mut rng = rng(register, person.index);
            if !rng.random_bool(self.share.clamp(0.0, 1.0)) {
                continue;
            }
            let records = rng.random_range(self.per_person[0]..=self.per_person[1].max(self.per_person[0]));
            for nth in 0..records.min(RECORDS_PER_PERSON_MAX) {
                let serial = person.index * RECORDS_PER_PERSON_MAX + nth;
                let story = self.choose(&mut rng);
                let teller = Teller { lists, household, person, today, serial };
                teller.tell(story, &mut rng, &mut entries).map_err(|what| format!("{register}: {what}"))?;
            }
        }
        Ok(entries)
    }

    fn eligible(&self, person: &Person, today: NaiveDate) -> bool {
        let of_sex = self.sex.as_ref().is_none_or(|sex| person.field("sex").as_ref() == Some(sex));
        let of_age = self
            .age
            .is_none_or(|[from, to]| today >= person.birthday(from) && today < person.birthday(to + 1));
        of_sex && of_age && self.is_subject(person, today)
    }

    fn is_subject(&self, person: &Person, today: NaiveDate) -> bool {
        match self.subject {
            Subject::Any => true,
            Subject::Child => person.age == Age::Child,
            Subject::Pensioner => person.age == Age::Pensioner,
            Subject::Adult | Subject::Organisation => person.adult_on(today),
            // One of the two stands for the couple, so that a marriage is recorded once.
            Subject::Couple => person.spouse.is_some_and(|spouse| person.index < spouse),
        }
    }

    fn choose(&self, rng: &mut ChaCha8Rng) -> Option<&Story> {
        let total: u32 = self.stories.iter().map(|story| story.weight).sum();
        let mut at = rng.random_range(0..total.max(1));
        self.stories.iter().find(|story| {
            let chosen = at < story.weight;
            at = at.saturating_sub(story.weight);
            chosen
        })
    }
}

struct Teller<'a> {
    lists: &'a Lists,
    household: &'a [Person],
    person: &'a Person,
    today: NaiveDate,
    serial: u64,
}

impl Teller<'_> {
    fn tell(
        &self,
        story: Option<&Story>,
        rng: &mut ChaCha8Rng,
        into: &mut Vec<SampleEntry>,
    ) -> Result<(), String> {
        let Some(story) = story else { return Ok(()) };
        let organisation = organisation(self.lists, self.serial / HOUSEHOLD % ORGANISATIONS);
        let start = self.today.checked_sub_days(Days::new(HISTORY_DAYS)).unwrap_or(self.today);
        let mut day = match self.person.age {
            Age::Child => self.person.birth_date.max(start),
            _ => start.max(self.person.birthday(18)),
        };
        let mut first: Option<Value> = None;
        let mut record = Uuid::nil();
        for (step, version) in story.entries.iter().zip(1..) {
            let wait = rng.random_range(step.after_days[0]..=step.after_days[1].max(step.after_days[0]));
            let then = day.checked_add_days(Days::new(wait)).unwrap_or(self.today);
            if then > self.today && version > 1 {
                break;
            }
            // A first entry always happens: a story must not vanish because its subject is young.
            day = then.min(self.today);
            if first.is_none() {
                record = record_id(day, rng);
            }
            let scope = Scope {
                person: self.person,
                household: self.household,
                organisation: &organisation,
                day,
                serial: self.serial,
                first: first.as_ref(),
            };
            let body =
                fill(&step.body, &scope, rng).map_err(|what| format!("type {}: {what}", step.r#type))?;
            first.get_or_insert_with(|| body.clone());
            into.push(SampleEntry { record, version, entry_type: step.r#type.clone(), day, body });
        }
        Ok(())
    }
}
