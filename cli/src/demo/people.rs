//! Sample people: generated, deterministic for an index, and marked as samples in their first entry.
//!
//! People come in households of ten, so that births, marriages and family rules have something to stand on:
//! a couple with two children, a couple of pensioners, a single adult, and two unmarried parents with a child.

use chrono::{Datelike, Days, NaiveDate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// People in one household: the unit in which the sample is generated.
pub const HOUSEHOLD: u64 = 10;
/// The seed of everything sampled. Another seed would be another country; nobody needs two.
const SEED: u64 = 0x5245_4553_5452;

/// Names to draw from: `fixtures/people/names.json`.
#[derive(Deserialize)]
pub struct Names {
    male: NameLists,
    female: NameLists,
}

#[derive(Deserialize)]
struct NameLists {
    given: Vec<String>,
    patronymic: Vec<String>,
    family: Vec<String>,
}

/// A city and its streets: one item of `fixtures/people/places.json`.
#[derive(Deserialize)]
pub struct Place {
    region: String,
    city: String,
    /// The first four digits of the city's postal codes.
    postal_prefix: String,
    streets: Vec<String>,
}

/// Parts of organisations' names: `fixtures/people/organisations.json`.
#[derive(Deserialize)]
pub struct OrganisationParts {
    forms: Vec<String>,
    names: Vec<String>,
    activities: Vec<String>,
}

/// The lists that people and organisations are drawn from.
pub struct Lists {
    /// Given names, patronymics and family names.
    pub names: Names,
    /// Cities and streets.
    pub places: Vec<Place>,
    /// Parts of organisations' names.
    pub organisations: OrganisationParts,
}

/// Where a person stands in the household.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// Under 18.
    Child,
    /// 19 to 28; an adult.
    Young,
    /// 36 to 58.
    Adult,
    /// 66 and over; an adult too.
    Pensioner,
}

/// A generated person. Any likeness is chance.
#[derive(Clone)]
pub struct Person {
    /// Which sample person this is, from 0.
    pub index: u64,
    /// The person's record in the register `persons`.
    pub record: Uuid,
    /// Child, adult or pensioner.
    pub age: Age,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Index of the spouse, if married.
    pub spouse: Option<u64>,
    /// Indexes of mother and father, of a child.
    pub parents: Option<(u64, u64)>,
    /// Indexes of children.
    pub children: Vec<u64>,
    family: String,
    given: String,
    patronymic: String,
    male: bool,
    snils: String,
    inn: String,
    phone: String,
    region: String,
    city: String,
    street: String,
    house: String,
    flat: String,
    postal_code: String,
}

/// A random source for one purpose and index: independent of what else was drawn.
pub fn rng(purpose: &str, index: u64) -> ChaCha8Rng {
    let purpose = purpose.bytes().fold(SEED, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    ChaCha8Rng::seed_from_u64(purpose ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A deterministic record identifier (UUIDv7) of that day.
pub fn record_id(day: NaiveDate, rng: &mut ChaCha8Rng) -> Uuid {
    let millis = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
    let mut random = [0; 10];
    rng.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &random).into_uuid()
}

fn pick<'a>(rng: &mut ChaCha8Rng, from: &'a [String]) -> &'a str {
    from.get(rng.random_range(0..from.len().max(1))).map_or("", String::as_str)
}

