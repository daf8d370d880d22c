//! The bodies of accesses: one for each person whom a request shows something of, and for each record that lets it.

use std::collections::{BTreeMap, BTreeSet};

use domain::platform::ACCESSES;
use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Disclosure, Endpoint, Looker, Purpose};

/// Records that one access names: as many as a page of entries can have. More make another access.
const RECORDS_MAX: usize = 256;

/// For whom one is, and by which record (its register and its identifier) they may be looked at, where it is by one.
type For<'a> = (Uuid, Option<(&'a str, Uuid)>);

/// The bodies, each with what concerns its one person and nothing of the others.
pub fn bodies(looker: &Looker, purpose: &Purpose, endpoint: Endpoint, shown: &[&Disclosure]) -> Vec<Value> {
    let (about, others): (Vec<&Disclosure>, Vec<&Disclosure>) =
        shown.iter().copied().partition(|one| one.register == *ACCESSES && looker.must_say_why());
    let mut persons: BTreeMap<For<'_>, BTreeSet<(&Slug, Uuid)>> = BTreeMap::new();
    for one in others {
        for person in one.persons.iter().filter(|person| looker.concerns(person)) {
            let key = (*person, looker.grounds(&one.register));
            persons.entry(key).or_default().insert((&one.register, one.record));
        }
    }
    let base = base(looker, purpose, endpoint);
    let mut bodies = Vec::new();
    for ((person, grounds), records) in persons {
        let records: Vec<Value> = records.into_iter().map(of_record).collect();
        for some in records.chunks(RECORDS_MAX) {
            let mut body = base.clone();
            body["subjects"] = json!([{ "role": "person", "person": person }]);
            body["records"] = json!(some);
            if let Some((register, record)) = grounds {
                body["grounds"] = json!({ "register": register, "record": record });
            }
            if let Some(members) = body.as_object_mut() {
                members.retain(|name, _| !looker.hidden_from(&person).contains(&name.as_str()));
            }
            bodies.push(body);
        }
    }
    bodies.extend(regress(&base, &about));
    bodies
}

/// Looking at accesses is an access of its own, told without the persons in them: else each reading of the register would
/// make it longer by as much as was read.
fn regress(base: &Value, about: &[&Disclosure]) -> Vec<Value> {
    let indexes: Option<Vec<u64>> = about.iter().map(|one| one.index).collect();
    match indexes.as_deref() {
        Some([]) => Vec::new(),
        Some(indexes) => {
            let mut body = base.clone();
            body["range"] =
                json!({ "register": ACCESSES, "from": indexes.iter().min(), "to": indexes.iter().max() });
            vec![body]
        }
        None => {
            let records: BTreeSet<(&Slug, Uuid)> =
                about.iter().map(|one| (&one.register, one.record)).collect();
            let records: Vec<Value> = records.into_iter().map(of_record).collect();
            let with = |some: &[Value]| {
                let mut body = base.clone();
                body["records"] = json!(some);
                body
            };
            records.chunks(RECORDS_MAX).map(with).collect()
        }
    }
}

fn of_record((register, record): (&Slug, Uuid)) -> Value {
    json!({ "register": register, "record": record })
}

fn base(looker: &Looker, purpose: &Purpose, endpoint: Endpoint) -> Value {
    let mut base = looker.members();
    base["endpoint"] = json!(endpoint.as_str());
    // What a representative writes into headers is no ground for anything.
    if looker.must_say_why() {
        base["purpose"] = json!(purpose.purpose);
        base["legal_basis"] = json!(purpose.legal_basis);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::acting::{Acting, Whom};

    const ME: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn office() -> Looker {
        let department: Slug = "roads".parse().unwrap();
        Looker::Office {
            by: json!({ "role": "official", "person": OTHER, "department": department }),
            department: Some(department),
        }
    }

    fn purpose() -> Purpose {
        Purpose { purpose: Some("a complaint".to_owned()), legal_basis: Some("1-FZ".to_owned()) }
    }

    fn shown(register: &str, record: u128, persons: &[Uuid]) -> Disclosure {
        Disclosure::new(&register.parse().unwrap(), Uuid::from_u128(record), persons.to_vec())
    }

    fn made(looker: &Looker, shown: &[Disclosure]) -> Vec<Value> {
        bodies(looker, &purpose(), Endpoint::Entries, &shown.iter().collect::<Vec<_>>())
    }

    #[test]
    fn one_for_each_person_and_nothing_of_the_others() {
        let shown = [
            shown("fines", 7, &[ME]),
            shown("marriages", 8, &[ME, OTHER]),
            shown("fines", 7, &[ME]),
            shown("fines", 9, &[]),
        ];
        let bodies = made(&office(), &shown);
        assert_eq!(bodies.len(), 2);
        assert_eq!(bodies[0]["records"].as_array().map(Vec::len), Some(2));
        assert_eq!(bodies[1]["records"], json!([{ "register": "marriages", "record": Uuid::from_u128(8) }]));
        assert!(!bodies[0]["subjects"].to_string().contains(&OTHER.to_string()));
        assert_eq!(bodies[1]["subjects"], json!([{ "role": "person", "person": OTHER }]));
        assert_eq!(
            (&bodies[0]["purpose"], &bodies[0]["department"]),
            (&json!("a complaint"), &json!("roads"))
        );
    }

    #[test]
    fn many_records_of_one_person_make_more_accesses() {
        let shown: Vec<_> = (0..300).map(|record| shown("fines", record, &[ME])).collect();
        let counts: Vec<_> =
            made(&office(), &shown).iter().map(|body| body["records"].as_array().map(Vec::len)).collect();
        assert_eq!(counts, [Some(256), Some(44)]);
    }

    #[test]
    fn looking_at_accesses_is_one_access_without_persons() {
        let shown: Vec<_> = (3..200_u64).map(|at| shown("accesses", 9, &[ME]).at(at)).collect();
        let bodies = made(&office(), &shown);
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0]["range"], json!({ "register": "accesses", "from": 3, "to": 199 }));
        assert!(bodies[0]["subjects"].is_null());
    }

    #[test]
    fn a_consent_is_told_to_whoever_gave_it_alone() {
        let looker = Looker::ThirdParty {
            client: "bank".to_owned(),
            person: ME,
            consent: Uuid::from_u128(5),
            purpose: "a loan".to_owned(),
        };
        let bodies = made(&looker, &[shown("marriages", 8, &[ME, OTHER])]);
        assert_eq!(bodies.len(), 2);
        assert_eq!((&bodies[0]["purpose"], bodies[0]["grounds"].is_null()), (&json!("a loan"), false));
        assert!(bodies[1]["purpose"].is_null() && bodies[1]["grounds"].is_null());
        assert_eq!(bodies[1]["by"], json!({ "role": "third-party", "client": "bank" }));
    }

    #[test]
    fn a_representative_is_an_access_of_whom_they_act_for_alone() {
        let acting = Acting { actor: OTHER, whom: Whom::Person(ME), basis: None };
        let bodies = made(&Looker::from(&acting), &[shown("births", 7, &[ME, OTHER, Uuid::from_u128(3)])]);
        assert_eq!(bodies.len(), 1);
        assert!(bodies[0]["purpose"].is_null());
        assert_eq!(bodies[0]["on_behalf_of"], json!({ "person": ME }));
        let oneself = Acting { actor: ME, whom: Whom::Person(ME), basis: None };
        assert_eq!(made(&Looker::from(&oneself), &[shown("births", 7, &[ME])]), Vec::<Value>::new());
    }
}
