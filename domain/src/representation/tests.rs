//! Each rule on records that the fixtures' definitions accept.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::definitions::{Definitions, InForce};
use crate::record::{Proposed, Record};
use crate::testing::{self, at, slug};

/// The registers, and the records made in them.
pub(super) struct Town {
    registers: BTreeMap<&'static str, Arc<InForce>>,
    definitions: Definitions,
    records: BTreeMap<u128, Record>,
}

pub(super) fn person(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn subjects(parties: &[(&str, u128)]) -> Value {
    parties.iter().map(|(role, n)| json!({"role": role, "person": person(*n)})).collect()
}

pub(super) fn birth(child: u128, mother: u128, father: Option<u128>, on: &str) -> Value {
    let mut parties = vec![("child", child), ("mother", mother)];
    parties.extend(father.map(|father| ("father", father)));
    json!({
        "act_number": format!("110{child:018}"), "act_date": on, "office": {"name": "ЗАГС"},
        "child": {"name": name(), "sex": "female", "birth_date": on, "birth_place": "В"},
        "birth_document": {"kind": "medical"}, "certificate": certificate(on),
        "subjects": subjects(&parties),
    })
}

pub(super) fn decision(parent: u128, child: u128, on: &str) -> Value {
    json!({"decision": {"court": "Суд", "number": "2-1/2025", "date": on}, "effective_on": on,
        "subjects": subjects(&[("parent", parent), ("child", child)])})
}

pub(super) fn appointment(guardian: u128, ward: u128, ground: &str, form: &str, from: &str) -> Value {
    let mut body = json!({"act_number": format!("ОП-77-2024-{:06}", guardian * 100 + ward), "act_date": from, "authority": "Опека",
        "form": form, "ground": ground, "valid_from": from, "subjects": subjects(&[("ward", ward), ("guardian", guardian)])});
    if ground.contains("capacity") {
        body["court_decision"] = json!({"court": "Суд", "number": "2-1/2025", "date": from});
    }
    body
}

pub(super) fn power(
    principal: u128,
    representative: u128,
    scope: &Value,
    from: &str,
    until: Option<&str>,
) -> Value {
    let mut body = json!({"number": format!("77/1-н/77-2024-1-{}", principal * 100 + representative),
        "notary": {"name": "Н", "district": "М"}, "scope": scope, "valid_from": from,
        "subjects": subjects(&[("principal", principal), ("representative", representative)])});
    if let Some(until) = until {
        body["valid_until"] = json!(until);
    }
    body
}

pub(super) fn death(deceased: u128) -> Value {
    json!({"act_number": format!("170{deceased:018}"), "act_date": "2024-01-01", "office": {"name": "ЗАГС"}, "ground": "medical",
        "deceased": {"name": name(), "sex": "female", "birth_date": "1980-01-01"}, "died_on": "2024-01-01",
        "certificate": certificate("2024-01-01"), "subjects": subjects(&[("deceased", deceased)])})
}

pub(super) fn marriage(one: u128, other: u128, on: &str) -> Value {
    let spouse =
        json!({"name_before": name(), "family_after": "А", "birth_date": "1980-01-01", "citizenship": "RUS"});
    json!({"act_number": format!("120{:018}", one * 1000 + other), "act_date": on, "married_on": on, "office": {"name": "ЗАГС"},
        "spouses": [spouse, spouse], "certificate": certificate(on), "subjects": subjects(&[("spouse", one), ("spouse", other)])})
}

fn name() -> Value {
    json!({"family": "А", "given": "Б"})
}

fn certificate(on: &str) -> Value {
    json!({"series": "I-АБ", "number": "123456", "issued_on": on})
}

impl Town {
    pub(super) fn new() -> Self {
        let mut definitions = Definitions::default();
        let mut registers = BTreeMap::new();
        for (at, register) in REGISTERS.into_iter().enumerate() {
            let body = json!({"definition": testing::fixture(register), "key": testing::verifier_key("a/b").to_string()});
            let position = at as u64 + 1;
            let defined = testing::Recorded::new(
                "registers",
                position,
                "2020-01-01",
                (900 + at as u128, 1),
                "defined",
                body,
            );
            definitions.apply(&defined.view()).unwrap();
            registers.insert(register, definitions.current(&slug(register)).unwrap());
        }
        Self { registers, definitions, records: BTreeMap::new() }
    }

    /// Appends an entry to a record, which must be right.
    #[track_caller]
    pub(super) fn append(&mut self, register: &'static str, record: u128, entry_type: &str, body: Value) {
        let definition = &self.registers[register];
        let now = at("2026-01-01");
        let proposed =
            Proposed { record: person(record), now, ..testing::proposed(definition, entry_type, body) };
        let record = self.records.entry(record).or_default();
        let event =
            record.decide(&proposed).unwrap_or_else(|error| panic!("{register} {entry_type}: {error:?}"));
        record.step(&event);
    }

    pub(super) fn facts(&self) -> Facts {
        Facts::new(self.records.values().filter_map(|record| Fact::of(record, &self.definitions)))
    }

    /// For whom, as what, by which record.
    pub(super) fn acts(&self, actor: u128, on: &str) -> Vec<(Whom, Capacity, u128)> {
        let found = mandates(&self.facts(), person(actor), day(on));
        found.into_iter().map(|mandate| (mandate.whom, mandate.capacity, mandate.record.as_u128())).collect()
    }

    fn is(&self, actor: u128, whom: u128, on: &str) -> Option<Capacity> {
        let found = mandates_for(&self.facts(), person(actor), &Whom::Person(person(whom)), day(on));
        found.first().map(|mandate| mandate.capacity)
    }
}

const MOTHER: u128 = 1;
const FATHER: u128 = 2;
const CHILD: u128 = 3;
const OTHER: u128 = 4;

fn family() -> Town {
    let mut town = Town::new();
    town.append(BIRTHS, 100, "recorded", birth(CHILD, MOTHER, Some(FATHER), "2010-05-10"));
    town
}

fn basis() -> Value {
    json!({"document": "Решение"})
}

#[test]
fn parents_act_for_a_child_until_majority() {
    let town = family();
    for parent in [MOTHER, FATHER] {
        assert_eq!(town.is(parent, CHILD, "2028-05-09"), Some(Capacity::Parent));
        assert_eq!(town.is(parent, CHILD, "2028-05-10"), None);
    }
    assert_eq!((town.is(CHILD, MOTHER, "2020-01-01"), town.is(OTHER, CHILD, "2020-01-01")), (None, None));
    let until = mandates(&town.facts(), person(MOTHER), day("2020-01-01"))[0].until;
    assert_eq!(until, Some(day("2028-05-09")));
    assert_eq!(state::reaches(day("2008-02-29"), 18), Some(day("2026-03-01")));
}

#[test]
fn a_birth_counts_as_it_was_corrected_and_not_once_annulled() {
    let mut town = family();
    let put_right = json!({"corrects": 1, "reason": "Отец другой", "father_basis": "court",
        "child": birth(CHILD, MOTHER, None, "2010-06-01")["child"]});
    town.append(BIRTHS, 100, "corrected", put_right);
    assert_eq!(town.is(MOTHER, CHILD, "2028-05-31"), Some(Capacity::Parent));
    let paternity = json!({"father": {"name": {"family": "А", "given": "Б"}}, "father_basis": "court", "basis": basis(),
        "subjects": birth(CHILD, MOTHER, Some(OTHER), "2010-05-10")["subjects"]});
    town.append(BIRTHS, 100, "paternity-established", paternity);
    assert_eq!(
        (town.is(FATHER, CHILD, "2020-01-01"), town.is(OTHER, CHILD, "2020-01-01")),
        (None, Some(Capacity::Parent))
    );
    town.append(BIRTHS, 100, "annulled", json!({"basis": basis()}));
    assert_eq!(town.is(MOTHER, CHILD, "2020-01-01"), None);
}

#[test]
fn a_court_takes_the_rights_of_one_parent_and_gives_them_back() {
    let mut town = family();
    town.append(PARENTAL_RIGHTS, 101, "restricted", decision(FATHER, CHILD, "2020-03-01"));
    assert_eq!(
        town.is(FATHER, CHILD, "2020-02-29"),
        Some(Capacity::Parent),
        "before the decision has effect"
    );
    assert_eq!(
        (town.is(FATHER, CHILD, "2020-03-01"), town.is(MOTHER, CHILD, "2020-03-01")),
        (None, Some(Capacity::Parent))
    );
    let next = decision(FATHER, CHILD, "2021-03-01");
    let next = json!({"decision": next["decision"], "effective_on": next["effective_on"]});
    town.append(PARENTAL_RIGHTS, 101, "deprived-later", next.clone());
    assert_eq!(town.is(FATHER, CHILD, "2022-01-01"), None);
    town.append(PARENTAL_RIGHTS, 101, "restored", next);
    assert_eq!(town.is(FATHER, CHILD, "2022-01-01"), Some(Capacity::Parent));
}

#[test]
fn marriage_makes_a_minor_capable_and_its_end_does_not_undo_that() {
    let mut town = family();
    town.append(MARRIAGES, 102, "recorded", marriage(CHILD, OTHER, "2027-01-10"));
    assert_eq!(
        (town.is(MOTHER, CHILD, "2027-01-09"), town.is(MOTHER, CHILD, "2027-01-10")),
        (Some(Capacity::Parent), None)
    );
    let facts = town.facts();
    assert_eq!(mandates(&facts, person(MOTHER), day("2026-01-01"))[0].until, Some(day("2027-01-09")));
    town.append(
        MARRIAGES,
        102,
        "dissolved",
        json!({"dissolved_on": "2027-02-01", "divorce_act": format!("130{:018}", 1)}),
    );
    assert_eq!(town.is(MOTHER, CHILD, "2027-03-01"), None);
}

#[test]
fn a_guardian_takes_the_parents_place_and_a_trustee_of_an_adult_does_not_represent() {
    let mut town = family();
    town.append(
        GUARDIANSHIPS,
        103,
        "established",
        appointment(OTHER, CHILD, "minor-without-care", "guardianship", "2020-01-01"),
    );
    assert_eq!(
        (town.is(MOTHER, CHILD, "2020-01-01"), town.is(OTHER, CHILD, "2020-01-01")),
        (None, Some(Capacity::Guardian))
    );
    town.append(GUARDIANSHIPS, 103, "turned-into-trusteeship", json!({"form": "trusteeship"}));
    assert_eq!(
        (town.is(OTHER, CHILD, "2028-05-09"), town.is(OTHER, CHILD, "2028-05-10")),
        (Some(Capacity::Trustee), None)
    );
    town.append(
        GUARDIANSHIPS,
        103,
        "terminated",
        json!({"ended_on": "2024-01-01", "cause": "returned-to-parents"}),
    );
    assert_eq!(
        (town.is(MOTHER, CHILD, "2024-01-01"), town.is(OTHER, CHILD, "2024-01-01")),
        (Some(Capacity::Parent), None)
    );
    town.append(
        GUARDIANSHIPS,
        104,
        "established",
        appointment(MOTHER, FATHER, "limited-capacity", "trusteeship", "2024-01-01"),
    );
    assert_eq!(town.is(MOTHER, FATHER, "2024-06-01"), None);
    assert_eq!(town.is(FATHER, CHILD, "2024-06-01"), Some(Capacity::Parent));
    town.append(
        GUARDIANSHIPS,
        105,
        "established",
        appointment(MOTHER, FATHER, "incapacity", "guardianship", "2025-01-01"),
    );
    assert_eq!(town.is(MOTHER, FATHER, "2025-06-01"), Some(Capacity::Guardian));
    assert_eq!(town.is(FATHER, CHILD, "2025-06-01"), None, "one who is incapable acts for nobody");
    assert_eq!(town.is(CHILD, MOTHER, "2025-06-01"), None);
}

#[test]
fn a_power_holds_for_its_scope_and_term() {
    let mut town = Town::new();
    let housing = json!({"groups": ["housing"], "registers": ["fines"], "actions": ["read"]});
    town.append(POWERS, 110, "certified", power(FATHER, OTHER, &housing, "2024-02-29", None));
    assert_eq!(town.is(OTHER, FATHER, "2024-02-28"), None);
    assert_eq!(
        town.is(OTHER, FATHER, "2025-02-28"),
        Some(Capacity::Attorney),
        "a year where no term is named"
    );
    assert_eq!(town.is(OTHER, FATHER, "2025-03-01"), None);
    let scope = mandates(&town.facts(), person(OTHER), day("2024-03-01")).remove(0).scope;
    let covers = |register: &str| {
        scope.covers(&crate::definition::Definition::from_json(&testing::fixture(register)).unwrap())
    };
    assert_eq!(
        ["residence-registrations", "fines", "passports", "consents"].map(covers),
        [true, true, false, false]
    );
    assert!(scope.reads && !scope.acts);
    assert_eq!(Scope::from_content(&scope.to_json()), Some(scope));
    town.append(POWERS, 110, "revoked", json!({"ended_on": "2024-04-01"}));
    assert_eq!(town.is(OTHER, FATHER, "2024-04-02"), None);
    let documents = Scope { groups: [crate::definition::Group::Documents].into(), ..Scope::default() };
    let consents = crate::definition::Definition::from_json(&testing::fixture("consents")).unwrap();
    assert!(!documents.covers(&consents) && Scope::everything().covers(&consents));
}

#[test]
fn a_power_ends_with_a_life_or_with_capacity() {
    let all = json!({"everything": true, "actions": ["read", "act"]});
    for ending in ["principal", "representative"] {
        let mut town = Town::new();
        town.append(POWERS, 110, "certified", power(FATHER, OTHER, &all, "2024-01-01", Some("2027-01-01")));
        assert_eq!(town.is(OTHER, FATHER, "2024-06-01"), Some(Capacity::Attorney));
        let ends = if ending == "principal" { FATHER } else { OTHER };
        let limited = appointment(MOTHER, ends, "limited-capacity", "trusteeship", "2024-02-01");
        town.append(GUARDIANSHIPS, 111, "established", limited);
        assert_eq!(town.is(OTHER, FATHER, "2024-06-01"), None, "{ending}");
        town.append(GUARDIANSHIPS, 111, "annulled", json!({"basis": basis()}));
        assert_eq!(town.is(OTHER, FATHER, "2024-06-01"), Some(Capacity::Attorney));
        town.append(DEATHS, 112, "recorded", death(ends));
        assert_eq!(town.is(OTHER, FATHER, "2024-06-01"), None, "{ending}");
    }
}

#[test]
fn those_in_the_register_act_for_an_organisation() {
    let mut town = Town::new();
    let organisation = json!({"name": "ООО", "ogrn": "1027700132195"});
    let entry = |grn: &str, n: u128, capacity: &str, scope: Option<Value>| {
        let mut body = json!({"grn": grn, "capacity": capacity, "position": "Директор", "valid_from": "2024-01-01",
            "subjects": [{"role": "organisation", "organisation": organisation}, {"role": "representative", "person": person(n)}]});
        if let Some(scope) = scope {
            body["scope"] = scope;
        }
        body
    };
    town.append(ORGANISATION_REPRESENTATIVES, 120, "entered", entry("2247700123456", MOTHER, "head", None));
    let some = json!({"groups": ["business"], "actions": ["read"]});
    town.append(
        ORGANISATION_REPRESENTATIVES,
        121,
        "entered",
        entry("2247700123457", OTHER, "power", Some(some)),
    );
    let whom = Whom::Organisation { ogrn: "1027700132195".to_owned() };
    assert_eq!(town.acts(MOTHER, "2024-01-01"), [(whom.clone(), Capacity::Head, 120)]);
    assert_eq!(town.acts(OTHER, "2024-01-01"), [(whom, Capacity::Officer, 121)]);
    assert_eq!(town.acts(MOTHER, "2023-12-31"), []);
    town.append(ORGANISATION_REPRESENTATIVES, 120, "suspended", json!({"basis": basis()}));
    assert_eq!(town.acts(MOTHER, "2024-01-01"), []);
}

#[test]
fn nobody_acts_by_what_is_withheld() {
    let town = family();
    let mut facts = town.facts();
    let mut hidden = facts.get(person(100)).unwrap().clone();
    hidden.withheld = true;
    facts.insert(hidden);
    assert_eq!(mandates(&facts, person(MOTHER), day("2020-01-01")), []);
    assert!(!format!("{facts:?}").contains("110000"));
}

#[test]
fn a_parent_of_fifteen_waits_for_sixteen_or_a_marriage() {
    let mut town = Town::new();
    town.append(BIRTHS, 100, "recorded", birth(MOTHER, OTHER, None, "2005-05-10"));
    town.append(BIRTHS, 101, "recorded", birth(CHILD, MOTHER, None, "2020-06-01"));
    assert_eq!(
        (town.is(MOTHER, CHILD, "2021-05-09"), town.is(MOTHER, CHILD, "2021-05-10")),
        (None, Some(Capacity::Parent))
    );
    town.append(MARRIAGES, 102, "recorded", marriage(MOTHER, FATHER, "2020-09-01"));
    assert_eq!(town.is(MOTHER, CHILD, "2020-09-01"), Some(Capacity::Parent));
}
