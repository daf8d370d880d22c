//! Random entries about keys, as the aggregate decides on them and as an auditor folds them, against sets of numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::definitions::{Definitions, InForce};
use crate::record::Proposed;
use crate::register::{Register, body};
use crate::testing::{Recorded, at, platform, proposed, seeded_verifier_key, slug, small_definition};

static REGISTERS: LazyLock<Arc<InForce>> = LazyLock::new(|| platform("registers"));

fn vkey(seed: u8) -> VerifierKey {
    seeded_verifier_key("registers.example.gov/registers/permits", seed)
}

/// What is tried: the type, the key's number, and for a compromise how long ago it began.
#[derive(Debug, Clone, Copy)]
struct Try(&'static str, u8, i64);

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let entry_type = prop_oneof![Just(KEY_ADDED), Just(KEY_RETIRED), Just(KEY_COMPROMISED)];
    prop::collection::vec(
        (entry_type, 1..5_u8, -1..6_i64).prop_map(|(kind, key, ago)| Try(kind, key, ago)),
        1..20,
    )
}

/// The rules, said again in the simplest way: the order of keys, those that ended, and since when each was stolen.
#[derive(Default)]
struct Model {
    added: Vec<(u8, Timestamp)>,
    ended: BTreeSet<u8>,
    stolen: BTreeMap<u8, Timestamp>,
}

impl Model {
    fn in_force(&self) -> Vec<u8> {
        self.added.iter().rev().map(|(key, _)| *key).filter(|key| !self.ended.contains(key)).collect()
    }

    /// Takes it, or does not.
    fn take(&mut self, Try(entry_type, key, ago): Try, now: Timestamp) -> bool {
        let from = self.added.iter().find(|(known, _)| *known == key).map(|(_, from)| *from);
        let since = now.plus_millis(-ago);
        match (entry_type, from) {
            (KEY_ADDED, None) => self.added.push((key, now)),
            (KEY_ADDED, Some(_)) | (_, None) => return false,
            (_, Some(_)) if self.in_force() == [key] => return false,
            (KEY_RETIRED, Some(_)) => return self.ended.insert(key),
            (_, Some(from)) => {
                if ago < 0 || since < from || self.stolen.get(&key).is_some_and(|known| since >= *known) {
                    return false;
                }
                self.stolen.insert(key, since);
                self.ended.insert(key);
            }
        }
        true
    }
}

fn proposal(Try(entry_type, key, ago): Try, now: Timestamp) -> Proposed {
    let mut body = json!({"key": vkey(key).to_string()});
    if entry_type == KEY_COMPROMISED {
        body["since"] = Value::from(now.plus_millis(-ago).to_string());
    }
    Proposed { now, ..proposed(&REGISTERS, entry_type, body) }
}

proptest! {
    #[test]
    fn whoever_decides_and_whoever_folds_agree_with_the_rules(tries in tries()) {
        let start = at("2026-01-01");
        let mut model = Model { added: vec![(1, start)], ..Model::default() };
        let (mut register, mut definitions) = (Register::default(), Definitions::default());
        let definition = small_definition("permits", "mvd");
        let defined = register.decide(&proposed(&REGISTERS, "defined", body(&definition, &vkey(1)))).unwrap();
        register.step(&defined);
        definitions.apply(&defined.view()).unwrap();
        for (one, ahead) in tries.into_iter().zip(1..) {
            let now = start.plus_millis(ahead);
            let decided = register.decide(&proposal(one, now));
            prop_assert_eq!(model.take(one, now), decided.is_ok(), "{:?}: {:?}", one, decided);
            let Ok(event) = decided else { continue };
            register.step(&event);
            let body = event.body.clone().unwrap();
            let recorded = Recorded { at: now, ..Recorded::new("registers", 0, "2026-01-01", (7, event.version), one.0, body) };
            definitions.apply(&recorded.view()).unwrap();
            let permits = slug("permits");
            let expected: Vec<_> = model.in_force().into_iter().map(vkey).collect();
            prop_assert!(!expected.is_empty());
            prop_assert_eq!(definitions.keys_now(&permits), expected.iter().collect::<Vec<_>>());
            prop_assert_eq!(Some(&definitions.current(&permits).unwrap().key), expected.first());
            let folded = definitions.keys_of(&permits).unwrap();
            prop_assert_eq!(folded, &register.keys);
            for key in folded.iter() {
                let number = model.added.iter().find(|(number, _)| vkey(*number) == key.vkey).unwrap().0;
                prop_assert_eq!(key.compromised_since, model.stolen.get(&number).copied());
                prop_assert_eq!(key.until.is_some(), model.ended.contains(&number));
            }
        }
    }
}