/// The household with this number, its people in order.
pub fn household(lists: &Lists, number: u64, today: NaiveDate) -> Vec<Person> {
    let mut rng = rng("household", number);
    let mut people: Vec<Person> = Vec::with_capacity(10);
    let first = number * HOUSEHOLD;
    let two_places = [place(lists, &mut rng), place(lists, &mut rng), place(lists, &mut rng)];
    for slot in 0..HOUSEHOLD {
        let (male, age, spouse, parents, home) = match slot {
            0 => (true, Age::Adult, Some(1), None, 0),
            1 => (false, Age::Adult, Some(0), None, 0),
            2 | 3 => (rng.random_bool(0.5), Age::Child, None, Some((1, 0)), 0),
            5 => (true, Age::Pensioner, Some(6), None, 1),
            6 => (false, Age::Pensioner, Some(5), None, 1),
            7 => (false, Age::Adult, None, None, 2),
            8 => (rng.random_bool(0.5), Age::Child, None, Some((7, 9)), 2),
            4 => (true, Age::Young, None, None, 2),
            _ => (true, Age::Adult, None, None, 2),
        };
        let mut person = individual(lists, &mut rng, first + slot, male, age, today, &two_places[home]);
        person.spouse = spouse.map(|s| first + s);
        person.parents = parents.map(|(mother, father)| (first + mother, first + father));
        people.push(person);
    }
    for (parent, children) in [(0, vec![2, 3]), (1, vec![2, 3]), (7, vec![8]), (9, vec![8])] {
        people[parent].children = children.iter().map(|c| first + c).collect();
    }
    name_families(lists, &mut rng, &mut people);
    people
}

struct Home {
    region: String,
    city: String,
    street: String,
    house: u32,
    flat: u32,
    postal_code: String,
}

fn place(lists: &Lists, rng: &mut ChaCha8Rng) -> Home {
    let place = &lists.places[rng.random_range(0..lists.places.len())];
    Home {
        region: place.region.clone(),
        city: place.city.clone(),
        street: pick(rng, &place.streets).to_owned(),
        house: rng.random_range(1..120),
        flat: rng.random_range(1..300),
        postal_code: format!("{}{:02}", place.postal_prefix, rng.random_range(0..100)),
    }
}

fn individual(
    lists: &Lists,
    rng: &mut ChaCha8Rng,
    index: u64,
    male: bool,
    age: Age,
    today: NaiveDate,
    home: &Home,
) -> Person {
    let years = match age {
        Age::Child => rng.random_range(0..15),
        Age::Young => rng.random_range(19..29),
        Age::Adult => rng.random_range(36..58),
        Age::Pensioner => rng.random_range(66..86),
    };
    let days = years * 365 + rng.random_range(30..330);
    let birth_date = today.checked_sub_days(Days::new(days)).unwrap_or(today);
    let names = if male { &lists.names.male } else { &lists.names.female };
    Person {
        index,
        record: record_id(today, rng),
        age,
        birth_date,
        spouse: None,
        parents: None,
        children: Vec::new(),
        family: String::new(),
        given: pick(rng, &names.given).to_owned(),
        patronymic: pick(rng, &names.patronymic).to_owned(),
        male,
        snils: snils(spread(index, 899_999_999) + 100_000_000),
        inn: inn_of_person(7_700_000_000 + spread(index, 99_999_999)),
        phone: format!("+7900{:07}", spread(index, 9_999_999)),
        region: home.region.clone(),
        city: home.city.clone(),
        street: home.street.clone(),
        house: home.house.to_string(),
        flat: home.flat.to_string(),
        postal_code: home.postal_code.clone(),
    }
}

/// Families share a name, in its form for each.
fn name_families(lists: &Lists, rng: &mut ChaCha8Rng, people: &mut [Person]) {
    let count = lists.names.male.family.len().min(lists.names.female.family.len()).max(1);
    for members in [&[0, 1, 2, 3][..], &[4], &[5, 6], &[7], &[8, 9]] {
        let which = rng.random_range(0..count);
        for &member in members {
            let names = if people[member].male { &lists.names.male } else { &lists.names.female };
            people[member].family = names.family.get(which).cloned().unwrap_or_default();
        }
    }
}

/// Spreads consecutive indexes over `0..modulus`, without collisions while `index < modulus`.
fn spread(index: u64, modulus: u64) -> u64 {
    // A step that shares no factor with the moduli in use walks every residue once.
    index.wrapping_mul(387_420_487) % modulus
}

/// A SNILS for nine digits, with its check number (rules of the Social Fund's form ADV-7).
fn snils(nine: u64) -> String {
    let digits = format!("{nine:09}");
    let sum: u64 = digits.bytes().zip((1..=9).rev()).map(|(d, weight)| u64::from(d - b'0') * weight).sum();
    let check = sum % 101 % 100;
    format!("{}-{}-{} {check:02}", &digits[0..3], &digits[3..6], &digits[6..9])
}

fn check_digit(digits: &str, weights: &[u64]) -> u64 {
    digits.bytes().zip(weights).map(|(d, w)| u64::from(d - b'0') * w).sum::<u64>() % 11 % 10
}

/// A person's INN for ten digits, with its two check digits.
fn inn_of_person(ten: u64) -> String {
    let mut inn = format!("{ten:010}");
    let first = check_digit(&inn, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]);
    inn.push_str(&first.to_string());
    let second = check_digit(&inn, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]);
    inn.push_str(&second.to_string());
    inn
}

/// A generated organisation.
pub struct Organisation {
    /// Name with its legal form.
    pub name: String,
    /// INN, 10 digits.
    pub inn: String,
    /// OGRN, 13 digits.
    pub ogrn: String,
    /// Address in one line.
    pub address: String,
}

/// The sample organisation with this number.
pub fn organisation(lists: &Lists, number: u64) -> Organisation {
    let mut rng = rng("organisation", number);
    let parts = &lists.organisations;
    let nine = format!("77{:07}", spread(number, 9_999_999));
    let inn = format!("{nine}{}", check_digit(&nine, &[2, 4, 10, 3, 5, 9, 4, 6, 8]));
    let twelve = 102_770_000_000 + spread(number, 9_999_999) * 7 % 9_999_999;
    let home = place(lists, &mut rng);
    let (form, name, activity) =
        (pick(&mut rng, &parts.forms), pick(&mut rng, &parts.names), pick(&mut rng, &parts.activities));
    Organisation {
        name: format!("{form} «{name} {activity}»"),
        ogrn: format!("{twelve}{}", twelve % 11 % 10),
        inn,
        address: format!("{}, {}, {}, д. {}", home.postal_code, home.city, home.street, home.house),
    }
}

impl Person {
    /// Whether they are of age on that day.
    pub fn adult_on(&self, day: NaiveDate) -> bool {
        day >= self.birthday(18)
    }

    /// The day they turn so many years old.
    pub fn birthday(&self, years: i32) -> NaiveDate {
        let year = self.birth_date.year() + years;
        self.birth_date
            .with_year(year)
            .or_else(|| NaiveDate::from_ymd_opt(year, 3, 1))
            .unwrap_or(self.birth_date)
    }

    /// The body of the entry that opens their account.
    pub fn opened(&self) -> Value {
        json!({
            "name": { "family": self.family, "given": self.given, "patronymic": self.patronymic },
            "birth_date": self.birth_date.to_string(),
            "sex": self.sex(),
            "snils": self.snils,
            "inn": self.inn,
            "phone": self.phone,
            "email": format!("sample{}@example.invalid", self.index),
            "address": {
                "region": self.region, "city": self.city, "street": self.street,
                "house": self.house, "flat": self.flat, "postal_code": self.postal_code,
            },
            "sample": true,
        })
    }

    fn sex(&self) -> &'static str {
        if self.male { "male" } else { "female" }
    }

    /// A field by its name in a sample template; `None` for a name that is not a field.
    pub fn field(&self, name: &str) -> Option<String> {
        Some(match name {
            "full_name" => format!("{} {} {}", self.family, self.given, self.patronymic),
            "family" => self.family.clone(),
            "given" => self.given.clone(),
            "patronymic" => self.patronymic.clone(),
            "birth_date" => self.birth_date.to_string(),
            "sex" => self.sex().to_owned(),
            "snils" => self.snils.clone(),
            "inn" => self.inn.clone(),
            "phone" => self.phone.clone(),
            "region" => self.region.clone(),
            "city" => self.city.clone(),
            "street" => self.street.clone(),
            "house" => self.house.clone(),
            "flat" => self.flat.clone(),
            "postal_code" => self.postal_code.clone(),
            "birth_place" => format!("г. {}", self.city),
            _ => return None,
        })
    }
}
